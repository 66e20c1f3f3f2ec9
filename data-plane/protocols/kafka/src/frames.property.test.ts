import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Frames } from './frames.ts';
import { ApiVersions, Metadata } from './messages/cluster.ts';
import { JoinGroup } from './messages/groups.ts';
import { Produce } from './messages/produce.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { batchOf } from './testing/batch.ts';
import { Fixture } from './testing/fixture.ts';

const frame = (body: Buffer): Buffer => {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length, 0);
  return Buffer.concat([size, body]);
};
const body = fc.uint8Array({ minLength: 1, maxLength: 90 }).map((bytes) => Buffer.from(bytes));

describe('Frames', () => {
  it('cuts any stream into the same requests, however it is split, read in place or not, stopped or not', () => {
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        fc.boolean(),
        (bodies, sizes, inPlace, stops) => {
          const stream = Buffer.concat(bodies.map(frame));
          const frames = new Frames(DEFAULT_LIMITS);
          const shared = Buffer.alloc(64);
          const seen: string[] = [];
          const onFrame = (buffer: Buffer, start: number, end: number): boolean => {
            seen.push(buffer.toString('hex', start, end));
            return !stops;
          };
          const feed = (chunk: Buffer, size: number): void => {
            let stopped = frames.feed(chunk, 0, size, onFrame);
            while (stopped < size) {
              frames.hold(chunk, stopped, size);
              const held = frames.release()!;
              chunk = held;
              size = held.length;
              stopped = frames.feed(held, 0, size, onFrame);
            }
          };
          for (let at = 0, i = 0; at < stream.length; i++) {
            const target = (inPlace ? frames.readTarget() : null) ?? shared;
            const size = Math.min(sizes[i % sizes.length]!, target.length, stream.length - at);
            stream.copy(target, 0, at, at + size);
            at += size;
            feed(target, size);
          }
          expect(seen).toEqual(bodies.map((one) => one.toString('hex')));
        },
      ),
    );
  });
  it('a large size costs nothing until its bytes arrive', () => {
    const frames = new Frames(DEFAULT_LIMITS);
    frames.authenticated();
    const size = Buffer.alloc(4);
    size.writeInt32BE(DEFAULT_LIMITS.frameSizeBytesMax, 0);
    frames.feed(size, 0, 4, () => true);
    expect(frames.readTarget()!.length).toBeLessThanOrEqual(2 * 1024 * 1024);
  });
  it('grows a large request without losing bytes', () => {
    const frames = new Frames(DEFAULT_LIMITS);
    frames.authenticated();
    const large = Buffer.from(Array.from({ length: 3_000_001 }, (_, i) => i % 251));
    const stream = frame(large);
    let got: Buffer | null = null;
    for (let at = 0; at < stream.length;) {
      const target = frames.readTarget() ?? Buffer.alloc(4096);
      const size = Math.min(target.length, stream.length - at);
      stream.copy(target, 0, at, at + size);
      at += size;
      frames.feed(target, 0, size, (buffer, start, end) => {
        got = buffer.subarray(start, end);
        return true;
      });
    }
    expect(got!.equals(large)).toBe(true);
  });
});

describe('mutated requests', () => {
  it('end their own connection at most', async () => {
    const world = new Fixture();
    await world.blue.topics.create({ name: 't', partitions: 1 });
    const maker = world.client();
    const none = { includeTopicAuthorizedOperations: false, includeClusterAuthorizedOperations: false };
    const originals = [
      maker.frame(Metadata, 12, { topics: [{ topicId: '0'.repeat(32), name: 't' }], ...none }),
      maker.frame(Produce, 9, {
        transactionalId: null,
        acks: 1,
        timeoutMs: 1,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: [batchOf(['a', 'b'])] }] }],
      }),
      maker.frame(JoinGroup, 5, {
        groupId: 'g',
        sessionTimeoutMs: 10_000,
        memberId: '',
        groupInstanceId: 'i',
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.from('m') }],
        reason: null,
      }),
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        (original, mutations) => {
          const client = world.client();
          const bytes = Buffer.from(original);
          for (const [at, byte] of mutations) bytes[4 + (at % (bytes.length - 4))] = byte;
          client.write(bytes);
          world.runtime.turn();
          client.handler.onClose(null);
        },
      ),
      { numRuns: 500 },
    );
    const answer = await world.ask(world.client(), ApiVersions, 3, {
      clientSoftwareName: '',
      clientSoftwareVersion: '',
    });
    expect(answer.errorCode).toBe(0);
  });
});
