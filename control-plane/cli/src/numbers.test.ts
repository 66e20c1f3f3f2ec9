import { describe, expect, it } from 'vitest';
import { granularityOf } from './commands/usage.ts';
import { linesOf } from './lines.ts';
import { moneyOf } from './money.ts';
import { instant, wholeNumber } from './numbers.ts';
import { printable } from './output.ts';

const NOW = Date.parse('2026-03-10T12:00:00Z');

describe('arguments', () => {
  it('reads instants', () => {
    expect(instant('90m', NOW)).toBe('2026-03-10T10:30:00.000Z');
    expect(instant('7d', NOW)).toBe('2026-03-03T12:00:00.000Z');
    expect(instant('2026-03-01', NOW)).toBe('2026-03-01T00:00:00.000Z');
    expect(instant('2026-03-01T10:00', NOW)).toBe('2026-03-01T10:00:00.000Z');
    expect(instant('2026-03-01T10:00:00+02:00', NOW)).toBe('2026-03-01T08:00:00.000Z');
    for (const wrong of ['', 'now', '12', '2026-13-01', '5w']) expect(() => instant(wrong, NOW)).toThrow();
  });

  it('reads whole numbers within their bounds', () => {
    expect(wholeNumber(1, 10)('10')).toBe(10);
    for (const wrong of ['', '0', '11', '1.5', '1e1', '-1', ' 1']) expect(() => wholeNumber(1, 10)(wrong)).toThrow();
  });

  it('asks for no finer windows than the server gives', () => {
    const hour = 3_600_000;
    expect(granularityOf(0, 24 * hour)).toBe('minute');
    expect(granularityOf(0, 25 * hour)).toBe('hour');
    expect(granularityOf(0, 40 * 24 * hour)).toBe('day');
  });
});

describe('output', () => {
  it('moves the decimal point of money by the currency', () => {
    expect(moneyOf({ amount: '5', currency: 'USD' })).toBe('0.05 USD');
    expect(moneyOf({ amount: '-123456789012345678901', currency: 'USD' })).toBe('-1234567890123456789.01 USD');
    expect(moneyOf({ amount: '500', currency: 'JPY' })).toBe('500 JPY');
    expect(moneyOf({ amount: '1500', currency: 'KWD' })).toBe('1.500 KWD');
  });

  it('lets no control character through to the terminal', () => {
    expect(printable('a\u001b[31mb\u0007')).toBe('a\ufffd[31mb\ufffd');
    expect(printable('a\tb')).toBe('a b');
  });

  it('splits stdin into lines across chunks', async () => {
    const chunks = (async function* () {
      yield Buffer.from('on');
      yield Buffer.from('e\r\ntwo\n\nlast \xc3', 'latin1');
      yield Buffer.from('\xa9', 'latin1');
    })();
    const lines: string[] = [];
    for await (const line of linesOf(chunks)) lines.push(line);
    expect(lines).toEqual(['one', 'two', '', 'last é']);
  });
});
