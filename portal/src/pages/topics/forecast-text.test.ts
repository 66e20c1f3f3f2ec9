import { describe, expect, it } from 'vitest';
import { averageText, daysOf, policyText } from './forecast-text.ts';

describe('the forecast of a topic’s storage', () => {
  it('tells a time integral as its average', () => {
    const month = BigInt(30 * 86_400);
    expect(averageText((month * 2n ** 30n).toString(), 30)).toBe('1.00 GiB');
    expect(averageText((month * 5n * 2n ** 28n).toString(), 30)).toBe('1.25 GiB');
    expect(averageText((month * 1_000n).toString(), 30)).toBe('under 0.01 GiB');
    expect(averageText('0', 30)).toBe('0.00 GiB');
    expect(averageText((month * 2n ** 80n).toString(), 30)).toBe(`${2n ** 50n}.00 GiB`);
  });

  it('names the policies', () => {
    const rest = {
      ...{ warmByteSeconds: '0', coldByteSeconds: '0', objectRequests: '0', amount: { amount: '0', currency: 'USD' } },
    };
    expect(policyText({ ...rest, kind: 'present', coldAfterDays: null })).toBe('As it is now');
    expect(policyText({ ...rest, kind: 'disk', coldAfterDays: null })).toBe('All on disk');
    expect(policyText({ ...rest, kind: 'cold-after', coldAfterDays: 1 })).toBe('Cold after 1 day');
    expect(policyText({ ...rest, kind: 'cold-after', coldAfterDays: 7 })).toBe('Cold after 7 days');
  });

  it.each([
    ['1, 7 30', '1,7,30'],
    ['0', '0'],
    ['1,2,3,4,5', '1,2,3,4,5'],
  ])('%j are days', (text, sent) => expect(daysOf(text)).toBe(sent));
  it.each(['', 'a week', '1.5', '-1', '01', '10000', '1,2,3,4,5,6'])('%j are none', (text) =>
    expect(daysOf(text)).toBeUndefined(),
  );
});
