import { FileLogStore, SimulatedDisk } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from './batch-builder.ts';
import { decodeRecords } from './decode-records.ts';
import { Journal } from './journal.ts';
import type { StreamName, StreamPolicy } from './journal-types.ts';

const POLICY: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };

async function open(disk: SimulatedDisk, tailCacheBytesMax: number): Promise<Journal> {
  const store = await FileLogStore.open({ directory: '/data', disk, walBytesMax: 2000, segmentBytesMax: 3000 });
  return new Journal({ store, runtime: new ManualRuntime({ autoTurn: true }), tailCacheBytesMax });
}
async function values(journal: Journal, name: StreamName): Promise<string[]> {
  const stream = await journal.open(name, POLICY);
  const found: string[] = [];
  for (let at = stream.startOffset; at < stream.stableOffset;) {
    for (const batch of await stream.read(at, 500)) {
      decodeRecords(batch, (record) => {
        expect(record.offset).toBe(at++);
        found.push(record.value()!.toString());
      });
    }
  }
  return found;
}

describe('a journal on files', () => {
  it('has after a loss of power what it acknowledged, in order, at the same offsets', async () => {
    const turn = fc.array(fc.record({ stream: fc.nat(2), records: fc.integer({ min: 1, max: 5 }) }), { maxLength: 5 });
    const run = async (turns: readonly { stream: number; records: number }[][], after: number, cache: number) => {
      const disk = new SimulatedDisk(() => 0.3);
      const journal = await open(disk, cache);
      const names = [0, 1, 2].map((i) => `s${i}` as StreamName);
      const streams = await Promise.all(names.map((name) => journal.open(name, POLICY)));
      const sent: string[][] = [[], [], []];
      const acknowledged = [0, 0, 0];
      const wrong: string[] = [];
      const stopped = disk.stopAfter(after);
      const builder = new BatchBuilder();
      for (const appends of turns) {
        for (const { stream, records } of appends) {
          for (let i = 0; i < records; i++) {
            const value = `${sent[stream]!.length}`;
            builder.add(null, Buffer.from(value), null, 1000);
            sent[stream]!.push(value);
          }
          const count = sent[stream]!.length;
          streams[stream]!.append(builder.build()).onSettled((error) => {
            if (error === null && streams[stream]!.stableOffset >= count) acknowledged[stream] = count;
            else wrong.push(`${error} at ${count}`);
          });
        }
        const ended = await Promise.race([journal.current.promise().then(() => false), stopped.then(() => true)]);
        if (ended) break;
      }
      const counts = [...acknowledged];
      const again = await open(disk.cutPower(), cache);
      for (const [i, name] of names.entries()) {
        const found = await values(again, name);
        expect(found.length).toBeGreaterThanOrEqual(counts[i]!);
        expect(found).toEqual(sent[i]!.slice(0, found.length));
      }
      expect(wrong).toEqual([]);
      await again.close();
    };
    const turns = fc.array(turn, { maxLength: 20 });
    await fc.assert(fc.asyncProperty(turns, fc.nat(120), fc.constantFrom(0, 500, 1_000_000), run), { numRuns: 200 });
  }, 60_000);

  it('names damage, and where to go on behind it', async () => {
    const disk = new SimulatedDisk(() => 0.5);
    const journal = await open(disk, 0);
    const name = 's' as StreamName;
    const stream = await journal.open(name, POLICY);
    const builder = new BatchBuilder();
    for (let i = 0; i < 30; i++) {
      builder.add(null, Buffer.alloc(300, i), null, i);
      await stream.append(builder.build()).promise();
    }
    await journal.close();
    const segment = disk.paths.filter((path) => path.endsWith('.segment')).sort()[0]!;
    disk.content(segment)[500]! ^= 1;
    const again = await (await open(disk.kill(), 0)).open(name, POLICY);
    await expect(again.read(1, 1)).rejects.toMatchObject({ code: 'corrupt', resumeAt: 2 });
    expect(await again.read(2, 1)).toHaveLength(1);
    expect(await again.offsetAtTime(20)).toEqual({ offset: 20, timestampMs: 20 });
  });

  it('hears at once of a medium that failed by its own work, though nobody appends', async () => {
    const disk = new SimulatedDisk(() => 0.3);
    const journal = await open(disk, 0);
    const failures: Error[] = [];
    journal.onFailed((error) => failures.push(error));
    const stream = await journal.open('s' as StreamName, POLICY);
    const builder = new BatchBuilder();
    for (let i = 0; i < 2; i++) {
      builder.add(null, Buffer.alloc(3000), null, 1000);
      if (i === 1) disk.unlink = () => Promise.reject(new Error('EIO'));
      await stream.append(builder.build()).promise();
    }
    for (let i = 0; i < 20 && failures.length === 0; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({ code: 'failed' });
  });
});
