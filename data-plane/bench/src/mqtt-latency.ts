import { MqttLoadClient, publishPacket, type Tally } from './mqtt-client.ts';
import { inParts, settled, type MqttTarget, type Times } from './mqtt-flow.ts';
import type { LatencyScenario } from './mqtt-scenarios.ts';
import { PeerFailure } from './peer-failure.ts';

export interface LatencyMeasured {
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly p999Micros: number;
  readonly cpuMicrosPerDelivery: number;
  /** 99.9th percentile of how late the server's event loop was during the run, in ms; null where it does not tell. */
  readonly loopP999Ms: number | null;
}
/** A server that may tell of its event loop. */
export interface LatencyTarget extends MqttTarget {
  loopDelayP999Ms?(): Promise<number | null>;
}

/** Share of the messages of the measured time that must have arrived at its end, or the peer does not keep up. */
const KEPT_MIN = 0.9;

/**
 * Publishes at a steady rate and measures each message from the moment it was due, so that a delay of one is counted for
 * all that wait behind it. The loop of the load never sleeps: it looks at the clock once per turn. Throws PeerFailure, also
 * when messages are lost or the rate is not kept.
 */
export async function runLatency(peer: LatencyTarget, spec: LatencyScenario, times: Times): Promise<LatencyMeasured> {
  const stamp = Math.random().toString(36).slice(2, 8);
  const topic = `bench/${stamp}`;
  const tally: Tally = { received: 0, acknowledged: 0 };
  const clients: MqttLoadClient[] = [];
  const open = async (id: string): Promise<MqttLoadClient> => {
    const client = await MqttLoadClient.open(peer, id, { answerMs: times.answerMs, tally });
    clients.push(client);
    return client;
  };
  try {
    const subscriber = await open(`sub-${stamp}`);
    await subscriber.subscribe(topic, spec.qos);
    const publishers = await inParts(spec.publishers, (index) => open(`pub-${stamp}-${index}`));
    const run = new SteadyRun(spec, topic, publishers);
    subscriber.onMessage = run.arrived;
    await run.go(times.warmMs);
    run.begin();
    await peer.loopDelayP999Ms?.();
    const cpuFrom = peer.cpuMicros();
    await run.go(times.measureMs);
    const [cpu, kept] = [peer.cpuMicros() - cpuFrom, run.count / ((times.measureMs / 1000) * spec.messagesPerSecond)];
    const loopP999Ms = (await peer.loopDelayP999Ms?.()) ?? null;
    if (kept < KEPT_MIN) {
      throw new PeerFailure(peer.name, `it kept ${Math.floor(kept * 100)} % of the rate`, { isSlowness: true });
    }
    await settled(peer, times, () => run.sent - tally.received);
    return { ...run.percentiles(), cpuMicrosPerDelivery: cpu / run.count, loopP999Ms };
  } finally {
    for (const client of clients) client.close();
  }
}

/** Sends what is due, publisher after publisher, and collects how late it arrives. */
class SteadyRun {
  readonly #publishers: readonly MqttLoadClient[];
  readonly #packet: Buffer;
  readonly #idAt: number;
  readonly #payloadAt: number;
  readonly #intervalMs: number;
  #latencies = new Float64Array(1 << 16);
  sent = 0;
  /** Messages that arrived since `begin`. */
  count = 0;

  constructor(spec: LatencyScenario, topic: string, publishers: readonly MqttLoadClient[]) {
    const { bytes, idAt } = publishPacket(topic, spec.payloadBytes, spec.qos);
    this.#publishers = publishers;
    this.#packet = bytes;
    this.#idAt = idAt;
    this.#payloadAt = bytes.length - spec.payloadBytes;
    this.#intervalMs = 1000 / spec.messagesPerSecond;
  }

  readonly arrived = (chunk: Buffer, payloadAt: number): void => {
    if (this.count === this.#latencies.length) {
      const grown = new Float64Array(this.count * 2);
      grown.set(this.#latencies);
      this.#latencies = grown;
    }
    this.#latencies[this.count++] = performance.now() - chunk.readDoubleLE(payloadAt);
  };

  /** What arrived so far does not count. */
  begin(): void {
    this.count = 0;
  }

  /** Sends for `durationMs`. */
  go(durationMs: number): Promise<void> {
    const begun = performance.now();
    const total = Math.floor(durationMs / this.#intervalMs);
    let next = 0;
    return new Promise((resolve) => {
      const turn = (): void => {
        const now = performance.now();
        for (; next < total && begun + next * this.#intervalMs <= now; next++)
          this.#send(begun + next * this.#intervalMs);
        if (next < total) setImmediate(turn);
        else resolve();
      };
      turn();
    });
  }

  #send(dueMs: number): void {
    const bytes = Buffer.from(this.#packet);
    bytes.writeDoubleLE(dueMs, this.#payloadAt);
    // ids repeat after 65535 messages of one publisher: those are long acknowledged
    if (this.#idAt >= 0)
      bytes.writeUInt16BE((Math.floor(this.sent / this.#publishers.length) % 65_535) + 1, this.#idAt);
    this.#publishers[this.sent % this.#publishers.length]!.socket.write(bytes);
    this.sent++;
  }

  percentiles(): Pick<LatencyMeasured, 'p50Micros' | 'p99Micros' | 'p999Micros'> {
    const sorted = this.#latencies.slice(0, this.count).sort();
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 1000;
    return { p50Micros: at(0.5), p99Micros: at(0.99), p999Micros: at(0.999) };
  }
}
