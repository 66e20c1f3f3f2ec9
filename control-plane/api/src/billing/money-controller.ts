import { Controller } from '@nestjs/common';
import { ROUTES } from '@robustmq/contracts';
import type { Caller } from '../http/caller.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { BillingLink } from './billing-link.ts';

/** Path and query of a route on billing's socket: the public ones with `/internal` for `/v1`. */
function internalPath({ route, params, query }: Caller): string {
  const path = ROUTES[route].path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name]!));
  const asked = Object.entries((query ?? {}) as Record<string, unknown>).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(
    Object.fromEntries(asked.map(([name, value]) => [name, String(value)])),
  ).toString();
  return `/internal${path.slice('/v1'.length)}${search === '' ? '' : `?${search}`}`;
}

/**
 * The contract's money routes. Who may is decided here; what happens is billing's, asked over its socket. A change is
 * made there first, under the caller's Idempotency-Key, and then audited and kept here: if this process dies in between,
 * the repeated request finds it done.
 */
@Controller()
export class MoneyController {
  readonly #billing: BillingLink;
  readonly #writes: TenantWrite;
  constructor(billing: BillingLink, writes: TenantWrite) {
    this.#billing = billing;
    this.#writes = writes;
  }

  @Route('listInvoices')
  invoices(@Input() input: RouteInput<'listInvoices'>): Promise<RouteOutput<'listInvoices'>> {
    return this.#read(input);
  }

  @Route('getInvoice')
  invoice(@Input() input: RouteInput<'getInvoice'>): Promise<RouteOutput<'getInvoice'>> {
    return this.#read(input);
  }

  @Route('downloadInvoice')
  document(@Input() input: RouteInput<'downloadInvoice'>): Promise<RouteOutput<'downloadInvoice'>> {
    return this.#read(input);
  }

  @Route('getInvoiceProof')
  proof(@Input() input: RouteInput<'getInvoiceProof'>): Promise<RouteOutput<'getInvoiceProof'>> {
    return this.#read(input);
  }

  @Route('listInvoiceWindows')
  windows(@Input() input: RouteInput<'listInvoiceWindows'>): Promise<RouteOutput<'listInvoiceWindows'>> {
    return this.#read(input);
  }

  @Route('getSubscription')
  subscription(@Input() input: RouteInput<'getSubscription'>): Promise<RouteOutput<'getSubscription'>> {
    return this.#read(input);
  }

  @Route('updateSubscription')
  subscribe(@Input() input: RouteInput<'updateSubscription'>): Promise<RouteOutput<'updateSubscription'>> {
    return this.#write(input, 'subscription.update');
  }

  @Route('openPaymentPortal')
  portal(@Input() input: RouteInput<'openPaymentPortal'>): Promise<RouteOutput<'openPaymentPortal'>> {
    return this.#write(input, 'payment-portal.open');
  }

  @Route('listCredits')
  credits(@Input() input: RouteInput<'listCredits'>): Promise<RouteOutput<'listCredits'>> {
    return this.#read(input);
  }

  @Route('redeemCoupon')
  redeem(@Input() input: RouteInput<'redeemCoupon'>): Promise<RouteOutput<'redeemCoupon'>> {
    return this.#write(input, 'coupon.redeem');
  }

  @Route('listBudgets')
  budgets(@Input() input: RouteInput<'listBudgets'>): Promise<RouteOutput<'listBudgets'>> {
    return this.#read(input);
  }

  @Route('createBudget')
  createBudget(@Input() input: RouteInput<'createBudget'>): Promise<RouteOutput<'createBudget'>> {
    return this.#write(input, 'budget.create');
  }

  @Route('updateBudget')
  updateBudget(@Input() input: RouteInput<'updateBudget'>): Promise<RouteOutput<'updateBudget'>> {
    return this.#write(input, 'budget.update');
  }

  @Route('deleteBudget')
  async deleteBudget(@Input() input: RouteInput<'deleteBudget'>): Promise<void> {
    await this.#write(input, 'budget.delete');
  }

  @Route('getCosts')
  costs(@Input() input: RouteInput<'getCosts'>): Promise<RouteOutput<'getCosts'>> {
    return this.#read(input);
  }

  @Route('exportUsage')
  usage(@Input() input: RouteInput<'exportUsage'>): Promise<RouteOutput<'exportUsage'>> {
    return this.#read(input);
  }

  /** Billing's answer; the route interceptor checks it against the contract. */
  async #read<T>(caller: Caller): Promise<T> {
    return (await this.#billing.ask({ method: 'GET', path: internalPath(caller) })) as T;
  }

  async #write<T>(caller: Caller, action: string): Promise<T> {
    const key = caller.idempotencyKey === undefined ? undefined : `${caller.principal!.id} ${caller.idempotencyKey}`;
    const method = ROUTES[caller.route].method.toUpperCase();
    const answer = await this.#billing.ask({ method, path: internalPath(caller), body: caller.body ?? {}, key });
    const { tenantId, ...rest } = caller.params;
    const id = Object.values(rest).at(-1) ?? idIn(answer) ?? tenantId!;
    const target = { type: action.split('.')[0]!, id };
    const written = await this.#writes.run(caller, action, () => Promise.resolve({ answer, target }));
    return written.answer as T;
  }
}

const idIn = (answer: unknown): string | undefined => {
  const id: unknown = answer !== null && typeof answer === 'object' ? Reflect.get(answer, 'id') : undefined;
  return typeof id === 'string' ? id : undefined;
};
