import { config, CrashingStore, settled, TestNode } from '@robustmq/broker/testing';
import fc from 'fast-check';
import type { QoS } from 'mqtt-packet';
import { expect, it } from 'vitest';
import { MqttServer } from './mqtt-server.ts';
import { PersistentClient } from './testing/faulty-link.ts';
import { TimedRuntime } from './testing/real-world.ts';

/** `MQTT_ROUNDS=5000 MQTT_SEED=7` for longer runs. */
const ROUNDS = Number(process.env['MQTT_ROUNDS'] ?? 200);
const SEED = Number(process.env['MQTT_SEED'] ?? 20_261_122);
const QUIET_ROUNDS_MAX = 300;
const ALL = 1 << 20;

/** `client`: its index; `bytes`: at most so many; `turns`: of the loop between what goes up and what comes down. */
type Step =
  | {
      readonly kind: 'publish';
      readonly client: number;
      readonly topic: string;
      readonly qos: QoS;
      readonly count: number;
    }
  | { readonly kind: 'up'; readonly client: number; readonly bytes: number }
  | { readonly kind: 'down'; readonly client: number; readonly bytes: number }
  | { readonly kind: 'connect'; readonly client: number }
  | { readonly kind: 'cut'; readonly client: number }
  | { readonly kind: 'flow'; readonly turns: number }
  | { readonly kind: 'settle' }
  | { readonly kind: 'crash'; readonly kept: number };

const CLIENTS = 4;
const client = fc.nat(CLIENTS - 1);
const bytes = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant(ALL));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      client: fc.nat(1),
      topic: fc.constantFrom('sensors/1', 'live/1', 'sensors/2'),
      qos: fc.constantFrom<QoS[]>(1, 2),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('up' as const), client, bytes }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('down' as const), client, bytes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('connect' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), client }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('flow' as const), turns: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'settle' }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), kept: fc.nat(4) }) },
);

/** Two publishers and two subscribers, of both versions, around one server that dies now and then. */
class Round {
  readonly clients = [
    new PersistentClient('p4', 4, null),
    new PersistentClient('p5', 5, null),
    new PersistentClient('s4', 4, '#'),
    new PersistentClient('s5', 5, '+/1'),
  ];
  readonly published: { payload: string; publisher: number; topic: string; qos: QoS }[] = [];
  #store = new CrashingStore();
  #node!: TestNode;
  #server!: MqttServer;

  async start(): Promise<void> {
    this.#node = await TestNode.start(this.#store, new TimedRuntime());
    await this.#node.broker.applyNamespace(config({ topics: [{ name: 'sensors', partitions: 1 }] }));
    this.#server = new MqttServer({ broker: this.#node.broker, runtime: this.#node.runtime });
    await this.becomeQuiet(); // everybody has a session and a subscription that are stable
  }
  async take(one: Step): Promise<void> {
    if (one.kind === 'flow') await this.#flow(one.turns);
    else if (one.kind === 'settle') await settled(this.#node);
    else if (one.kind === 'crash') await this.crash(one.kept);
    else {
      const who = this.clients[one.client]!;
      if (one.kind === 'connect') who.connect(this.#server);
      else if (one.kind === 'cut') who.cut();
      else if (one.kind === 'up') who.up(one.bytes);
      else if (one.kind === 'down') who.down(one.bytes);
      else
        for (let i = 0; i < one.count; i++) {
          const payload = `${this.published.length}`;
          this.published.push({ payload, publisher: one.client, topic: one.topic, qos: one.qos });
          who.publish(one.topic, payload, one.qos);
        }
    }
  }
  /** Everybody is there, and all that is on its way arrives; less turns than a flush takes are a window for a crash. */
  async #flow(turns: number): Promise<void> {
    for (const one of this.clients) {
      one.connect(this.#server);
      one.up(ALL);
    }
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    for (const one of this.clients) one.down(ALL);
  }
  /** The process dies; `kept` chunks of what was not flushed survive. */
  async crash(kept: number): Promise<void> {
    for (const one of this.clients) one.lose();
    this.#store = await this.#store.crash((chunks) => Math.min(kept, chunks));
    this.#node = await TestNode.start(this.#store, new TimedRuntime());
    this.#server = new MqttServer({ broker: this.#node.broker, runtime: this.#node.runtime });
  }
  /** No more faults: runs until nobody has anything to say. */
  async becomeQuiet(): Promise<void> {
    let quiet = 0;
    for (let i = 0; i < QUIET_ROUNDS_MAX && quiet < 3; i++) {
      for (const one of this.clients) {
        one.connect(this.#server);
        one.up(ALL);
      }
      await settled(this.#node);
      for (const one of this.clients) one.down(ALL);
      quiet = this.clients.every((one) => one.isDone) ? quiet + 1 : 0;
    }
    expect(quiet, 'everybody gets done').toBe(3);
  }
  check(): void {
    expect(this.clients.map(({ wasForgotten }) => wasForgotten)).toEqual([false, false, false, false]);
    for (const [index, filter] of [
      [2, /^/],
      [3, /\/1$/],
    ] as const) {
      const { got } = this.clients[index]!;
      const owed = this.published.filter(({ topic }) => filter.test(topic));
      expect(new Set(got.map(({ payload }) => payload))).toEqual(new Set(owed.map(({ payload }) => payload)));
      const twice = owed.filter(({ qos }) => qos === 2).map(({ payload }) => payload);
      for (const payload of twice) {
        expect(
          got.filter((one) => one.payload === payload),
          `${payload} once`,
        ).toHaveLength(1);
      }
      this.#checkOrder(got);
    }
  }
  /** First deliveries of one publisher, topic and QoS come in their order [MQTT-4.6.0-5]. */
  #checkOrder(got: readonly { readonly payload: string }[]): void {
    const first = [...new Set(got.map(({ payload }) => payload))];
    const lanes = new Map<string, number[]>();
    for (const payload of first) {
      const { publisher, topic, qos } = this.published[Number(payload)]!;
      const lane = `${publisher} ${topic} ${qos}`;
      lanes.set(lane, [...(lanes.get(lane) ?? []), Number(payload)]);
    }
    for (const [lane, numbers] of lanes) expect(numbers, lane).toEqual([...numbers].sort((a, b) => a - b));
  }
}

it(
  '[MQTT-4.3.2-3] [MQTT-4.3.3-5] [MQTT3-4.3.2-2] [MQTT3-4.3.3-2] crashes of the server and a network that breaks ' +
    `anywhere: QoS 1 at least once, QoS 2 exactly once, in order (seed ${SEED})`,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
        const round = new Round();
        await round.start();
        for (const one of steps) await round.take(one);
        await round.becomeQuiet();
        round.check();
        await round.crash(0);
        await round.becomeQuiet();
        round.check();
      }),
      { seed: SEED, numRuns: ROUNDS },
    );
  },
  Math.max(120_000, ROUNDS * 200),
);
