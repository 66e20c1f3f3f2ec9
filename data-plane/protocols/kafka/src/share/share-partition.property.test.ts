import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ERROR } from '../errors.ts';
import { DELIVERIES_MAX, SharePartition } from './share-partition.ts';

const step = fc.oneof(
  fc.record({
    do: fc.constant('acquire' as const),
    member: fc.constantFrom('a', 'b'),
    count: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({
    do: fc.constant('acknowledge' as const),
    member: fc.constantFrom('a', 'b'),
    first: fc.integer({ min: 0, max: 20 }),
    count: fc.integer({ min: 1, max: 4 }),
    type: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({ do: fc.constant('lose' as const), member: fc.constantFrom('a', 'b') }),
  fc.record({ do: fc.constant('restart' as const) }),
  fc.record({ do: fc.constant('trim' as const), to: fc.integer({ min: 0, max: 20 }) }),
);

it('a record is with one member at a time, is not given out once it is done, and the start only grows', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let partition = new SharePartition(0);
      const held = new Map<number, string>();
      const over = new Set<number>();
      let start = 0;
      for (const one of steps) {
        if (one.do === 'acquire') {
          const from = partition.nextOffset()!;
          for (const { firstOffset, lastOffset, deliveryCount } of partition.acquire(
            one.member,
            from,
            from + one.count,
            1,
          )) {
            expect(deliveryCount).toBeLessThanOrEqual(DELIVERIES_MAX);
            for (let offset = firstOffset; offset <= lastOffset; offset++) {
              expect(held.has(offset) || over.has(offset)).toBe(false);
              held.set(offset, one.member);
            }
          }
        } else if (one.do === 'acknowledge') {
          const lastOffset = one.first + one.count - 1;
          const batch = { firstOffset: one.first, lastOffset, acknowledgeTypes: [one.type] };
          const offsets = Array.from({ length: one.count }, (_, i) => one.first + i);
          const isOwn = offsets.every((offset) => held.get(offset) === one.member);
          const code = partition.acknowledge(one.member, [batch]);
          expect(code).toBe(isOwn ? ERROR.NONE : ERROR.INVALID_RECORD_STATE);
          if (!isOwn) continue;
          for (const offset of offsets) {
            held.delete(offset);
            if (one.type !== 2) over.add(offset);
          }
        } else if (one.do === 'lose') {
          partition.release((member) => member === one.member);
          for (const [offset, member] of held) if (member === one.member) held.delete(offset);
        } else if (one.do === 'restart') {
          partition = SharePartition.from(partition.stored());
          held.clear();
        } else {
          partition.trim(one.to);
          for (const offset of held.keys()) if (offset < one.to) held.delete(offset);
        }
        expect(partition.startOffset).toBeGreaterThanOrEqual(start);
        expect(partition.endOffset).toBeGreaterThanOrEqual(partition.startOffset);
        start = partition.startOffset;
        expect(SharePartition.from(partition.stored()).startOffset).toBeGreaterThanOrEqual(start);
      }
    }),
    { numRuns: 300 },
  );
});
