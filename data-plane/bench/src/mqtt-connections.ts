import { connect, type Socket } from 'node:net';
import { connectPacket, MqttLoadClient } from './mqtt-client.ts';
import { inParts, pause, type MqttTarget, type Times } from './mqtt-flow.ts';
import type { IdleScenario, StormScenario } from './mqtt-scenarios.ts';
import { PeerFailure } from './peer-failure.ts';

export interface StormMeasured {
  readonly connectionsPerSecond: number;
  readonly cpuMicrosPerConnection: number;
}
export interface IdleMeasured {
  /** Resident memory of the fresh process, in KiB. */
  readonly baseKib: number;
  readonly bytesPerConnection: number;
}
/** A server whose memory can be told. */
export interface MemoryTarget extends MqttTarget {
  /** Resident memory in KiB. */
  rssKib(): number;
}

const DISCONNECT = Buffer.from([0xe0, 0]);
const CONNACK_BYTES = 4;

/** Clients that connect, log in, say DISCONNECT and close, `concurrency` at a time. Throws PeerFailure. */
export async function runStorm(peer: MqttTarget, spec: StormScenario, times: Times): Promise<StormMeasured> {
  const stamp = Math.random().toString(36).slice(2, 8);
  const open = new Set<Socket>();
  let connected = 0;
  let serial = 0;
  let running = true;
  const storm = new Promise<never>((_, reject) => {
    const one = (): void => {
      if (!running) return;
      const socket = connect(peer.port, '127.0.0.1');
      open.add(socket);
      // what is written before the connection stands goes with it
      socket.write(connectPacket(`storm-${stamp}-${serial++}`, peer.username, peer.password, true));
      const fail = (why: string): void => {
        if (running) reject(new PeerFailure(peer.name, why));
      };
      let isIn = false;
      socket.setTimeout(times.answerMs, () => fail(`no answer in ${times.answerMs / 1000} s`));
      socket.once('data', (bytes: Buffer) => {
        isIn = bytes.length === CONNACK_BYTES && bytes[3] === 0;
        if (!isIn) return fail('it refused a connection');
        connected++;
        socket.end(DISCONNECT);
        one();
      });
      socket.once('error', (error) => {
        if (!isIn) fail(error.message);
      });
      socket.once('close', () => {
        open.delete(socket);
        if (!isIn) fail('it closed a connection');
      });
      // a FIN is only seen by a socket that is read
      socket.resume();
    };
    for (let i = 0; i < spec.concurrency; i++) one();
  });
  const measured = async (): Promise<StormMeasured> => {
    await pause(times.warmMs);
    const [from, cpuFrom, at] = [connected, peer.cpuMicros(), performance.now()];
    await pause(times.measureMs);
    const [count, cpu, seconds] = [connected - from, peer.cpuMicros() - cpuFrom, (performance.now() - at) / 1000];
    if (count === 0) throw new PeerFailure(peer.name, 'nobody was let in');
    return { connectionsPerSecond: count / seconds, cpuMicrosPerConnection: cpu / count };
  };
  try {
    return await Promise.race([storm, measured()]);
  } finally {
    running = false;
    for (const socket of open) socket.destroy();
  }
}

/** Opens connections that subscribe and then say nothing. The peer must be a fresh process. Throws PeerFailure. */
export async function runIdle(
  peer: MemoryTarget,
  spec: IdleScenario,
  { answerMs, restMs }: Times,
): Promise<IdleMeasured> {
  await pause(restMs);
  const baseKib = peer.rssKib();
  const clients: MqttLoadClient[] = [];
  try {
    await inParts(spec.connections, async (index) => {
      const client = await MqttLoadClient.open(peer, `idle-${index}`, { answerMs });
      clients.push(client);
      await client.subscribe(`idle/${index}`, 1);
    });
    await pause(restMs);
    return { baseKib, bytesPerConnection: ((peer.rssKib() - baseKib) * 1024) / spec.connections };
  } finally {
    for (const client of clients) client.close();
  }
}
