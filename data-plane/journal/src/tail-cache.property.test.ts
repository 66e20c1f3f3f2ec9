import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamTail, TailCache } from './tail-cache.ts';

const BYTES_MAX = 100;
const step = fc.record({
  do: fc.constantFrom('add', 'add', 'add', 'touch', 'drop', 'clear'),
  stream: fc.nat(3),
  size: fc.integer({ min: 1, max: 120 }),
});

describe('TailCache', () => {
  it('keeps contiguous newest batches, stays within its bound, and takes from the stream used longest ago', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = new TailCache(BYTES_MAX);
        const tails = [0, 1, 2, 3].map(() => new StreamTail());
        const model: number[][] = [[], [], [], []];
        const ends = [0, 0, 0, 0];
        let used: number[] = [];
        for (const { do: what, stream, size } of steps) {
          const tail = tails[stream]!;
          const sizes = model[stream]!;
          if (what === 'add') {
            const baseOffset = ends[stream]!++;
            cache.add(tail, { baseOffset, nextOffset: baseOffset + 1, timestampMs: 0, bytes: Buffer.alloc(size) });
            used = used.filter((other) => other !== stream);
            if (size > BYTES_MAX) sizes.length = 0;
            else {
              sizes.push(size);
              used.push(stream);
            }
            const total = (): number => model.flat().reduce((sum, bytes) => sum + bytes, 0);
            while (total() > BYTES_MAX) if (model[used[0]!]!.shift() === undefined) used.shift();
          } else if (what === 'touch') {
            cache.touch(tail);
            used = [...used.filter((other) => other !== stream), stream];
          } else if (what === 'drop') {
            const drop = Math.floor(sizes.length / 2);
            cache.dropBelow(tail, ends[stream]! - sizes.length + drop);
            sizes.splice(0, drop);
          } else {
            cache.clear(tail);
            sizes.length = 0;
            used = used.filter((other) => other !== stream);
          }
          expect(cache.sizeBytes).toBe(model.flat().reduce((sum, bytes) => sum + bytes, 0));
          for (const [i, { chunks }] of tails.entries()) {
            const found = Array.from({ length: chunks.count }, (_, k) => chunks.at(k)!);
            expect(found.map((chunk) => chunk.bytes.length)).toEqual(model[i]);
            if (found.length > 0) expect(found.at(-1)!.nextOffset).toBe(ends[i]);
          }
        }
      }),
    );
  });
});
