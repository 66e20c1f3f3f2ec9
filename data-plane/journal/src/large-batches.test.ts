import { FileLogStore, MemoryObjectStore } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BatchBuilder } from './batch-builder.ts';
import { decodeRecords } from './decode-records.ts';
import { Journal } from './journal.ts';
import type { Stream, StreamName, StreamPolicy } from './journal-types.ts';
import { readNextOffset } from './record-batch.ts';

const RECORD_BYTES = 64 * 1024 * 1024;
const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
const directory = mkdtempSync(join(tmpdir(), 'robustmq-large-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const value = Buffer.alloc(RECORD_BYTES, 'sixty-four mebibytes ');

/** Reads everything; answers the sizes of the records, and fails where a large one is not as it was sent. */
async function sizes(stream: Stream): Promise<number[]> {
  const found: number[] = [];
  for (let at = stream.startOffset; at < stream.stableOffset;) {
    for (const batch of await stream.read(at, 1024 * 1024)) {
      decodeRecords(batch, (record) => {
        const got = record.value()!;
        if (got.length > 10) expect(got.equals(value)).toBe(true);
        found.push(got.length);
      });
      at = readNextOffset(batch);
    }
  }
  return found;
}

describe('records of 64 MiB', () => {
  it.each(['through the log', 'with their body in object storage'])('%s', { timeout: 120_000 }, async (how) => {
    const objects = how === 'through the log' ? undefined : new MemoryObjectStore();
    const open = async (): Promise<Journal> => {
      const store = await FileLogStore.open({ directory: join(directory, how.replaceAll(' ', '-')) });
      const runtime = new ManualRuntime({ autoTurn: true });
      return new Journal({ store, runtime, ...(objects === undefined ? {} : { objects }) });
    };
    let journal = await open();
    let stream = await journal.open('s' as StreamName, KEEP);
    const builder = new BatchBuilder();
    for (const one of [Buffer.from('a'), value, Buffer.from('b')]) {
      builder.add(null, one, null, 1);
      const batch = builder.build();
      await stream.append(batch, await stream.prepare(batch)).promise();
    }
    expect(await sizes(stream)).toEqual([1, RECORD_BYTES, 1]);
    expect(stream.tiers().claims).toHaveLength(objects === undefined ? 0 : 1);
    await journal.close();
    journal = await open();
    stream = await journal.open('s' as StreamName, KEEP);
    expect(await sizes(stream)).toEqual([1, RECORD_BYTES, 1]);
    await journal.remove('s' as StreamName);
    expect(await objects?.list('')).toEqual(objects === undefined ? undefined : []);
    await journal.close();
  });
});
