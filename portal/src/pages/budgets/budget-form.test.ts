import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minorUnits, spentPercent, thresholdFault, wholeUnits } from './budget-form.ts';

describe('amounts of a budget', () => {
  it.each([
    ['12.5', 2, '1250'],
    ['1,000', 2, '100000'],
    ['0.05', 2, '5'],
    ['1500', 0, '1500'],
    ['1.234', 3, '1234'],
  ])('%s with %i decimals is %s', (text, exponent, minor) => {
    expect(minorUnits(text, exponent)).toBe(minor);
  });

  it.each(['', '0', '0.00', '-1', '1.234', 'ten', '1e3', '9'.repeat(17)])('%j is no amount', (text) => {
    expect(minorUnits(text, 2)).toBeUndefined();
  });

  it('reads what it wrote', () => {
    const minor = fc.bigInt({ min: 1n, max: 10n ** 17n }).map(String);
    fc.assert(
      fc.property(minor, fc.constantFrom(0, 2, 3), (amount, exponent) => {
        expect(minorUnits(wholeUnits(amount, exponent), exponent)).toBe(amount);
      }),
    );
  });

  it('says how much is spent without a float on the way', () => {
    const money = (amount: string) => ({ amount, currency: 'USD' });
    expect(spentPercent({ spent: money('999'), amount: money('1000') })).toBe(99);
    expect(spentPercent({ spent: money('90071992547409930'), amount: money('90071992547409931') })).toBe(99);
  });
});

describe('thresholds', () => {
  it.each([
    [[], 'Add at least one threshold'],
    [[50, 50], 'Each percentage once'],
    [[0], 'Percentages are whole numbers from 1 to 1000'],
    [[50.5], 'Percentages are whole numbers from 1 to 1000'],
    [[50, 100], undefined],
  ])('%j: %s', (percents, fault) => {
    expect(thresholdFault(percents.map((percent) => ({ percent, action: 'notify' })))).toBe(fault);
  });
});
