import { ApiError } from '@robustmq/client';

/** The operator's token lives as long as the page: it opens every tenant's bills. */
export interface OperatorClient {
  readonly get: <T>(path: string) => Promise<T>;
  readonly post: <T>(path: string, body: object) => Promise<T>;
  readonly put: <T>(path: string, body: object) => Promise<T>;
}

interface Answered {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
}

/** Asks `/v1/operator/…` with the operator's token. Rejects with ApiError as the tenants' client does. */
export function operatorClient(token: string, fetch = globalThis.fetch.bind(globalThis)): OperatorClient {
  const ask = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(`/v1/operator/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer: unknown = await response.json().catch(() => undefined);
    if (response.ok) return answer as T;
    const { code = `http-${response.status}`, title = response.statusText, detail } = (answer ?? {}) as Answered;
    throw new ApiError({ status: response.status, code, title, detail });
  };
  return {
    get: (path) => ask('GET', path),
    post: (path, body) => ask('POST', path, body),
    put: (path, body) => ask('PUT', path, body),
  };
}

/** An invoice that wants a person: held back, or refused by the payment provider. */
export interface HeldInvoice {
  readonly tenantId: string;
  readonly gatewayError: string | null;
  readonly id: string;
  readonly number: string | null;
  readonly status: 'draft' | 'held' | 'issued' | 'paid' | 'past_due' | 'void' | 'uncollectible';
  readonly holdReason: string | null;
  readonly total: { readonly amount: string; readonly currency: string };
}

export interface Reconciliation {
  readonly month: string;
  readonly tenants: number;
  readonly invoices: number;
  readonly drift: readonly { readonly tenantId: string; readonly what: string; readonly detail: string }[];
  readonly gaps: readonly object[];
}

export interface Revenue {
  readonly month: string;
  readonly currency: string;
  readonly clusters: readonly {
    readonly tenantId: string;
    readonly clusterId: string;
    readonly revenueMinor: string;
    readonly costMinor: string;
    readonly marginMinor: string;
  }[];
}

export interface PriceVersion {
  readonly plan: string;
  readonly meter: string;
  readonly currency: string;
  readonly included: string;
  readonly model: string;
  readonly unitPrice?: string;
  readonly validFrom: string;
  readonly validTo: string | null;
}

export interface PricePreview {
  readonly currency: string;
  readonly before: string;
  readonly after: string;
  readonly tenants: readonly { readonly tenantId: string; readonly before: string; readonly after: string }[];
}
