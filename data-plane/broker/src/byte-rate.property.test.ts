import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBucket, RATE_UNLIMITED } from './byte-rate.ts';

const RATE = 1000;

describe('a byte bucket', () => {
  it('lets no more through than its rate and one second of burst, whoever waits as told', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ bytes: fc.nat(5000), pauseMs: fc.nat(3000) }), { minLength: 1 }), (steps) => {
        const bucket = new ByteBucket();
        let nowMs = 0;
        let passed = 0;
        let largest = 0;
        for (const { bytes, pauseMs } of steps) {
          passed += bytes;
          largest = Math.max(largest, bytes);
          expect(passed).toBeLessThanOrEqual(RATE + (nowMs / 1000) * RATE + largest + 1);
          nowMs += bucket.charge(bytes, RATE, nowMs) + pauseMs;
        }
      }),
    );
  });

  it('delays nobody below the rate, follows a new rate at once, and knows no limit where there is none', () => {
    const bucket = new ByteBucket();
    for (let second = 0; second < 10; second++) expect(bucket.charge(RATE, RATE, second * 1000)).toBe(0);
    expect(bucket.charge(2 * RATE, RATE, 9000)).toBe(2000);
    expect(bucket.delayWith(RATE, RATE)).toBe(3000);
    expect(bucket.charge(0, 2 * RATE, 9000)).toBe(1000);
    expect(bucket.charge(1e12, RATE_UNLIMITED, 9000)).toBe(0);
    expect(bucket.charge(0, RATE, 9000)).toBe(0);
    expect(bucket.charge(RATE + 1, 0, 9000)).toBe(Infinity);
  });
});
