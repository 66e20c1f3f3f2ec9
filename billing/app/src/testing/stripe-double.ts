import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Json = Record<string, unknown>;
interface Stored extends Json {
  readonly id: string;
}
/** What happens to a request: done and lost, done and answered 500, not done and answered 500. */
export type Fault = 'drop-after' | 'error-after' | 'error-before';

/** `a[b][c]=1` as nested objects. */
function formOf(text: string): Json {
  const result: Json = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const keys = name.replaceAll(']', '').split('[');
    let at = result;
    for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as Json;
    at[keys.at(-1)!] = value;
  }
  return result;
}

/** Parameters each endpoint takes; others are refused, as Stripe does. */
const KNOWN: Record<string, readonly string[]> = {
  customers: ['name', 'email', 'metadata'],
  invoices: [
    'customer',
    'currency',
    'auto_advance',
    'collection_method',
    'pending_invoice_items_behavior',
    'description',
    'metadata',
  ],
  invoiceitems: ['customer', 'invoice', 'currency', 'amount', 'description', 'period', 'metadata'],
  finalize: ['auto_advance'],
  void: [],
  sessions: ['customer'],
  meter_events: ['event_name', 'payload', 'identifier', 'timestamp'],
};

class Refused extends Error {
  readonly status: number;
  readonly type: string;
  constructor(status: number, message: string, type = 'invalid_request_error') {
    super(message);
    this.status = status;
    this.type = type;
  }
}

/**
 * Stripe's part in billing, with a memory: keys, idempotency (stored results are replayed, errors of its own included;
 * other parameters under a key are refused), shapes, pages, drafts, finalising, and deliveries with signatures.
 */
export class StripeDouble {
  readonly secretKey = 'sk_test_double';
  readonly webhookSecret = 'whsec_double';
  readonly customers = new Map<string, Stored>();
  readonly invoices = new Map<string, Stored>();
  readonly items = new Map<string, Stored[]>();
  /** Meter events by identifier. */
  readonly meterEvents = new Map<string, Json>();
  /** What the double takes for now, for the ages of meter events. */
  now = (): Date => new Date();
  readonly requests: string[] = [];
  /** Faults of the next writes, in order. */
  readonly faults: (Fault | undefined)[] = [];
  readonly #results = new Map<string, { readonly body: string; readonly status: number; readonly answer: Json }>();
  #server: Server | undefined;
  #ids = 0;
  #events = 0;

  /** Where it listens. */
  get endpoint(): { host: string; port: number; protocol: 'http' } {
    return { host: '127.0.0.1', port: (this.#server!.address() as AddressInfo).port, protocol: 'http' };
  }

  async start(): Promise<{ host: string; port: number; protocol: 'http' }> {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    await new Promise<void>((resolve) => this.#server!.listen(0, '127.0.0.1', resolve));
    return this.endpoint;
  }

  stop(): Promise<void> {
    this.#server?.closeAllConnections();
    return new Promise((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }

  /** A signed delivery about an invoice, as the webhook gets it. */
  delivery(
    type: string,
    invoiceId: string,
    more: { atMs?: number; id?: string; secret?: string } = {},
  ): { body: string; signature: string } {
    const at = Math.floor((more.atMs ?? Date.now()) / 1000);
    const id = more.id ?? `evt_${(this.#events += 1)}`;
    const body = JSON.stringify({
      id,
      object: 'event',
      type,
      created: at,
      data: { object: { id: invoiceId, object: 'invoice' } },
    });
    const mac = createHmac('sha256', more.secret ?? this.webhookSecret)
      .update(`${at}.${body}`)
      .digest('hex');
    return { body, signature: `t=${at},v1=${mac}` };
  }

  /** The customer's card is charged, or refused. */
  charge(invoiceId: string, isPaid: boolean): void {
    const invoice = this.invoices.get(invoiceId)!;
    invoice['attempt_count'] = Number(invoice['attempt_count']) + 1;
    if (isPaid) invoice['status'] = 'paid';
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '/', 'http://double');
    this.requests.push(`${request.method} ${url.pathname}`);
    const { status, answer, drop } = this.#answer(request, url, body);
    if (drop) return void request.socket.destroy();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  #answer(request: IncomingMessage, url: URL, body: string): { status: number; answer: Json; drop?: boolean } {
    if (request.headers.authorization !== `Bearer ${this.secretKey}`)
      return refusal(new Refused(401, 'Invalid API Key'));
    if (request.method !== 'POST') return this.#tried(() => this.#do(request.method!, url, {}));
    const key = request.headers['idempotency-key'];
    const before = typeof key === 'string' ? this.#results.get(key) : undefined;
    if (before && before.body !== url.pathname + body)
      return refusal(
        new Refused(
          400,
          'Keys for idempotent requests can only be used with the same parameters.',
          'idempotency_error',
        ),
      );
    if (before) return before;
    const fault = this.faults.shift();
    const broken = { status: 500, answer: { error: { type: 'api_error', message: 'Something went wrong.' } } };
    const done = fault === 'error-before' ? broken : this.#tried(() => this.#do('POST', url, formOf(body)));
    const result = fault === 'error-after' ? broken : done;
    // a refusal of the request itself is not kept; everything that began to run is
    if (typeof key === 'string' && (result.status < 400 || result.status >= 500))
      this.#results.set(key, { body: url.pathname + body, ...result });
    return fault === 'drop-after' ? { ...result, drop: true } : result;
  }

  #tried(work: () => Json): { status: number; answer: Json } {
    try {
      return { status: 200, answer: work() };
    } catch (error) {
      return refusal(error instanceof Refused ? error : new Refused(500, String(error), 'api_error'));
    }
  }

  #do(method: string, url: URL, form: Json): Json {
    const [, , kind = '', id = '', verb = ''] = url.pathname.split('/');
    if (kind === 'customers') return this.#customer(id, form);
    if (kind === 'invoiceitems') return this.#item(form);
    if (kind === 'billing' && id === 'meter_events') return this.#meterEvent(form);
    if (kind === 'billing_portal') {
      this.#checked('sessions', form);
      this.#invoiceOrCustomer(this.customers, String(form['customer']));
      return { id: 'bps_1', object: 'billing_portal.session', url: 'https://billing.example.test/session' };
    }
    if (kind !== 'invoices') throw new Refused(404, `Unrecognized request URL (${method}: ${url.pathname}).`);
    if (method === 'POST' && id === '') return this.#createInvoice(form);
    if (method === 'GET' && id === '')
      return page(
        [...this.invoices.values()].filter((one) => one['customer'] === url.searchParams.get('customer')).reverse(),
        url,
      );
    const invoice = this.#invoiceOrCustomer(this.invoices, id);
    if (verb === 'lines') return page(this.items.get(id)!, url);
    if (method === 'GET') return this.#shown(invoice);
    if (verb !== '') this.#checked(verb, form);
    if (method === 'DELETE' || verb === 'finalize') this.#refuseUnless(invoice, 'draft');
    if (method === 'DELETE') {
      this.invoices.delete(id);
      return { id, object: 'invoice', deleted: true };
    }
    if (verb === 'void') this.#refuseUnless(invoice, 'open');
    invoice['status'] = verb === 'void' ? 'void' : 'open';
    return this.#shown(invoice);
  }

  #customer(id: string, form: Json): Json {
    this.#checked('customers', form);
    const customer =
      id === '' ? { id: this.#id('cus'), object: 'customer' } : this.#invoiceOrCustomer(this.customers, id);
    Object.assign(customer, form);
    this.customers.set(customer.id, customer);
    return customer;
  }

  #meterEvent(form: Json): Json {
    this.#checked('meter_events', form);
    const { identifier, event_name: name, timestamp } = form as Record<string, string>;
    const payload = form['payload'] as Record<string, string>;
    this.#invoiceOrCustomer(this.customers, String(payload['stripe_customer_id']));
    if (!/^[a-z0-9_]{1,100}$/.test(String(name))) throw new Refused(400, `No meter has the event name ${name}.`);
    if (!/^\d+(\.\d{1,12})?$/.test(String(payload['value']))) throw new Refused(400, 'Invalid payload value.');
    if (identifier === undefined || identifier.length > 100) throw new Refused(400, 'Invalid identifier.');
    const ageMs = this.now().getTime() - Number(timestamp) * 1000;
    if (ageMs > 35 * 86_400_000) throw new Refused(400, 'The timestamp is more than 35 calendar days in the past.');
    if (ageMs < -5 * 60_000) throw new Refused(400, 'The timestamp is more than 5 minutes in the future.');
    if (this.meterEvents.has(identifier))
      throw new Refused(400, `An event already exists with identifier ${identifier}.`);
    const event = { object: 'billing.meter_event', livemode: false, ...form };
    this.meterEvents.set(identifier, event);
    return event;
  }

  #createInvoice(form: Json): Json {
    this.#checked('invoices', form);
    this.#invoiceOrCustomer(this.customers, String(form['customer']));
    const invoice = { id: this.#id('in'), object: 'invoice', status: 'draft', attempt_count: 0, ...form };
    this.invoices.set(invoice.id, invoice);
    this.items.set(invoice.id, []);
    return this.#shown(invoice);
  }

  #item(form: Json): Json {
    this.#checked('invoiceitems', form);
    const invoice = this.#invoiceOrCustomer(this.invoices, String(form['invoice']));
    this.#refuseUnless(invoice, 'draft');
    if (!/^-?\d{1,8}$/.test(String(form['amount']))) throw new Refused(400, 'Invalid integer: amount');
    if (form['currency'] !== invoice['currency']) throw new Refused(400, 'The currency does not match the invoice.');
    const items = this.items.get(invoice.id)!;
    if (items.length >= 250) throw new Refused(400, 'An invoice has at most 250 items.');
    const item = { id: this.#id('il'), object: 'line_item', ...form, amount: Number(form['amount']) };
    items.push(item);
    return item;
  }

  #shown(invoice: Stored): Json {
    const total = this.items.get(invoice.id)!.reduce((sum, item) => sum + Number(item['amount']), 0);
    return { ...invoice, total, subtotal: total };
  }

  #checked(kind: string, form: Json): void {
    const unknown = Object.keys(form).find((name) => !KNOWN[kind]!.includes(name));
    if (unknown !== undefined) throw new Refused(400, `Received unknown parameter: ${unknown}`);
  }

  #invoiceOrCustomer(all: Map<string, Stored>, id: string): Stored {
    const found = all.get(id);
    if (!found) throw new Refused(404, `No such object: '${id}'`);
    return found;
  }

  #refuseUnless(invoice: Stored, status: string): void {
    if (invoice['status'] !== status)
      throw new Refused(400, `The invoice is ${String(invoice['status'])}, not ${status}.`);
  }

  #id(prefix: string): string {
    this.#ids += 1;
    return `${prefix}_${String(this.#ids).padStart(6, '0')}`;
  }
}

const refusal = (error: Refused): { status: number; answer: Json } => ({
  status: error.status,
  answer: { error: { type: error.type, message: error.message } },
});

/** A page of a list, small so that whoever reads it must go on. */
function page(all: readonly Stored[], url: URL): Json {
  const limit = Math.min(Number(url.searchParams.get('limit') ?? 10), 7);
  const after = url.searchParams.get('starting_after');
  const start = after === null ? 0 : all.findIndex((one) => one.id === after) + 1;
  const data = all.slice(start, start + limit);
  return { object: 'list', data, has_more: start + limit < all.length, url: url.pathname };
}
