import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publish, RealClient, RealWorld, subscribe, told } from './testing/real-world.ts';
import { fuzzSteps } from './testing/fuzz-packets.ts';
import type { FuzzStep } from './testing/fuzz-packets.ts';

/** `MQTT_FUZZ_SECONDS=600` runs on from a new seed for so long; `MQTT_FUZZ_SEED` repeats a run. */
const SECONDS = Number(process.env['MQTT_FUZZ_SECONDS'] ?? 0);
const SEED = Number(process.env['MQTT_FUZZ_SEED'] ?? (SECONDS > 0 ? Math.floor(Math.random() * 2 ** 31) : 20_261_122));
const RUNS_IN_CI = 500;
/** A run leaves at most these behind: three client ids with sessions. */
const SESSIONS_MAX = 3;

let world: RealWorld;
const errors: unknown[] = [];
beforeAll(async () => {
  world = await RealWorld.start({}, { connectsPerAddressPerSecondMax: 0 }); // the time hardly moves
  Object.assign(world.runtime, {
    log: { debug() {}, info() {}, warn() {}, error: (fields: unknown) => errors.push(fields) },
  });
});
afterAll(() => world.server.close());

/** Takes what the server writes and forgets it, so that a long run does not fill the memory of the test. */
class HostileClient extends RealClient {
  override write(): void {}
}

function play(client: HostileClient, step: Exclude<FuzzStep, { kind: 'wait' }>): void {
  if (step.kind === 'cut') client.cut();
  else {
    const size = Math.max(1, Math.ceil(step.bytes.length / step.pieces));
    for (let at = 0; at < step.bytes.length; at += size) client.bytes(step.bytes.subarray(at, at + size));
  }
}

describe('[MQTT-4.13.1-1] [MQTT3-4.8.0-1] hostile clients', () => {
  it(
    `break nothing, starve nobody and leave nothing behind (seed ${SEED})`,
    async () => {
      let sent = 0;
      const property = fc.asyncProperty(
        fc.boolean().chain((v5) => fc.tuple(fc.constant(v5), fuzzSteps(v5), fuzzSteps(v5))),
        async ([v5, ...lives]) => {
          const witness = await world.join({ clientId: 'witness', keepalive: 0 });
          await witness.ask(subscribe('witness/only', 1));
          const clients = lives.map(() => new HostileClient(world, v5 ? 5 : 4));
          for (let i = 0; i < Math.max(...lives.map((life) => life.length)); i++) {
            for (const [index, life] of lives.entries()) {
              const step = life[i];
              if (step === undefined) continue;
              if (step.kind === 'wait') await world.advance(step.ms);
              else play(clients[index]!, step);
            }
            await world.settle();
          }
          const got = await witness.ask(publish('witness/only', `${sent}`, 1), { cmd: 'pingreq' });
          expect(
            told(got)
              .filter((one) => one !== 'puback')
              .sort(),
          ).toEqual([`${sent++}`, 'pingresp'].sort());
          for (const client of clients) client.cut();
          expect(errors).toEqual([]);
          expect(world.server.connectionCount).toBe(1);
          witness.cut();
          expect(world.server.connectionCount).toBe(0);
        },
      );
      const bounds =
        SECONDS > 0 ? { numRuns: 2 ** 30, interruptAfterTimeLimit: SECONDS * 1000 } : { numRuns: RUNS_IN_CI };
      await fc.assert(property, { seed: SEED, ...bounds, endOnFailure: SECONDS > 0 });
      // what is left is bounded by the client ids, not by the number of runs
      const kept = await Promise.all(
        ['fuzz-1', 'fuzz-2', 'fuzz-3'].map(
          async (clientId) => (await world.join({ version: 4, clientId, clean: false })).connack.sessionPresent,
        ),
      );
      expect(kept.length).toBeLessThanOrEqual(SESSIONS_MAX);
    },
    Math.max(120_000, SECONDS * 2_000),
  );
});
