import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimalText, moneyText, priceText } from './money.ts';

describe('moneyText', () => {
  it.each([
    ['0', 'USD', '$0.00'],
    ['5', 'USD', '$0.05'],
    ['-5', 'USD', '-$0.05'],
    ['1234567', 'USD', '$12,345.67'],
    ['-1234567', 'EUR', '-€12,345.67'],
    ['1234', 'JPY', '¥1,234'],
    ['900719925474099312345', 'USD', '$9,007,199,254,740,993,123.45'],
  ])('%s %s is %s', (amount, currency, text) => {
    expect(moneyText({ amount, currency })).toBe(text);
  });

  it('keeps three-decimal currencies', () => {
    expect(moneyText({ amount: '1500', currency: 'KWD' })).toMatch(/1\.500$/);
  });

  it('keeps every digit of any amount', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), (amount) => {
        const text = moneyText({ amount: amount.toString(), currency: 'USD' });
        expect(BigInt(text.replaceAll(/[$,.]/g, ''))).toBe(amount);
      }),
    );
  });

  it('refuses what is no integer', () => {
    for (const amount of ['', '1.5', '1e3', 'x'])
      expect(() => moneyText({ amount, currency: 'USD' })).toThrow(RangeError);
  });
});

describe('prices and quantities', () => {
  it('shows all digits', () => {
    expect(priceText('0.000000025', 'USD')).toBe('$0.000000025');
    expect(priceText('0.1', 'USD')).toBe('$0.10');
    expect(decimalText('1234567.000000000001')).toBe('1,234,567.000000000001');
  });
});
