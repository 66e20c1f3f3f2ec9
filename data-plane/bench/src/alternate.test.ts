import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { alternate, type Contender } from './alternate.ts';
import { runFlow, type MqttTarget } from './mqtt-flow.ts';
import type { FlowScenario } from './mqtt-scenarios.ts';
import { PeerFailure } from './peer-failure.ts';
import { freeBase, startPeer } from './peers.ts';

const TIMES = { warmMs: 50, measureMs: 200, restMs: 100, silenceMs: 3_000 };
const SPEC: FlowScenario = {
  kind: 'flow',
  name: 'x',
  publishers: 2,
  subscribers: 2,
  qos: 0,
  payloadBytes: 16,
  window: 100,
  layout: 'one-topic',
};

/** A server that accepts everybody and never says a word. */
class HangingPeer implements Contender, MqttTarget {
  readonly name = 'hanging';
  readonly isOurs = false;
  readonly username = null;
  readonly password = null;
  restarts = 0;
  port = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
    });
  }
  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }
  cpuMicros(): number {
    return 0;
  }
  async restart(): Promise<void> {
    this.restarts++;
  }
  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

it('measures on when a peer hangs, and says so where its numbers would be', { timeout: 120_000 }, async () => {
  const hanging = await new HangingPeer().listen();
  const robustmq = await startPeer('robustmq', await freeBase(12_100));
  ends.push(
    () => hanging.stop(),
    () => robustmq.stop(),
  );
  const said: string[] = [];
  const results = await alternate<HangingPeer | typeof robustmq, { deliveriesPerSecond: number }>(
    [hanging, robustmq],
    2,
    (peer) => runFlow(peer, SPEC, { ...TIMES, answerMs: peer === hanging ? 300 : 30_000 }),
    (line) => said.push(line),
  );
  expect(results[0]).toBe('n/a (no answer in 0.3 s)');
  expect(results[1]).toHaveLength(2);
  expect((results[1] as { deliveriesPerSecond: number }[])[0]!.deliveriesPerSecond).toBeGreaterThan(0);
  expect(hanging.restarts).toBe(2);
  expect(said).toEqual([
    'hanging: no answer in 0.3 s; started again',
    'hanging: no answer in 0.3 s; not measured here',
  ]);
});

it('gives a peer that comes back all its rounds', async () => {
  let calls = 0;
  const peer = { name: 'theirs', isOurs: false, restart: () => Promise.resolve() };
  const run = async (): Promise<number> => {
    calls++;
    if (calls === 2) throw new PeerFailure('theirs', 'x: nothing was delivered');
    return calls;
  };
  expect(await alternate([peer], 3, run, () => undefined)).toEqual([[1, 3, 4]]);
});

it('gives up a peer that does not start again, and ends when our own server fails', async () => {
  const dead = { name: 'theirs', isOurs: false, restart: () => Promise.reject(new Error('did not start')) };
  const fail = (): Promise<never> => Promise.reject(new Error('boom'));
  expect(await alternate([dead], 3, fail, () => undefined)).toEqual(['n/a (did not start)']);
  const ours = { name: 'robustmq', isOurs: true, restart: () => Promise.resolve() };
  await expect(alternate([ours], 3, fail, () => undefined)).rejects.toThrow('boom');
});

it('measures a peer again that was only slow without starting it again', async () => {
  let calls = 0;
  let restarts = 0;
  const peer = { name: 'theirs', isOurs: false, restart: () => Promise.resolve(void restarts++) };
  const run = async (): Promise<number> => {
    if (++calls === 1) throw new PeerFailure('theirs', 'it kept 3 % of the rate', { isSlowness: true });
    return calls;
  };
  expect(await alternate([peer], 1, run, () => undefined)).toEqual([[2]]);
  expect(restarts).toBe(0);
});
