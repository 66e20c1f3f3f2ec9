import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AWAITS_PUBACK, FREE, InFlight } from './in-flight.ts';

describe('InFlight', () => {
  it('finds exactly the open exchanges, by ids that are never 0 and never clash, whatever the order of ends', () => {
    const step = fc.oneof(fc.record({ skip: fc.nat(3) }), fc.record({ end: fc.nat(1000) }));
    fc.assert(
      fc.property(fc.nat(200_000), fc.array(step, { maxLength: 400 }), (from, steps) => {
        const table = new InFlight();
        const open = new Map<number, number>();
        let sequence = from;
        for (const s of steps) {
          if ('skip' in s) {
            sequence += s.skip;
            if (!table.fits(sequence)) continue;
            const id = table.begin(sequence, AWAITS_PUBACK);
            expect(id).toBeGreaterThan(0);
            expect(id).toBeLessThan(65_536);
            expect(open.has(id)).toBe(false);
            open.set(id, sequence++);
          } else if (open.size > 0) {
            const [id, which] = [...open][s.end % open.size]!;
            table.end(which);
            open.delete(id);
            expect(table.find(id)).toBe(-1);
          }
          expect(table.open).toBe(open.size);
        }
        for (const [id, which] of open) expect(table.find(id)).toBe(which);
      }),
    );
  });

  it('refuses to run further than 32768 ahead of the oldest open exchange', () => {
    const table = new InFlight();
    table.begin(0, AWAITS_PUBACK);
    for (let s = 1; s < 32_768; s++) {
      table.begin(s, AWAITS_PUBACK);
      table.end(s);
    }
    expect(table.fits(32_768)).toBe(false);
    table.end(0);
    expect(table.fits(32_768)).toBe(true);
    expect(table.state(0)).toBe(FREE);
  });
});
