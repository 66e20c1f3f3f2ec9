import type { InvoiceLine } from '@robustmq/contracts';
import { minorUnits } from './currency.ts';
import { allocate, prorated, secondsBetween } from './proration.ts';
import type { Period } from './rate.ts';
import { RatingError } from './rating-error.ts';
import {
  formatDecimal,
  isDecimal,
  multiply,
  parseDecimal,
  rational,
  roundHalfAway,
  type Rational,
} from './rational.ts';

/**
 * One flat price of a subscription item (a support level, a reserved cluster) from one moment to another. A change of
 * plan ends one phase and begins the next at the same instant; nothing is charged twice or left out.
 */
export interface FlatPhase {
  /** Stable id of the item: lines of one item are told apart by their phase. */
  readonly item: string;
  readonly title: string;
  /** For a whole billing period, whole currency units, an exact decimal. */
  readonly periodPrice: string;
  readonly currency: string;
  /** ISO 8601 in UTC; half-open; null = goes on. */
  readonly from: string;
  readonly to: string | null;
}

interface Span {
  readonly phase: FlatPhase;
  readonly from: string;
  readonly to: string;
  readonly seconds: bigint;
}

/**
 * Flat lines of a period, in arrears: each phase pays for its own seconds. Phases of one item at one price are rounded
 * together and shared out by largest remainder, so a period cut into any parts costs what the whole costs. A phase
 * without a second costs nothing and has no line. Throws `phases-overlap`, `currency-mixed`.
 */
export function flatLines(phases: readonly FlatPhase[], period: Period, currency: string): InvoiceLine[] {
  const periodSeconds = secondsBetween(period.from, period.to);
  const minor = rational(minorUnits(currency));
  const spans = phases.map((phase) => spanOf(phase, period, currency)).filter((span) => span.seconds > 0n);
  refuseOverlap(spans);
  const lines: InvoiceLine[] = [];
  for (const own of Map.groupBy(spans, ({ phase }) => `${phase.item} ${phase.periodPrice}`).values()) {
    const price = parseDecimal(own[0]!.phase.periodPrice);
    const seconds = own.reduce((sum, span) => sum + span.seconds, 0n);
    const total = roundHalfAway(multiply(prorated(price, seconds, periodSeconds), minor));
    const parts = allocate(
      total,
      own.map((span) => span.seconds),
    );
    lines.push(...own.map((span, index) => lineOf(span, parts[index]!, periodSeconds, currency)));
  }
  return lines.sort((a, b) => (a.identity < b.identity ? -1 : 1));
}

function spanOf(phase: FlatPhase, period: Period, currency: string): Span {
  if (phase.currency !== currency) {
    throw new RatingError('currency-mixed', `${phase.title} is priced in ${phase.currency}, not ${currency}`);
  }
  const from = phase.from > period.from ? phase.from : period.from;
  const to = phase.to !== null && phase.to < period.to ? phase.to : period.to;
  return { phase, from, to, seconds: to > from ? secondsBetween(from, to) : 0n };
}

function refuseOverlap(spans: readonly Span[]): void {
  for (const own of Map.groupBy(spans, ({ phase }) => phase.item).values()) {
    const sorted = [...own].sort((a, b) => (a.from < b.from ? -1 : 1));
    for (const [index, span] of sorted.entries()) {
      if (index > 0 && span.from < sorted[index - 1]!.to) {
        throw new RatingError('phases-overlap', `${span.phase.title} has two prices at ${span.from}`);
      }
    }
  }
}

function lineOf(span: Span, amount: bigint, periodSeconds: bigint, currency: string): InvoiceLine {
  const { phase } = span;
  const share: Rational = rational(span.seconds, periodSeconds);
  const isWhole = span.seconds === periodSeconds;
  const part = isWhole ? '' : `, ${span.seconds} of ${periodSeconds} seconds`;
  return {
    identity: `flat/${phase.item}/${span.from}`,
    kind: 'flat',
    meter: null,
    description: `${phase.title}${part}`,
    quantity: isDecimal(share) ? formatDecimal(share) : `${span.seconds}/${periodSeconds}`,
    unit: 'period',
    unitPrice: phase.periodPrice,
    amount: { amount: amount.toString(), currency },
    serviceFrom: span.from,
    serviceTo: span.to,
  };
}
