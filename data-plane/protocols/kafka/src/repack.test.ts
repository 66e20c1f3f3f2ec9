import fc from 'fast-check';
import { CODECS, type Codec, compressElsewhere, decompress } from '@robustmq/broker';
import { crc32c } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { ERROR } from './errors.ts';
import { Produce } from './messages/produce.ts';
import { BATCH_HEADER_BYTES } from './record-batch.ts';
import { repack } from './repack.ts';
import { batchOf } from './testing/batch.ts';
import type { FakeClient } from './testing/fake-client.ts';
import { Fixture } from './testing/fixture.ts';

/** A batch as a producer with that codec sends it. */
async function packedBatch(codec: Codec, values: readonly string[]): Promise<Buffer> {
  const plain = batchOf(values);
  const packed = await compressElsewhere(codec, plain.subarray(BATCH_HEADER_BYTES));
  return sealed(Buffer.concat([plain.subarray(0, BATCH_HEADER_BYTES), packed]), codec);
}
function sealed(batch: Buffer, codec: Codec): Buffer {
  batch.writeInt16BE(CODECS.indexOf(codec), 21);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
}

/** One namespace with one topic, and what is needed to produce to it and look at what it keeps. */
class Topic {
  readonly world: Fixture;
  readonly client: FakeClient;
  private constructor(world: Fixture) {
    this.world = world;
    this.client = world.client();
  }
  static async of(compression: 'producer' | Codec, limits = {}): Promise<Topic> {
    const world = new Fixture(limits);
    await world.blue.topics.create({ name: 't', partitions: 1, compression });
    return new Topic(world);
  }
  /** Sends all at once; the error codes in order. */
  async produce(...batches: Buffer[]): Promise<number[]> {
    for (const batch of batches) {
      const topicData = [{ name: 't', partitionData: [{ index: 0, records: [batch] }] }];
      this.client.send(Produce, 9, { transactionalId: null, acks: -1, timeoutMs: 0, topicData });
    }
    const codes: number[] = [];
    // compression is done in threads of the pool
    for (let tries = 0; codes.length < batches.length && tries < 10_000; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await this.world.settle();
      for (let answer = this.client.next(Produce); answer !== null; answer = this.client.next(Produce)) {
        codes.push(answer.responses[0]!.partitionResponses[0]!.errorCode);
      }
    }
    return codes;
  }
  async stored(): Promise<readonly Buffer[]> {
    return [...(await this.world.blue.topics.get('t')!.partitions[0]!.read(0, 1 << 24))];
  }
}
const codecOf = (batch: Buffer): Codec => CODECS[batch.readInt16BE(21) & 7]!;
const recordsOf = (batch: Buffer): Buffer => decompress(codecOf(batch), batch.subarray(BATCH_HEADER_BYTES));

describe('compression.type', () => {
  const pairs = CODECS.flatMap((from) => CODECS.map((to) => [from, to] as const));
  it.each(pairs)('a batch packed with %s is stored with %s, its records as they were', async (from, to) => {
    const topic = await Topic.of(to);
    const values = ['a', 'b'.repeat(2_000), 'c'];
    expect(await topic.produce(await packedBatch(from, values), await packedBatch(from, ['d']))).toEqual([0, 0]);
    const [first, second] = await topic.stored();
    expect(codecOf(first!)).toBe(to);
    expect(first!.readUInt32BE(17)).toBe(crc32c(first!, 21));
    expect(recordsOf(first!)).toEqual(batchOf(values).subarray(BATCH_HEADER_BYTES));
    expect(first!.readInt32BE(57)).toBe(3);
    expect(codecOf(second!)).toBe(to);
    expect(recordsOf(second!)).toEqual(batchOf(['d']).subarray(BATCH_HEADER_BYTES));
  });

  it('producer keeps what was sent, byte by byte', async () => {
    const topic = await Topic.of('producer');
    const batch = await packedBatch('gzip', ['a']);
    await topic.produce(Buffer.from(batch));
    const [stored] = await topic.stored();
    expect(stored!.subarray(12 + 4)).toEqual(batch.subarray(12 + 4));
  });

  it('batches stay in the order they were sent, however long each takes', async () => {
    const topic = await Topic.of('gzip');
    const sizes = [300_000, 1, 200_000, 10, 100_000, 1];
    const batches = sizes.map((size, i) => batchOf([`${i}`.repeat(size)]));
    expect(await topic.produce(...batches)).toEqual(sizes.map(() => 0));
    const stored = await topic.stored();
    expect(stored.map((batch) => recordsOf(batch).includes('555'))).toHaveLength(sizes.length);
    stored.forEach((batch, i) => expect(recordsOf(batch)).toEqual(batchOf([`${i}`.repeat(sizes[i]!)]).subarray(61)));
  });

  it('what unpacks to too much, does not unpack, or has another CRC is refused, and the next one is not', async () => {
    const topic = await Topic.of('lz4', { repackSizeBytesMax: 10_000 });
    const bomb = await packedBatch('gzip', ['x'.repeat(100_000)]);
    const garbage = sealed(
      Buffer.concat([batchOf(['a']).subarray(0, BATCH_HEADER_BYTES), Buffer.alloc(40, 7)]),
      'zstd',
    );
    const flipped = await packedBatch('gzip', ['y']);
    flipped[flipped.length - 1]! ^= 1;
    const good = await packedBatch('snappy', ['z']);
    const codes = await topic.produce(bomb, garbage, flipped, good);
    expect(codes).toEqual([ERROR.MESSAGE_TOO_LARGE, ERROR.CORRUPT_MESSAGE, ERROR.CORRUPT_MESSAGE, 0]);
    expect(await topic.stored()).toHaveLength(1);
  });

  it('who may not write has nothing packed', async () => {
    const topic = await Topic.of('gzip');
    topic.world.blue.denied.add('write topic t');
    const batch = await packedBatch('zstd', ['a']);
    await topic.produce(batch);
    // the double of the broker takes what the real one refuses; what counts here is that no time was spent
    expect((await topic.stored()).every((stored) => codecOf(stored) === 'zstd')).toBe(true);
  });

  it('whatever is sent, in any codec, comes out as it was', async () => {
    const codec = fc.constantFrom(...CODECS);
    await fc.assert(
      fc.asyncProperty(
        codec,
        codec,
        fc.array(fc.string(), { minLength: 1, maxLength: 5 }),
        async (from, to, values) => {
          const batch = await packedBatch(from, values);
          const packed = await repack(batch, to, 1 << 20);
          expect(codecOf(packed)).toBe(to);
          expect(recordsOf(packed)).toEqual(recordsOf(batch));
          expect(packed.readInt32BE(8)).toBe(packed.length - 12);
        },
      ),
      { numRuns: 60 },
    );
  });
});
