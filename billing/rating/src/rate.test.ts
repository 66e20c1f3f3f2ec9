import { readdirSync, readFileSync } from 'node:fs';
import { InvoiceLine, METERS, type Meter } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import { BILLING_UNITS } from './price.ts';
import { PRICE_LIST } from './price-list.ts';
import { rate, type Rating, type RatingInput } from './rate.ts';
import { isDecimal, rational, readableDecimal } from './rational.ts';

const TESTDATA = new URL('../testdata/', import.meta.url);
const NOVEMBER = { from: '2026-11-01T00:00:00.000Z', to: '2026-12-01T00:00:00.000Z' };

describe('golden invoices', () => {
  // Expected values were computed with exact fractions by another program in another language.
  it.each(readdirSync(TESTDATA))('%s', (file) => {
    const { input, expected } = JSON.parse(readFileSync(new URL(file, TESTDATA), 'utf8')) as {
      input: RatingInput;
      expected: Rating;
    };
    expect(rate(input)).toEqual(expected);
    for (const line of expected.lines) InvoiceLine.parse(line);
  });
});

describe('quantities for people', () => {
  it.each([
    [0n, 1n, '0'],
    [25n, 2n, '12.5'],
    [17_931n, 1n << 30n, '0.0000167'],
    [1n, 1n << 30n, '0.000000001'],
    [1n, 1n << 50n, 'less than 0.000000001'],
    [123_456_789n, 100n, '1234568'],
    [2n, 3n, '0.667'],
    [9_999_999n, 10_000_000n, '1'],
    [10n ** 30n, 1n, '1000000000000000000000000000000'],
  ])('%s/%s is %s', (n, d, text) => {
    expect(readableDecimal(rational(n, d))).toBe(text);
  });
});

describe('rate', () => {
  const input = (more: Partial<RatingInput> = {}): RatingInput => ({
    prices: PRICE_LIST,
    quantities: [{ plan: 'serverless', meter: 'ingress_bytes', quantity: '5' }],
    period: NOVEMBER,
    currency: 'USD',
    ...more,
  });
  const [price] = PRICE_LIST;

  it.each([
    ['a billed meter without a price', 'price-missing', { prices: [] }],
    ['two prices at once', 'price-ambiguous', { prices: [price!, price!] }],
    ['another currency', 'currency-mixed', { currency: 'EUR' }],
    ['an unknown currency', 'currency-unknown', { currency: 'QQQ' }],
    ['a fraction of a byte', 'decimal-invalid', { quantities: [{ ...input().quantities[0]!, quantity: '1.5' }] }],
    ['a negative count', 'decimal-invalid', { quantities: [{ ...input().quantities[0]!, quantity: '-1' }] }],
    ['a price in exponents', 'decimal-invalid', { prices: [{ ...price!, unitPrice: '1e-2' }] }],
    ['no tiers', 'tiers-invalid', { prices: [{ ...price!, model: 'graduated', tiers: [] }] }],
    [
      'tiers that fall',
      'tiers-invalid',
      {
        prices: [
          {
            ...price!,
            model: 'graduated',
            tiers: [
              { upTo: '2', unitPrice: '1' },
              { upTo: '1', unitPrice: '1' },
              { upTo: null, unitPrice: '1' },
            ],
          },
        ],
      },
    ],
    [
      'a last tier that ends',
      'tiers-invalid',
      { prices: [{ ...price!, model: 'graduated', tiers: [{ upTo: '2', unitPrice: '1' }] }] },
    ],
  ] as [string, string, Partial<RatingInput>][])('refuses %s', (_what, code, more) => {
    expect(() => rate(input(more))).toThrow(expect.objectContaining({ code }));
  });

  it('ignores meters that are not billed', () => {
    const quantities = [{ plan: 'serverless', meter: 'messages_in', quantity: '999999999' }] as const;
    expect(rate(input({ quantities }))).toEqual({ lines: [], total: { amount: '0', currency: 'USD' } });
  });
});

describe('the price list', () => {
  it('has exactly one price for every billed meter on every plan', () => {
    const billed = (Object.keys(METERS) as Meter[]).filter((meter) => METERS[meter].billed);
    const keys = PRICE_LIST.map((price) => `${price.plan}/${price.meter}`).sort();
    const wanted = ['serverless', 'dedicated', 'byoc'].flatMap((plan) => billed.map((meter) => `${plan}/${meter}`));
    expect(keys).toEqual(wanted.sort());
  });

  it('uses units in which every quantity has an exact decimal form', () => {
    for (const { size } of Object.values(BILLING_UNITS)) expect(isDecimal(rational(1n, size))).toBe(true);
  });
});
