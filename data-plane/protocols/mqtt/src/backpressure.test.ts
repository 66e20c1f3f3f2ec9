import { describe, expect, it } from 'vitest';
import { publish, RealClient, RealWorld, subscribe } from './testing/real-world.ts';

/** A client that takes nothing any more: what is written to it stays with the transport. */
class StoppedClient extends RealClient {
  stopped = false;
  heldMax = 0;
  override write(bytes: Buffer): void {
    if (!this.stopped) return super.write(bytes);
    this.writableLength += bytes.length;
    this.heldMax = Math.max(this.heldMax, this.writableLength);
  }
}

const KIB = 1024;
const LIMITS = {
  writableBytesMax: 64 * KIB,
  readerSlowBytes: 16 * KIB,
  pendingMessagesMax: 100,
  pendingBytesMax: 64 * KIB,
  inFlightMax: 20,
  readerWaitMs: 100,
};
const MESSAGES = 2_000;
/** What one chunk of the publisher can add before the next look at the reader. */
const CHUNK_MESSAGES = 20;

async function stopped(world: RealWorld, version: 4 | 5, qos: 0 | 1): Promise<StoppedClient> {
  const client = new StoppedClient(world, version);
  await client.ask(world.connectPacket({ version, clientId: 'stopped' }));
  await client.ask(subscribe('load', qos));
  client.stopped = true;
  return client;
}
/** Publishes everything in chunks; the witness reads along. Returns what the witness got, in order. */
async function load(world: RealWorld, version: 4 | 5, qos: 0 | 1): Promise<string[]> {
  const witness = await world.join({ version, clientId: 'witness' });
  await witness.ask(subscribe('load', 0));
  const publisher = await world.join({ version, clientId: 'publisher' });
  const got: string[] = [];
  for (let at = 0; at < MESSAGES; at += CHUNK_MESSAGES) {
    const chunk = Array.from({ length: CHUNK_MESSAGES }, (_, i) => {
      return publish('load', `${at + i}`.padEnd(KIB), qos, qos === 0 ? {} : { messageId: i + 1 });
    });
    await publisher.ask(...chunk);
    // the publisher waits for the slow reader, but never for long
    if (publisher.paused) await world.advance(LIMITS.readerWaitMs);
    expect(publisher.paused).toBe(false);
    for (const packet of witness.take()) if (packet.cmd === 'publish') got.push(String(packet.payload).trim());
  }
  return got;
}
const all = Array.from({ length: MESSAGES }, (_, i) => `${i}`);

describe('a reader that has stopped', () => {
  it.each([4, 5] as const)(
    'costs bounded memory and nobody else a message; what it misses at QoS 0 is counted (level %i)',
    { timeout: 60_000 },
    async (version) => {
      const world = await RealWorld.start({}, LIMITS);
      const client = await stopped(world, version, 0);
      expect(await load(world, version, 0)).toEqual(all);
      const packetBytes = client.heldMax / Math.round(client.heldMax / (KIB + 9));
      expect(client.heldMax).toBeLessThanOrEqual(LIMITS.writableBytesMax + CHUNK_MESSAGES * (packetBytes + 1));
      // every message is either with the transport or counted as dropped
      const held = Math.round(client.heldMax / packetBytes);
      expect(world.server.droppedMessages + held).toBe(MESSAGES);
      const events = world.node.broker
        .clientEvents(world.node.namespace().id)
        .filter(({ code }) => code === 'slow-reader');
      expect(events.map(({ clientId }) => clientId)).toEqual(['stopped']);
      world.server.close();
    },
  );

  it.each([4, 5] as const)(
    'has a bounded number of QoS 1 messages waiting; the newest are dropped and counted (level %i)',
    { timeout: 60_000 },
    async (version) => {
      const world = await RealWorld.start({}, LIMITS);
      const client = await stopped(world, version, 1);
      expect(await load(world, version, 1)).toEqual(all);
      expect(client.heldMax).toBeLessThanOrEqual(LIMITS.inFlightMax * (KIB + 32));
      const pendingMax = Math.min(LIMITS.pendingMessagesMax, LIMITS.pendingBytesMax / KIB);
      expect(world.server.droppedMessages).toBeGreaterThanOrEqual(
        MESSAGES - LIMITS.inFlightMax - pendingMax - CHUNK_MESSAGES,
      );
      expect(world.server.droppedMessages).toBeLessThan(MESSAGES);
      world.server.close();
    },
  );
});
