import fc from 'fast-check';
import type { InvoiceLine } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import { correctionLines } from './correction.ts';
import { BILLING_UNITS, type PriceVersion } from './price.ts';
import { allocate, secondsBetween } from './proration.ts';
import { checkPrice, rate, type Period, type Quantity } from './rate.ts';
import { roundHalfAway } from './rational.ts';
import { drawOrder, makeStatement, type CreditGrant, type StatementInput } from './statement.ts';
import { flatLines, type FlatPhase } from './subscription.ts';

/** The numbers are those of the money invariants in docs/metering.md. */
const PERIOD = { from: '2026-11-01T00:00:00.000Z', to: '2026-12-01T00:00:00.000Z' };
const EXPONENT = { JPY: 0n, USD: 2n, KWD: 3n } as const;
type Currency = keyof typeof EXPONENT;
const currency = fc.constantFrom<Currency>('JPY', 'USD', 'KWD');
const SCALE = 10n ** 6n;
/** A price as millionths, so that the oracle never reads text. */
const millionths = fc.bigInt({ min: 0n, max: 10n ** 9n });
const text = (value: bigint): string => `${value / SCALE}.${(value % SCALE).toString().padStart(6, '0')}`;
const SIZE = BILLING_UNITS.egress_bytes.size;
const base = { plan: 'serverless', meter: 'egress_bytes', validFrom: PERIOD.from, validTo: null } as const;
const used = (quantity: bigint): Quantity => ({ plan: 'serverless', meter: 'egress_bytes', quantity: `${quantity}` });
const sum = (lines: readonly InvoiceLine[]): bigint => lines.reduce((all, one) => all + BigInt(one.amount.amount), 0n);
const bytes = fc.bigInt({ min: 0n, max: 300n * SIZE });

interface Tiered {
  readonly ends: readonly bigint[];
  readonly prices: readonly bigint[];
}
const tiered: fc.Arbitrary<Tiered> = fc
  .record({
    steps: fc.array(fc.bigInt({ min: 1n, max: 60n }), { maxLength: 4 }),
    prices: fc.array(millionths, { minLength: 5, maxLength: 5 }),
  })
  .map(({ steps, prices }) => {
    let end = 0n;
    return { ends: steps.map((step) => (end += step)), prices: prices.slice(0, steps.length + 1) };
  });
const tiersOf = ({ ends, prices }: Tiered) =>
  prices.map((price, index) => ({ upTo: index < ends.length ? `${ends[index]}` : null, unitPrice: text(price) }));
const model = fc.constantFrom('per_unit', 'graduated', 'volume', 'flat', 'package');
type Model = 'per_unit' | 'graduated' | 'volume' | 'flat' | 'package';
const priceOf = (kind: Model, tiers: Tiered, included: bigint, code: Currency): PriceVersion[] => {
  const own = { ...base, currency: code, included: text(included) };
  const unitPrice = text(tiers.prices[0]!);
  if (kind === 'per_unit') return [{ ...own, model: kind, unitPrice }];
  if (kind === 'package') return [{ ...own, model: kind, unitPrice, blockSize: '7' }];
  return [{ ...own, model: kind, tiers: tiersOf(tiers) }];
};

/** n/d to the nearest, halves away from zero; written apart from rating's own. */
const nearest = (n: bigint, d: bigint): bigint => {
  const floor = n / d;
  return (n - floor * d) * 2n >= d ? floor + 1n : floor;
};

/** What a quantity costs, by integers over one common denominator. */
function oracle(kind: Model, tiers: Tiered, included: bigint, quantity: bigint, code: Currency): bigint {
  const minor = 10n ** EXPONENT[code];
  // quantity beyond the allowance, in 1/(SCALE·SIZE) units
  const raw = quantity * SCALE - included * SIZE;
  const beyond = raw > 0n ? raw : 0n;
  const unit = SCALE * SIZE;
  const money = (units: bigint, price: bigint): bigint => nearest(units * price * minor, unit * SCALE);
  const reached = tiers.ends.findIndex((end) => beyond <= end * unit);
  const tier = reached < 0 ? tiers.ends.length : reached;
  if (kind === 'per_unit') return money(beyond, tiers.prices[0]!);
  if (kind === 'volume') return money(beyond, tiers.prices[tier]!);
  if (kind === 'flat') return beyond === 0n ? 0n : nearest(tiers.prices[tier]! * minor, SCALE);
  if (kind === 'package') {
    const blocks = beyond / (7n * unit) + (beyond % (7n * unit) > 0n ? 1n : 0n);
    return nearest(blocks * tiers.prices[0]! * minor, SCALE);
  }
  let start = 0n;
  let total = 0n;
  for (const [index, price] of tiers.prices.entries()) {
    const end = index < tiers.ends.length && tiers.ends[index]! * unit < beyond ? tiers.ends[index]! * unit : beyond;
    if (end > start) total += money(end - start, price);
    start = end > start ? end : start;
  }
  return total;
}

const rated = (prices: PriceVersion[], quantity: bigint, code: Currency): readonly InvoiceLine[] =>
  rate({ prices, quantities: [used(quantity)], period: PERIOD, currency: code }).lines;

const statement = (more: Partial<StatementInput>): StatementInput => ({
  ...{ period: PERIOD, currency: 'USD', prices: [], quantities: [], phases: [], corrections: [] },
  ...{ commitment: null, isFinal: true, discounts: [], credits: [], creditsAt: PERIOD.to, taxes: [] },
  ...more,
});

describe('money invariants', () => {
  it('7: late usage over tier edges, however it comes in, adds up to one rating of the whole', () => {
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 2, maxLength: 5 }),
        tiered,
        model,
        currency,
        (parts, tiers, kind, code) => {
          const prices = priceOf(kind, tiers, 2_500_000n, code);
          let quantity = 0n;
          const billed: InvoiceLine[] = [];
          for (const [index, part] of parts.entries()) {
            quantity += part;
            const now = rated(prices, quantity, code);
            billed.push(...(index === 0 ? now : correctionLines(now, billed, `r${index}`)));
          }
          expect(sum(billed)).toBe(sum(rated(prices, quantity, code)));
          expect(new Set(billed.map((one) => one.identity)).size).toBe(billed.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('8: a reversal applied again is nothing, in every currency', () => {
    fc.assert(
      fc.property(bytes, tiered, model, currency, (quantity, tiers, kind, code) => {
        const prices = priceOf(kind, tiers, 0n, code);
        const first = rated(prices, quantity, code);
        const reversed = correctionLines([], first, 'a');
        const again = correctionLines(first, [...first, ...reversed], 'b');
        expect(sum(first) + sum(reversed)).toBe(0n);
        expect(sum([...reversed, ...again])).toBe(0n);
        expect(correctionLines(first, [...first, ...reversed, ...again], 'c')).toEqual([]);
      }),
    );
    fc.assert(
      fc.property(fc.bigInt(), fc.bigInt({ min: 1n, max: 10n ** 12n }), (n, d) => {
        expect(roundHalfAway({ n, d }) + roundHalfAway({ n: -n, d })).toBe(0n);
      }),
    );
  });

  it('9: every model equals an oracle of exact integers, and only volume and flat may fall, at a tier’s edge', () => {
    fc.assert(
      fc.property(bytes, bytes, tiered, millionths, model, currency, (a, b, tiers, included, kind, code) => {
        const prices = priceOf(kind, tiers, included, code);
        for (const price of prices) checkPrice(price);
        const [less, more] = [rated(prices, a, code), rated(prices, a + b, code)];
        expect(sum(less)).toBe(oracle(kind, tiers, included, a, code));
        if (kind === 'volume' || kind === 'flat') {
          if (less[0]?.identity === more[0]?.identity) expect(sum(more)).toBeGreaterThanOrEqual(sum(less));
        } else expect(sum(more)).toBeGreaterThanOrEqual(sum(less));
      }),
      { numRuns: 500 },
    );
  });

  it('10: the allowance is used up once per account, however usage is split', () => {
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 1, maxLength: 9 }),
        tiered,
        millionths,
        model,
        (parts, tiers, free, kind) => {
          const prices = priceOf(kind, tiers, free, 'USD');
          const whole = parts.reduce((all, part) => all + part, 0n);
          const split = rate({ prices, quantities: parts.map(used), period: PERIOD, currency: 'USD' });
          expect(split.lines).toEqual(rated(prices, whole, 'USD'));
        },
      ),
    );
  });

  it('12: credits are drawn in one stable order, never beyond what is there, and never when expired', () => {
    const grant = fc.record({
      id: fc.uuid(),
      title: fc.constant('Credit'),
      remainingMinor: fc.bigInt({ min: 0n, max: 5_000n }).map(String),
      currency: fc.constantFrom('USD', 'EUR'),
      priority: fc.integer({ min: 0, max: 2 }),
      expiresAt: fc.constantFrom(null, '2026-10-01T00:00:00.000Z', PERIOD.to, '2026-12-24T00:00:00.000Z'),
      createdAt: fc.constantFrom('2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z'),
    });
    const unique = fc.uniqueArray(grant, { selector: (one) => one.id, maxLength: 8 });
    fc.assert(
      fc.property(unique, bytes, fc.nat(), (credits: CreditGrant[], quantity, turn) => {
        const prices = priceOf('per_unit', { ends: [], prices: [250_000n] }, 0n, 'USD');
        const input = statement({ prices, quantities: [used(quantity)], credits });
        const made = makeStatement(input);
        const at = credits.length === 0 ? 0 : turn % credits.length;
        const turned = [...credits.slice(at), ...credits.slice(0, at)];
        expect(makeStatement({ ...input, credits: turned })).toEqual(made);
        expect(BigInt(made.subtotal.amount)).toBeGreaterThanOrEqual(0n);
        const spendable = credits.filter((one) => one.currency === 'USD' && (one.expiresAt ?? '9') > PERIOD.to);
        const order = [...spendable].sort(drawOrder).map((one) => one.id);
        const drawn = made.draws.map((draw) => draw.grantId);
        expect(drawn).toEqual(order.filter((id) => drawn.includes(id)));
        for (const { grantId, amountMinor } of made.draws) {
          const one = spendable.find(({ id }) => id === grantId)!;
          expect(BigInt(amountMinor)).toBeLessThanOrEqual(BigInt(one.remainingMinor));
        }
        const room = spendable.reduce((all, one) => all + BigInt(one.remainingMinor), 0n);
        const charged = nearest(quantity * 25n, SIZE);
        expect(BigInt(made.subtotal.amount)).toBe(charged > room ? charged - room : 0n);
      }),
    );
  });

  const instants = fc.uniqueArray(fc.integer({ min: 0, max: 2_592_000 }), { maxLength: 6 });
  const iso = (second: number): string => new Date(Date.parse(PERIOD.from) + second * 1000).toISOString();
  const phase = (more: Partial<FlatPhase>): FlatPhase => ({
    ...{ item: 'support', title: 'Support', periodPrice: '29', currency: 'USD', from: PERIOD.from, to: null },
    ...more,
  });

  it('13: a period cut into any parts costs what the whole costs', () => {
    fc.assert(
      fc.property(instants, millionths, currency, (cuts, price, code) => {
        const borders = [0, ...cuts.filter((cut) => cut > 0 && cut < 2_592_000).sort((a, b) => a - b), 2_592_000];
        const own = { periodPrice: text(price), currency: code };
        const parts = borders.slice(1).map((end, index) => phase({ ...own, from: iso(borders[index]!), to: iso(end) }));
        const whole = flatLines([phase(own)], PERIOD, code);
        expect(sum(flatLines(parts, PERIOD, code))).toBe(sum(whole));
        expect(sum(whole)).toBe(nearest(price * 10n ** EXPONENT[code], SCALE));
      }),
    );
    fc.assert(
      fc.property(
        fc.bigInt({ min: -1_000_000n, max: 1_000_000n }),
        fc.array(fc.bigInt({ min: 0n, max: 99n })),
        (total, weights) => {
          const parts = allocate(total, weights);
          const all = parts.reduce((left, part) => left + part, 0n);
          expect(all).toBe(weights.length === 0 ? 0n : total);
        },
      ),
    );
  });

  it('14: changing the plan and back in the same second costs nothing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_591_999 }), millionths, (second, price) => {
        const [a, b] = [{ periodPrice: '29' }, { periodPrice: text(price) }];
        const at = iso(second);
        const there = [phase({ ...a, to: at }), phase({ ...b, from: at, to: at }), phase({ ...a, from: at })];
        expect(sum(flatLines(there, PERIOD, 'USD'))).toBe(sum(flatLines([phase(a)], PERIOD, 'USD')));
      }),
    );
  });

  it('14: a change of plan charges each price for its own seconds', () => {
    const half = '2026-11-16T00:00:00.000Z';
    const lines = flatLines([phase({ to: half }), phase({ periodPrice: '99', from: half })], PERIOD, 'USD');
    expect(lines.map((one) => one.amount.amount)).toEqual(['1450', '4950']);
    expect(() => flatLines([phase({}), phase({ from: half, periodPrice: '9' })], PERIOD, 'USD')).toThrow(
      expect.objectContaining({ code: 'phases-overlap' }),
    );
  });

  it('26: months of 28 to 31 days, leap years and clock changes are seconds of UTC and nothing else', () => {
    const months = Array.from({ length: 60 }, (_, month): Period => {
      const [from, to] = [new Date(Date.UTC(2024, month, 1)), new Date(Date.UTC(2024, month + 1, 1))];
      return { from: from.toISOString(), to: to.toISOString() };
    });
    const days = months.map((month) => secondsBetween(month.from, month.to) / 86_400n);
    expect(new Set(days)).toEqual(new Set([28n, 29n, 30n, 31n]));
    for (const month of months) {
      const lines = flatLines([phase({ from: '2020-01-01T00:00:00.000Z' })], month, 'USD');
      expect(lines.map((one) => [one.amount.amount, one.quantity])).toEqual([['2900', '1']]);
    }
  });

  it('1 and 23: lines add up to subtotal, tax and total in currencies of 0, 2 and 3 digits', () => {
    const percent = fc.constantFrom('0', '7.5', '19', '20', '100');
    fc.assert(
      fc.property(bytes, tiered, model, currency, percent, percent, (quantity, tiers, kind, code, off, tax) => {
        const input = statement({
          ...{
            currency: code,
            prices: priceOf(kind, tiers, 0n, code),
            quantities: [used(quantity)],
            commitment: '3.5',
          },
          discounts: [{ id: 'd', title: 'Discount', percent: off }],
          taxes: [{ id: 't', title: 'VAT', percent: tax }],
          phases: [phase({ currency: code, periodPrice: '12.345' })],
        });
        const { lines, subtotal, tax: taxed, total } = makeStatement(input);
        const ofTax = lines.filter((one) => one.kind === 'tax');
        expect(sum(lines)).toBe(BigInt(total.amount));
        expect(sum(ofTax)).toBe(BigInt(taxed.amount));
        expect(sum(lines) - sum(ofTax)).toBe(BigInt(subtotal.amount));
        expect(lines.every((one) => one.amount.currency === code)).toBe(true);
        expect(makeStatement(input)).toEqual(makeStatement({ ...input }));
      }),
    );
  });

  it('a minimum commitment fills up the final bill and no preview', () => {
    const final = makeStatement(statement({ commitment: '50', phases: [phase({})] }));
    expect(final.lines.map((one) => [one.kind, one.amount.amount])).toEqual([
      ['flat', '2900'],
      ['minimum', '2100'],
    ]);
    expect(makeStatement(statement({ commitment: '50', isFinal: false })).total.amount).toBe('0');
    expect(makeStatement(statement({ commitment: '20', phases: [phase({})] })).total.amount).toBe('2900');
  });

  it('refuses prices, discounts and taxes that are none', () => {
    const [price] = priceOf('per_unit', { ends: [], prices: [1n] }, 0n, 'USD');
    const wrong: object[] = [
      { unitPrice: '-1' },
      { unitPrice: '0.123456789012345' },
      { currency: 'QQQ' },
      { included: '-1' },
    ];
    for (const more of wrong) expect(() => checkPrice({ ...price!, ...more } as PriceVersion)).toThrow();
    expect(() => checkPrice({ ...price!, model: 'package', blockSize: '0' } as PriceVersion)).toThrow();
    for (const percent of ['-1', '101', 'x']) {
      const input = statement({ phases: [phase({})], discounts: [{ id: 'd', title: 'D', percent }] });
      expect(() => makeStatement(input)).toThrow();
    }
  });
});
