import { describe, expect, it } from 'vitest';
import { Output, SlabPool } from './output.ts';

function setUp(takesAll = true) {
  const written: Buffer[] = [];
  let all = '';
  const write = (bytes: Buffer): void => {
    written.push(bytes);
    all += String(bytes); // now: the slab may be used again
  };
  const transport = { writableLength: 0, write };
  if (!takesAll) transport.writableLength = 1;
  const pool = new SlabPool();
  const output = new Output(transport as never, pool);
  const put = (text: string): void => {
    const at = output.reserve(text.length);
    output.buffer.write(text, at);
  };
  return { written, pool, output, put, text: () => all };
}

describe('Output', () => {
  it('gathers everything of a turn into one write', () => {
    const { output, put, written, text } = setUp();
    for (let i = 0; i < 1000; i++) put(`${i},`);
    expect(output.pendingBytes).toBe(3890);
    output.flush();
    output.flush();
    expect(written).toHaveLength(1);
    expect(text()).toBe(Array.from({ length: 1000 }, (_, i) => `${i},`).join(''));
  });

  it('grows from slab to slab, writes when 64 KiB are full, and takes what is larger than a slab', () => {
    const { output, put, written, text } = setUp();
    const pieces = Array.from({ length: 60 }, (_, i) => String.fromCharCode(65 + (i % 26)).repeat(i * 100));
    for (const piece of pieces) put(piece);
    put('z'.repeat(100_000));
    put('end');
    output.flush();
    expect(text() === `${pieces.join('')}${'z'.repeat(100_000)}end`).toBe(true);
    expect(written.length).toBeLessThan(6);
  });

  it('gives a slab back when the kernel took it all, and leaves it alone when not', () => {
    for (const takesAll of [true, false]) {
      const { output, put, pool, written } = setUp(takesAll);
      put('abc');
      output.flush();
      const next = pool.take(10);
      expect(next.buffer === written[0]!.buffer).toBe(takesAll);
    }
  });

  it('writes a shared Buffer as it is when nothing else waits, and keeps the order when something does', () => {
    const { output, put, written, text } = setUp();
    const shared = Buffer.from('shared');
    output.share(shared);
    output.flush();
    expect(written[0]).toBe(shared);
    output.share(shared);
    put('-then-');
    output.share(shared);
    output.flush();
    expect(text()).toBe('sharedshared-then-shared');
    expect(String(shared)).toBe('shared');
  });

  it('forgets what was not written', () => {
    const { output, put, written } = setUp();
    put('abc');
    output.discard();
    output.flush();
    expect(written).toEqual([]);
  });
});
