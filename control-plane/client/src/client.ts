import createFetchClient, { type Client } from 'openapi-fetch';
import type { components, paths } from './generated/schema.ts';
import { createSend } from './send.ts';
import type { Authentication } from './tokens.ts';

/** What a write would do. */
export type DryRun = components['schemas']['DryRun'];

/** The typed methods `GET`, `POST`, `PATCH`, `DELETE` over the paths of the OpenAPI document. */
export type RestClient = Client<paths>;

export interface ClientOptions {
  /** Scheme, host and port of the control plane; no path. */
  readonly baseUrl: string;
  readonly authentication?: Authentication;
  /** Default 30 000. */
  readonly timeoutMs?: number;
  /** Default 2. */
  readonly retriesMax?: number;
  readonly fetch?: (request: Request) => Promise<Response>;
  readonly sleep?: (ms: number) => Promise<void>;
  /** Sent with every request, `user-agent` for example. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A client of the control plane, for Node and browsers. Its methods reject with ApiError (the server refused) or
 * ConnectionError (nobody answered); `bodyOf` takes the body out of their answers.
 */
export function createClient(options: ClientOptions): RestClient {
  const baseUrl = options.baseUrl.replace(/\/+$/, '');
  return createFetchClient<paths>({
    baseUrl,
    fetch: createSend({
      baseUrl,
      authentication: options.authentication ?? { kind: 'none' },
      timeoutMs: options.timeoutMs ?? 30_000,
      retriesMax: options.retriesMax ?? 2,
      fetch: options.fetch ?? ((request) => globalThis.fetch(request)),
      sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
      headers: options.headers ?? {},
    }),
  });
}

/** The body of an answer; refusals were thrown before, so an answer without one is a fault of the server. */
export async function bodyOf<T>(answer: Promise<{ data?: T; response: Response }>): Promise<NonNullable<T>> {
  const { data, response } = await answer;
  if (data === undefined || data === null) throw new TypeError(`the server answered ${response.status} without a body`);
  return data;
}

/** The query of a write that is only to be tried. */
export const DRY_RUN = { dry_run: 'true' } as const;

/** The answer to a request with the query `DRY_RUN`: the types tell the answer of the write, which nobody got. */
export async function dryRunOf(answer: Promise<{ data?: unknown; response: Response }>): Promise<DryRun> {
  const body = await bodyOf(answer);
  if (typeof body === 'object' && 'dryRun' in body && body.dryRun === true) return body as DryRun;
  throw new TypeError('the server did not say what the request would do: it may have been carried out');
}

/** Pages read by `allItems` at most: a server that never stops must not hold us for ever. */
const PAGES_MAX = 1000;

/** All items of a list, page after page. */
export async function allItems<T>(
  page: (cursor: string | undefined) => Promise<{ items: T[]; nextCursor?: string | undefined }>,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let count = 0; count < PAGES_MAX; count++) {
    const next = await page(cursor);
    items.push(...next.items);
    if (next.nextCursor === undefined) return items;
    cursor = next.nextCursor;
  }
  throw new RangeError(`the list has more than ${PAGES_MAX} pages`);
}
