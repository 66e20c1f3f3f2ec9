import { describe, expect, it } from 'vitest';
import { AckQueue } from './ack-queue.ts';
import { FakeCommit } from './testing/fake-broker.ts';

const one = (commit: FakeCommit | null) => ({
  commit: commit?.commit ?? null,
  sizeBytes: 4,
  count: 1,
  ended: 1,
  publishBytes: 10,
});

describe('AckQueue', () => {
  it('keeps the order of arrival, one entry per commit, and attaches what waits for nothing to the last', () => {
    const queue = new AckQueue();
    const [a, b] = [new FakeCommit(1), new FakeCommit(2)];
    const put = (commit: FakeCommit | null, mark: number) => (queue.bytes[appended(commit)] = mark);
    const appended = (commit: FakeCommit | null) => queue.append(one(commit));
    put(a, 1);
    expect(queue.isNew(a.commit)).toBe(false);
    expect(queue.isNew(b.commit)).toBe(true);
    put(b, 2);
    put(a, 3); // an earlier commit cannot overtake
    put(null, 4);
    expect(queue).toMatchObject({ acks: 4, publishBytes: 40 });
    b.settle();
    expect(queue.shift()).toBeNull(); // behind a
    a.settle();
    expect(queue.shift()).toEqual({ error: null, start: 0, end: 4, ended: 1 });
    expect(queue.shift()).toEqual({ error: null, start: 4, end: 16, ended: 3 });
    expect(queue).toMatchObject({ acks: 0, publishBytes: 0, empty: true });
  });
  it('grows, moves what waits to the front and never loses a byte', () => {
    const queue = new AckQueue();
    const expected: number[] = [];
    let mark = 0;
    for (let round = 0; round < 200; round++) {
      const commit = new FakeCommit(round);
      for (let i = 0; i < 1 + (round % 7); i++) {
        const at = queue.append(one(commit));
        expected.push(mark);
        queue.bytes.writeInt32BE(mark++, at);
      }
      commit.settle();
      if (round % 3 === 0) continue;
      for (let released = queue.shift(); released !== null; released = queue.shift()) {
        for (let at = released.start; at < released.end; at += 4) {
          expect(queue.bytes.readInt32BE(at)).toBe(expected.shift());
        }
      }
    }
  });
});
