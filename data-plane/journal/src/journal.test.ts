import { MemoryLogStore, type LogStore } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from './batch-builder.ts';
import { Journal } from './journal.ts';
import type { StreamName, StreamPolicy } from './journal-types.ts';

const FLUSHED: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
const name = (text: string): StreamName => text as StreamName;

function batch(values: readonly string[], timestampMs = 1000): Buffer {
  const builder = new BatchBuilder();
  values.forEach((value, i) => builder.add(null, Buffer.from(value), null, timestampMs + i));
  return builder.build();
}

/** A memory store whose flush ends when the test says so. */
class GatedStore extends MemoryLogStore implements LogStore {
  flushes = 0;
  waiting: { done: () => void; fail: (error: Error) => void }[] = [];
  override flush(): Promise<void> {
    this.flushes++;
    return new Promise((resolve, reject) => {
      this.waiting.push({ done: () => super.flush().then(resolve, reject), fail: reject });
    });
  }
  override async close(): Promise<void> {}
}

async function world(tailCacheBytesMax?: number) {
  const store = new GatedStore();
  const runtime = new ManualRuntime();
  const journal = new Journal({ store, runtime, ...(tailCacheBytesMax === undefined ? {} : { tailCacheBytesMax }) });
  return { store, runtime, journal, stream: await journal.open(name('a'), FLUSHED) };
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('group commit', () => {
  it('puts all appends of a turn on one flush, and those made during it on the next', async () => {
    const { store, runtime, journal, stream } = await world();
    const other = await journal.open(name('b'), FLUSHED);
    const first = stream.append(batch(['1']));
    expect(other.append(batch(['2']))).toBe(first);
    expect(store.flushes).toBe(0);
    runtime.turn();
    expect(store.flushes).toBe(1);
    const second = stream.append(batch(['3']));
    expect(second).not.toBe(first);
    expect(second.sequence).toBeGreaterThan(first.sequence);
    runtime.turn();
    expect(store.flushes).toBe(1);
    store.waiting.shift()!.done();
    await settle();
    expect([first.settled, second.settled, stream.stableOffset, stream.endOffset]).toEqual([true, false, 1, 2]);
    expect(journal.unflushedBytes).toBe(batch(['3']).length);
    runtime.turn();
    store.waiting.shift()!.done();
    await second.promise();
    expect(stream.stableOffset).toBe(2);
  });

  it('moves stable offsets first, then wakes waiters, then settles', async () => {
    const { store, runtime, journal, stream } = await world();
    const other = await journal.open(name('b'), FLUSHED);
    const seen: string[] = [];
    stream.append(batch(['1', '2'])).onSettled((error) => seen.push(`settled ${error}`));
    other.append(batch(['1']));
    stream.onStableBeyond(1, () => seen.push(`a beyond 1: ${stream.stableOffset} ${other.stableOffset}`));
    stream.onStableBeyond(5, () => seen.push('never'));
    stream.onStableBeyond(0, () => seen.push('forgotten'))();
    runtime.turn();
    store.waiting.shift()!.done();
    await settle();
    expect(seen).toEqual(['a beyond 1: 2 1', 'settled null']);
    stream.onStableBeyond(1, () => seen.push('at once'));
    expect(seen).toHaveLength(3);
  });

  it('lets beforeFlush callbacks ride along', async () => {
    const { store, runtime, journal, stream } = await world();
    const other = await journal.open(name('b'), FLUSHED);
    journal.beforeFlush(() => other.append(batch(['rider'])));
    const commit = stream.append(batch(['1']));
    runtime.turn();
    store.waiting.shift()!.done();
    await commit.promise();
    expect(other.stableOffset).toBe(1);
    expect(store.flushes).toBe(1);
    runtime.turn();
    expect(store.flushes).toBe(1);
  });

  it('settles an empty commit that somebody asked for', async () => {
    const { store, runtime, journal } = await world();
    const { current } = journal;
    expect(journal.current).toBe(current);
    runtime.turn();
    store.waiting.shift()!.done();
    await current.promise();
  });

  it('shows nothing of a flushed stream before it is stable', async () => {
    const { store, runtime, stream } = await world();
    stream.append(batch(['1']));
    expect(stream.read(0, 1000)).toEqual([]);
    runtime.turn();
    store.waiting.shift()!.done();
    await settle();
    expect(await stream.read(0, 1000)).toHaveLength(1);
  });

  it('settles at once with durability memory, and flushes later', async () => {
    const { store, runtime, journal } = await world();
    const memory = await journal.open(name('m'), { ...FLUSHED, durability: 'memory' });
    let woken = 0;
    memory.onStableBeyond(0, () => woken++);
    expect(memory.append(batch(['1'])).settled).toBe(true);
    expect([memory.stableOffset, (memory.read(0, 100) as readonly Buffer[]).length, woken]).toEqual([1, 1, 0]);
    runtime.turn();
    expect([woken, store.flushes]).toEqual([1, 0]);
    runtime.advance(1000);
    runtime.turn();
    expect(store.flushes).toBe(1);
  });

  it('fails every commit and refuses appends when the medium fails', async () => {
    const { store, runtime, journal, stream } = await world();
    const failures: Error[] = [];
    journal.onFailed((error) => failures.push(error));
    const first = stream.append(batch(['1']));
    runtime.turn();
    const second = stream.append(batch(['2']));
    store.waiting.shift()!.fail(new Error('EIO'));
    await settle();
    expect(first.error).toMatchObject({ code: 'failed' });
    expect(second.error).toMatchObject({ code: 'failed' });
    expect(failures).toHaveLength(1);
    expect(stream.stableOffset).toBe(0);
    expect(stream.append(batch(['3'])).error).toMatchObject({ code: 'failed' });
    expect(journal.current.error).toMatchObject({ code: 'failed' });
    await journal.close();
  });

  it('goes on when a callback throws', async () => {
    const { store, runtime, stream } = await world();
    const commit = stream.append(batch(['1']));
    let called = false;
    stream.onStableBeyond(0, () => {
      throw new Error('waiter');
    });
    commit.onSettled(() => {
      throw new Error('callback');
    });
    commit.onSettled(() => (called = true));
    runtime.turn();
    store.waiting.shift()!.done();
    await settle();
    expect(called).toBe(true);
  });
});

describe('streams', () => {
  const auto = async (tailCacheBytesMax: number) => {
    const store = new MemoryLogStore();
    const runtime = new ManualRuntime({ autoTurn: true });
    const journal = new Journal({ store, runtime, tailCacheBytesMax });
    return { store, runtime, journal };
  };

  it('read the same from the tail cache and from the store: whole batches', async () => {
    for (const cache of [0, 300, 1_000_000]) {
      const { journal } = await auto(cache);
      const a = await journal.open(name('a'), FLUSHED);
      const b = await journal.open(name('b'), FLUSHED);
      for (let i = 0; i < 10; i++) {
        a.append(batch([`a${i}`, 'x']));
        await b.append(batch([`b${i}`])).promise();
      }
      for (let from = 0; from <= 20; from++) {
        const found = await a.read(from, 1_000_000);
        expect(found.map((bytes) => Number(bytes.readBigInt64BE(0)))).toEqual(
          Array.from({ length: 10 }, (_, i) => i * 2).filter((base) => base + 2 > from),
        );
      }
      expect(await b.read(0, 1)).toHaveLength(1);
      const size = batch(['b0']).length;
      expect(await b.read(0, size * 3)).toHaveLength(3);
      expect(await b.read(3, size * 3 - 1)).toHaveLength(2);
      expect(() => a.read(21, 1)).toThrow(expect.objectContaining({ code: 'offset-out-of-range' }));
    }
  });

  it('find records by time, trim, keep their start, and enforce retention', async () => {
    const { journal } = await auto(1_000_000);
    const a = await journal.open(name('a'), FLUSHED);
    for (let i = 0; i < 10; i++) await a.append(batch(['1', '2', '3'], 1000 + i * 10)).promise();
    expect(await a.offsetAtTime(0)).toEqual({ offset: 0, timestampMs: 1000 });
    expect(await a.offsetAtTime(1011)).toEqual({ offset: 4, timestampMs: 1011 });
    expect(await a.offsetAtTime(1013)).toEqual({ offset: 6, timestampMs: 1020 });
    expect(await a.offsetAtTime(1093)).toBe(null);
    await a.trim(5);
    expect(await a.offsetAtTime(0)).toEqual({ offset: 5, timestampMs: 1012 });
    expect(() => a.read(4, 1)).toThrow(expect.objectContaining({ code: 'offset-out-of-range' }));
    expect(await a.read(5, 1)).toHaveLength(1);
    journal.setPolicy(a.name, { ...FLUSHED, retentionMs: 50 });
    await journal.enforceRetention(1100);
    expect(a.startOffset).toBe(15);
    journal.setPolicy(a.name, { ...FLUSHED, retentionBytes: batch(['1', '2', '3']).length * 2 });
    await journal.enforceRetention(1100);
    expect(a.startOffset).toBe(24);
    await expect(a.trim(31)).rejects.toMatchObject({ code: 'offset-out-of-range' });
  });

  it('are gone when removed, and begin anew under the same name', async () => {
    const { journal } = await auto(1_000_000);
    const a = await journal.open(name('a'), FLUSHED);
    await a.append(batch(['1'])).promise();
    const removing = journal.remove(a.name);
    const again = await journal.open(a.name, FLUSHED);
    await removing;
    expect(again.endOffset).toBe(0);
    expect(() => a.read(0, 1)).toThrow(expect.objectContaining({ code: 'closed' }));
    expect(a.append(batch(['2'])).error).toMatchObject({ code: 'closed' });
    await again.append(batch(['3'])).promise();
    expect(journal.list()).toEqual(['a']);
    await journal.close();
    await expect(journal.open(a.name, FLUSHED)).rejects.toMatchObject({ code: 'closed' });
  });

  it('flushes what is open on close', async () => {
    const { journal } = await auto(1_000_000);
    const a = await journal.open(name('a'), FLUSHED);
    const commit = a.append(batch(['1']));
    await journal.close();
    expect(commit.error).toBe(null);
    expect(commit.settled).toBe(true);
  });
});
