import { afterEach, expect, it } from 'vitest';
import { LAUNCHES, type Launch } from './launches.ts';
import { benchMqtt, startOrReason } from './mqtt-bench.ts';
import { runFlow, settled, type MqttTarget } from './mqtt-flow.ts';
import { runDrain } from './mqtt-drain.ts';
import { runIdle, runStorm } from './mqtt-connections.ts';
import { runLatency } from './mqtt-latency.ts';
import { MQTT_SCENARIOS, type FlowScenario } from './mqtt-scenarios.ts';
import { connectionTable, flowTable, latencyTable } from './mqtt-tables.ts';
import { freeBase, startPeer, type Peer } from './peers.ts';

const TIMES = { warmMs: 50, measureMs: 200, answerMs: 30_000, restMs: 100, silenceMs: 500 };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const absent: Launch = (request) => ({ ...LAUNCHES['mosquitto']!(request), command: '/usr/sbin/not-on-this-machine' });

it('says in its column that a peer is not installed, and measures the others', { timeout: 120_000 }, async () => {
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  const start: typeof startPeer = (name, port, options) => startPeer(name, port, { ...options, launch: absent });
  expect(await startOrReason('mosquitto', false, { say }, start)).toBe('n/a (not-on-this-machine is not installed)');
  expect(said).toEqual(['mosquitto: not-on-this-machine is not installed']);
  await expect(startOrReason('robustmq', false, { say }, start)).rejects.toThrow('is not installed');
});

it('refuses a peer nobody knows', async () => {
  const options = { rounds: 1, times: TIMES, only: [], peers: ['emqx'], say: () => undefined };
  await expect(benchMqtt(options)).rejects.toThrow('no peer emqx: there are robustmq, ');
});

it('measures every kind of row against our own server, with nothing lost', { timeout: 240_000 }, async () => {
  const peer = await startPeer('robustmq', await freeBase(12_100));
  ends.push(() => peer.stop());
  const idle = await runIdle(peer, { kind: 'idle', name: 'idle', connections: 20, tls: false }, TIMES);
  expect(idle.baseKib).toBeGreaterThan(0);
  const flows = MQTT_SCENARIOS.filter((spec) => spec.kind === 'flow').map((spec): FlowScenario => {
    return { ...spec, publishers: Math.min(spec.publishers, 4), subscribers: Math.min(spec.subscribers, 4) };
  });
  for (const layout of ['one-topic', 'paired', 'shared'] as const) {
    for (const qos of [0, 1, 2] as const) {
      const spec = flows.find((one) => one.layout === layout && one.qos === qos) ?? { ...flows[0]!, layout, qos };
      expect((await runFlow(peer, spec, TIMES)).deliveriesPerSecond).toBeGreaterThan(0);
    }
  }
  const drain = await runDrain(peer, { kind: 'drain', name: 'drain', messages: 300, payloadBytes: 64 }, TIMES);
  expect(drain.deliveriesPerSecond).toBeGreaterThan(0);
  const storm = await runStorm(peer, { kind: 'storm', name: 'storm', concurrency: 4 }, TIMES);
  expect(storm.connectionsPerSecond).toBeGreaterThan(0);
  const steady = {
    kind: 'latency',
    name: 'steady',
    publishers: 3,
    qos: 1,
    payloadBytes: 64,
    messagesPerSecond: 50,
  } as const;
  const latency = await runLatency(peer, steady, { ...TIMES, measureMs: 400 }).catch((error: Error) => error.message);
  // a machine that is busy with other tests may be late, and then says so
  if (typeof latency === 'string') expect(latency).toMatch(/kept \d+ % of the rate/);
  else expect(latency.loopP999Ms).not.toBeNull();
});

it('has the idle row for a server with TLS', { timeout: 120_000 }, async () => {
  const peer: Peer = await startPeer('robustmq', await freeBase(12_100), { tls: true });
  ends.push(() => peer.stop());
  const idle = await runIdle(peer, { kind: 'idle', name: 'idle', connections: 5, tls: true }, TIMES);
  expect(idle.baseKib).toBeGreaterThan(0);
});

it('has no figure for a run in which messages are lost or come twice', { timeout: 60_000 }, async () => {
  const peer = { name: 'theirs' } as MqttTarget;
  await expect(settled(peer, TIMES, () => 7)).rejects.toThrow('theirs: it lost 7 deliveries');
  await expect(settled(peer, TIMES, () => -2)).rejects.toThrow('theirs: it made 2 deliveries too many');
  await settled(peer, TIMES, () => 0);
});

it('shows ratios of pairs, and reasons where there is no figure', () => {
  const columns = [
    { name: 'robustmq', title: 'RobustMQ' },
    { name: 'theirs', title: 'theirs' },
    { name: 'gone', title: 'gone' },
  ];
  const run = (deliveriesPerSecond: number, cpuMicrosPerDelivery: number) => {
    return { deliveriesPerSecond, cpuMicrosPerDelivery, cores: 1 };
  };
  const spec = MQTT_SCENARIOS.find((one) => one.kind === 'flow')!;
  const results = new Map<string, unknown>([
    ['robustmq', [run(2000, 5), run(4000, 5), run(3000, 5)]],
    ['theirs', [run(1000, 20), run(1000, 20), run(1000, 20)]],
    ['gone', 'n/a (gone is not installed)'],
  ]);
  const row = { spec, results } as unknown as Parameters<typeof flowTable>[1][number];
  const line = flowTable(columns, [row]).split('\n').at(-1);
  expect(line).toBe(`| ${spec.name} | 3.0k (5.00) | 1.0k (20.00) **×3.00** ×4.00 | n/a (gone is not installed) |`);
  expect(latencyTable(columns, [row])).toBe('');
  expect(connectionTable(columns, [row])).toBe('');
});
