import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publish, RealWorld, subscribe, told } from './testing/real-world.ts';

/** Turns of the event loop until a well-behaved client has its answer, however much the one beside it sends. */
const TURNS_MAX = 2;
/** One read of a socket. */
const CHUNK_BYTES = 65_536;
const ROUNDS = 4;

let world: RealWorld;
beforeAll(async () => {
  world = await RealWorld.start({}, { connectsPerAddressPerSecondMax: 0 });
});
afterAll(() => world.server.close());

const repeated = (bytes: Buffer): Buffer => {
  const chunk = Buffer.alloc(Math.floor(CHUNK_BYTES / bytes.length) * bytes.length);
  for (let at = 0; at < chunk.length; at += bytes.length) bytes.copy(chunk, at);
  return chunk;
};
const tinyPublish = (topic: string): Buffer => {
  const name = Buffer.from(topic);
  return Buffer.concat([Buffer.from([0x30, name.length + 2, 0, name.length]), name]);
};
/** As many publishes as a read holds, each to a name nobody has used. */
const manyTopics = (round: number): Buffer => {
  const packets = Array.from({ length: 5_000 }, (_, i) => tinyPublish(`t/${round}/${i}`));
  return Buffer.concat(packets).subarray(0, Buffer.concat(packets).length);
};
const manyFilters = (round: number): Buffer => {
  const filters = Array.from({ length: 1_000 }, (_, i) => {
    const name = Buffer.from(`+/${round}/${i}/#`);
    return Buffer.concat([Buffer.from([0, name.length]), name, Buffer.from([1])]);
  });
  const body = Buffer.concat([Buffer.from([0, 1]), ...filters]);
  return Buffer.concat([Buffer.from([0x82, (body.length & 127) | 128, body.length >> 7]), body]);
};
/** A publish of 16 MiB that never ends. */
const endless = (round: number): Buffer => {
  if (round > 0) return Buffer.alloc(CHUNK_BYTES, 1);
  return Buffer.concat([Buffer.from([0x30, 0xff, 0xff, 0xff, 0x03, 0, 1, 0x61]), Buffer.alloc(CHUNK_BYTES - 8, 1)]);
};

describe('[MQTT-4.13.1-1] a client that sends as much as it can', () => {
  it.each<[string, (round: number) => Buffer]>([
    ['pings', () => repeated(Buffer.from([0xc0, 0]))],
    ['the smallest publishes to itself', () => repeated(tinyPublish('own'))],
    ['publishes to ever new names', manyTopics],
    ['subscriptions with wildcards', manyFilters],
    ['one packet without an end', endless],
  ])(`holds nobody up for more than ${TURNS_MAX} turns: %s`, { timeout: 60_000 }, async (_name, chunkOf) => {
    const witness = await world.join({ version: 4, clientId: 'witness' });
    await witness.ask(subscribe('witness', 0));
    let hostile = await world.join({ version: 4, clientId: 'hostile' });
    await hostile.ask(subscribe('own', 0));
    let turnsMost = 0;
    for (let round = 0; round < ROUNDS; round++) {
      if (hostile.closed !== null) {
        hostile.cut();
        hostile = await world.join({ version: 4, clientId: 'hostile' });
      }
      hostile.bytes(chunkOf(round), false);
      hostile.received = [];
      witness.bytes(witness.encode(publish('witness', `${round}`), { cmd: 'pingreq' }), false);
      let turns = 0;
      while (witness.received.length < 2 && turns <= TURNS_MAX) {
        await new Promise((resolve) => setImmediate(resolve));
        turns++;
      }
      turnsMost = Math.max(turnsMost, turns);
      expect(told(witness.take()).sort()).toEqual([`${round}`, 'pingresp'].sort());
    }
    expect(turnsMost).toBeLessThanOrEqual(TURNS_MAX);
    hostile.cut();
    witness.cut();
  });
});
