import { describe, expect, it } from 'vitest';
import { sharesOf } from './share-rows.ts';

const row = (name: string | null, quantity: string) => ({ clusterId: 'c', protocol: 'mqtt' as const, name, quantity });

describe('shares of a meter', () => {
  it('are sorted and add up, beyond what a double holds', () => {
    const shares = sharesOf([row('a', '9007199254740993'), row(null, '27021597764222979')]);
    expect(shares.map(({ name, percent }) => [name, percent])).toEqual([
      [null, 75],
      ['a', 25],
    ]);
  });
  it('of nothing are nothing', () => {
    expect(sharesOf([])).toEqual([]);
    expect(sharesOf([row('a', '0')])[0]?.percent).toBe(0);
  });
});
