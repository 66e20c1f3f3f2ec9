import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BILLING_UNITS, type PriceTier, type PriceVersion } from './price.ts';
import { rate, type Quantity } from './rate.ts';
import { formatDecimal, isDecimal, parseDecimal, rational, roundHalfAway } from './rational.ts';

const PERIOD = { from: '2026-11-01T00:00:00.000Z', to: '2026-12-01T00:00:00.000Z' };
const EXPONENT = { USD: 2, JPY: 0, KWD: 3 } as const;
type Currency = keyof typeof EXPONENT;

const currency = fc.constantFrom<Currency>('USD', 'JPY', 'KWD');
/** A decimal as digits and places, so that the oracle never parses text. */
const decimal = (max: bigint, places: number) =>
  fc.record({ digits: fc.bigInt({ min: 0n, max }), places: fc.integer({ min: 0, max: places }) });
type Decimal = { digits: bigint; places: number };
const text = ({ digits, places }: Decimal): string => {
  const padded = digits.toString().padStart(places + 1, '0');
  return places === 0 ? padded : `${padded.slice(0, -places)}.${padded.slice(-places)}`;
};
const base = { plan: 'serverless', meter: 'egress_bytes', validFrom: PERIOD.from, validTo: null } as const;
const used = (quantity: bigint): Quantity => ({
  plan: 'serverless',
  meter: 'egress_bytes',
  quantity: quantity.toString(),
});
const quantity = fc.bigInt({ min: 0n, max: 10n ** 24n });

const total = (prices: PriceVersion[], quantities: Quantity[], code: Currency): bigint =>
  BigInt(rate({ prices, quantities, period: PERIOD, currency: code }).total.amount);

const graduated = fc
  .record({
    steps: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 }),
    prices: fc.array(decimal(100_000n, 5), { minLength: 5, maxLength: 5 }),
  })
  .map(({ steps, prices }): PriceTier[] => {
    let end = 0;
    const tiers = steps.map((step, i) => ({ upTo: String((end += step)), unitPrice: text(prices[i]!) }));
    return [...tiers, { upTo: null, unitPrice: text(prices[4]!) }];
  });

describe('rate against a naive oracle', () => {
  it('per unit: one closed formula over one common denominator', () => {
    fc.assert(
      fc.property(quantity, decimal(10n ** 12n, 12), decimal(10n ** 6n, 6), currency, (q, price, included, code) => {
        const prices: PriceVersion[] = [
          { ...base, currency: code, model: 'per_unit', unitPrice: text(price), included: text(included) },
        ];
        const size = BILLING_UNITS.egress_bytes.size;
        const includedScale = 10n ** BigInt(included.places);
        const free = included.digits * size;
        const beyond = q * includedScale > free ? q * includedScale - free : 0n;
        const numerator = beyond * price.digits * 10n ** BigInt(EXPONENT[code]);
        const denominator = includedScale * size * 10n ** BigInt(price.places);
        const floor = numerator / denominator;
        const expected = (numerator - floor * denominator) * 2n >= denominator ? floor + 1n : floor;
        expect(total(prices, [used(q)], code)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('graduated: every unit priced one by one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), graduated, currency, (units, tiers, code) => {
        const prices: PriceVersion[] = [{ ...base, currency: code, model: 'graduated', tiers, included: '0' }];
        const perTier = tiers.map(() => 0n);
        const SCALE = 10n ** 5n;
        for (let unit = 1; unit <= units; unit += 1) {
          const index = tiers.findIndex((tier) => tier.upTo === null || unit <= Number(tier.upTo));
          const [whole, fraction = ''] = tiers[index]!.unitPrice.split('.');
          perTier[index]! += BigInt(whole! + fraction.padEnd(5, '0')) * 10n ** BigInt(EXPONENT[code]);
        }
        const expected = perTier.reduce((sum, exact) => sum + (exact * 2n + SCALE) / (SCALE * 2n), 0n);
        const size = BILLING_UNITS.egress_bytes.size;
        expect(total(prices, [used(BigInt(units) * size)], code)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe('rate', () => {
  it('does not care how usage is split or ordered', () => {
    fc.assert(
      fc.property(fc.array(quantity, { minLength: 1, maxLength: 8 }), graduated, currency, (parts, tiers, code) => {
        const prices: PriceVersion[] = [{ ...base, currency: code, model: 'graduated', tiers, included: '3.5' }];
        const whole = parts.reduce((sum, part) => sum + part, 0n);
        const rated = (quantities: Quantity[]) => rate({ prices, quantities, period: PERIOD, currency: code });
        expect(rated(parts.map(used))).toEqual(rated([used(whole)]));
        expect(rated(parts.map(used).reverse())).toEqual(rated(parts.map(used)));
      }),
    );
  });

  it('has a total that is the sum of its lines, and never falls when usage rises', () => {
    fc.assert(
      fc.property(quantity, quantity, graduated, currency, (a, b, tiers, code) => {
        const prices: PriceVersion[] = [{ ...base, currency: code, model: 'graduated', tiers, included: '1' }];
        const { lines, total: sum } = rate({ prices, quantities: [used(a)], period: PERIOD, currency: code });
        expect(lines.reduce((all, line) => all + BigInt(line.amount.amount), 0n).toString()).toBe(sum.amount);
        expect(total(prices, [used(a + b)], code)).toBeGreaterThanOrEqual(BigInt(sum.amount));
      }),
    );
  });
});

describe('rational', () => {
  it('rounds symmetrically, and to the nearest', () => {
    fc.assert(
      fc.property(fc.bigInt(), fc.bigInt({ min: 1n, max: 10n ** 20n }), (n, d) => {
        const rounded = roundHalfAway({ n, d });
        expect(roundHalfAway({ n: -n, d })).toBe(-rounded);
        const twiceOff = (rounded * d - n) * 2n;
        expect(twiceOff <= d && twiceOff >= -d).toBe(true);
      }),
    );
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: 0, max: 20 }), (n, places) => {
        const value = rational(n, 10n ** BigInt(places));
        expect(isDecimal(value)).toBe(true);
        expect(parseDecimal(formatDecimal(value))).toEqual(value);
      }),
    );
  });
});
