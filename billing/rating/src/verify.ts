import type { Plan, InvoiceInputs, InvoiceProof, SignedWindow } from '@robustmq/contracts';
import { statementOf } from './invoice-statement.ts';

/** What `verifyInvoice` found. `problems` is empty when the invoice follows from its signed windows to the last unit. */
export interface VerifyReport {
  readonly problems: readonly string[];
  /** The first window, in the order of the file, that is not as it was signed or counted; null = none. */
  readonly firstAltered: string | null;
  readonly windows: number;
  /** Windows without a signature of their own: their agent signed whole batches, which a tenant cannot see. */
  readonly unsigned: number;
  /** Minor units, made again from the windows and the prices. */
  readonly total: string;
  readonly currency: string;
}

/** Problems told at most; one altered window makes many numbers differ. */
const PROBLEMS_MAX = 20;
const HOUR_MS = 3_600_000;

const nameOf = (w: SignedWindow): string =>
  `${w.meter} of cluster ${w.clusterId} over ${w.protocol}, ${new Date(w.windowStartMs).toISOString()}, node ${w.nodeId}, position ${w.seq}`;

/** The plan an hour is billed under: that of the cluster when the hour began. */
function planOf(inputs: InvoiceInputs, window: SignedWindow): Plan | undefined {
  const hour = new Date(Math.floor(window.windowStartMs / HOUR_MS) * HOUR_MS).toISOString();
  const cluster = inputs.clusters.find(({ id }) => id === window.clusterId);
  return cluster?.plans.find(({ until }) => until === null || hour < until)?.plan;
}

/** Sums windows into quantities and watches signatures, order and running totals on the way. */
class WindowCheck {
  readonly problems: string[] = [];
  firstAltered: string | null = null;
  windows = 0;
  unsigned = 0;
  /** period → `plan meter` → sum */
  readonly sums = new Map<string, Map<string, bigint>>();
  readonly #series = new Map<string, { atMs: number; cumulative: bigint }>();
  readonly #proof: InvoiceProof;
  readonly #isSigned: (window: SignedWindow, publicKeyPem: string) => boolean;

  constructor(proof: InvoiceProof, isSigned: (window: SignedWindow, publicKeyPem: string) => boolean) {
    this.#proof = proof;
    this.#isSigned = isSigned;
  }

  take(window: SignedWindow): void {
    this.windows += 1;
    const key = this.#proof.agentKeys[window.agentId];
    if (window.signature === undefined) this.unsigned += 1;
    else if (key === undefined) this.#altered(window, 'is signed by an agent whose key is not in the file');
    else if (!this.#isSigned(window, key)) this.#altered(window, 'is not what the agent signed');
    this.#follow(window);
    this.#count(window);
  }

  #altered(window: SignedWindow, what: string): void {
    this.firstAltered ??= nameOf(window);
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(`The window ${nameOf(window)} ${what}.`);
  }

  #follow(window: SignedWindow): void {
    const { nodeId, nodeEpoch, clusterId, protocol, meter, windowStartMs } = window;
    const series = JSON.stringify([nodeId, nodeEpoch, clusterId, protocol, meter]);
    const [value, cumulative] = [BigInt(window.value), BigInt(window.cumulative)];
    const before = this.#series.get(series);
    if (before && windowStartMs <= before.atMs) this.#altered(window, 'is there twice, or out of order');
    // only inside the invoice's periods: the window before the first one is not in the file
    else if (before && cumulative - before.cumulative !== value)
      this.#altered(window, 'does not follow from the one before it: one is missing, added or changed');
    this.#series.set(series, { atMs: windowStartMs, cumulative });
  }

  #count(window: SignedWindow): void {
    const { inputs } = this.#proof;
    const at = new Date(window.windowStartMs).toISOString();
    const period = [inputs.period, ...inputs.corrected.map((one) => one.period)].find(
      (one) => at >= one.from && at < one.to,
    );
    const plan = planOf(inputs, window);
    if (!period || !plan) {
      this.#altered(window, 'belongs to no period or no cluster of this invoice');
      return;
    }
    const sums = this.sums.get(period.from) ?? new Map<string, bigint>();
    this.sums.set(period.from, sums);
    const key = `${plan} ${window.meter}`;
    sums.set(key, (sums.get(key) ?? 0n) + BigInt(window.value));
  }
}

/**
 * Makes an invoice again from the windows it counts: signatures, running totals, sums per plan and meter, lines and
 * totals. Pure; nothing is asked of anybody. `windows` come in time order, as the API lists them.
 */
export async function verifyInvoice(
  proof: InvoiceProof,
  windows: AsyncIterable<SignedWindow> | Iterable<SignedWindow>,
  isSigned: (window: SignedWindow, publicKeyPem: string) => boolean,
): Promise<VerifyReport> {
  const { inputs, invoice } = proof;
  const check = new WindowCheck(proof, isSigned);
  for await (const window of windows) check.take(window);
  const { problems } = check;
  for (const { period, quantities } of [inputs, ...inputs.corrected]) {
    const counted = check.sums.get(period.from) ?? new Map<string, bigint>();
    const stated = new Map(quantities.map((one) => [`${one.plan} ${one.meter}`, BigInt(one.quantity)]));
    for (const key of new Set([...counted.keys(), ...stated.keys()])) {
      const [is, says] = [counted.get(key) ?? 0n, stated.get(key) ?? 0n];
      if (is !== says)
        problems.push(`${key} from ${period.from}: the windows add up to ${is}, the invoice counts ${says}.`);
    }
  }
  const statement = statementOf(inputs);
  const shown = new Map(invoice.lines.map((line) => [line.identity, line]));
  for (const line of statement.lines) {
    const billed = shown.get(line.identity);
    shown.delete(line.identity);
    if (JSON.stringify(sorted(billed)) !== JSON.stringify(sorted(line)))
      problems.push(
        `The line ${line.identity} should be ${line.amount.amount}, and is ${billed?.amount.amount ?? 'missing'}.`,
      );
  }
  for (const identity of shown.keys()) problems.push(`The line ${identity} follows from nothing.`);
  for (const name of ['subtotal', 'tax', 'total'] as const) {
    if (statement[name].amount !== invoice[name].amount)
      problems.push(`The ${name} should be ${statement[name].amount}, and is ${invoice[name].amount}.`);
  }
  const { windows: count, unsigned, firstAltered } = check;
  return { problems, firstAltered, windows: count, unsigned, total: statement.total.amount, currency: inputs.currency };
}

const sorted = (line: object | undefined): unknown =>
  line === undefined ? undefined : Object.entries(line).sort(([a], [b]) => (a < b ? -1 : 1));
