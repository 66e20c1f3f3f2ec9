import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimalText, moneyText, planPriceText, priceText, quantityText } from './money.ts';

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

describe('what a plan costs', () => {
  const price = (meter: string, title: string, unit: string, included: string, unitPrice: string) => ({
    ...{ meter, title, unit, included, unitPrice, currency: 'USD' },
  });
  it.each([
    [price('ingress_bytes', 'Data in', 'GiB', '1', '0.06'), 'Data in: $0.06 per GiB, 1 GiB free a month'],
    [price('node_seconds', 'Node', 'thousand node-seconds', '0', '0.05'), 'Node: $0.18 per hour'],
    [
      price('connection_seconds', 'Connections', 'million connection-seconds', '60', '0.02'),
      'Connections: $1.20 per million connection-minutes, 1 million connection-minutes free a month',
    ],
    [
      price('warm_byte_seconds', 'Stored data, warm', 'million GiB-seconds', '2.6784', '0.03'),
      'Stored data, warm: $0.0778 per GiB stored for 30 days, 1.03 GiB stored free a month',
    ],
    [price('connection_seconds', 'Connections', 'million connection-seconds', '0', '0'), 'Connections: free'],
  ])('%j', (given, text) => {
    expect(planPriceText(given)).toBe(text);
  });

  it('quantities are short', () => {
    expect(quantityText('0.000016700476408005')).toBe('0.0000167005');
    expect(quantityText('1234567')).toBe('1,234,570');
  });
});
