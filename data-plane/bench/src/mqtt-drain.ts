import { MqttLoadClient, publishPacket, type Tally } from './mqtt-client.ts';
import { pause, settled, type FlowMeasured, type MqttTarget, type Times } from './mqtt-flow.ts';
import type { DrainScenario } from './mqtt-scenarios.ts';
import { PeerFailure } from './peer-failure.ts';

/** Messages that wait for their PUBACK while the inbox is filled. */
const WINDOW = 500;
const LOOK_MS = 5;
/** As much of the messages is drained before, uncounted. */
const WARM_SHARE = 0.2;
const FILL_MS_MAX = 30_000;

/**
 * A persistent session subscribes and goes; `messages` QoS 1 messages are published and acknowledged; it comes back and
 * takes them. Measured from its CONNECT to the last message. Throws PeerFailure, also when a message is lost.
 */
export async function runDrain(peer: MqttTarget, spec: DrainScenario, times: Times): Promise<FlowMeasured> {
  await drain(peer, { ...spec, messages: Math.ceil(spec.messages * WARM_SHARE) }, times);
  return drain(peer, spec, times);
}

async function drain(peer: MqttTarget, spec: DrainScenario, times: Times): Promise<FlowMeasured> {
  const { answerMs } = times;
  const stamp = Math.random().toString(36).slice(2, 8);
  const [topic, id] = [`bench/${stamp}`, `away-${stamp}`];
  const away = await MqttLoadClient.open(peer, id, { answerMs, cleanSession: false });
  try {
    await away.subscribe(topic, 1);
    away.end();
    await fill(peer, spec, topic, answerMs);
    const tally: Tally = { received: 0, acknowledged: 0 };
    const [cpuFrom, at] = [peer.cpuMicros(), performance.now()];
    const back = await MqttLoadClient.open(peer, id, { answerMs, cleanSession: false, tally });
    let lastAt = at;
    back.onProgress = () => {
      lastAt = performance.now();
    };
    try {
      await settled(peer, times, () => spec.messages - tally.received);
      const [cpu, seconds] = [peer.cpuMicros() - cpuFrom, (lastAt - at) / 1000];
      const cpuMicrosPerDelivery = cpu / spec.messages;
      return { deliveriesPerSecond: spec.messages / seconds, cpuMicrosPerDelivery, cores: cpu / 1e6 / seconds };
    } finally {
      await pause(LOOK_MS); // its last acknowledgements are on their way
      back.end();
    }
  } finally {
    away.close();
    // a clean session of that name leaves nothing behind
    const last = await MqttLoadClient.open(peer, id, { answerMs });
    last.end();
  }
}

async function fill(peer: MqttTarget, spec: DrainScenario, topic: string, answerMs: number): Promise<void> {
  const publisher = await MqttLoadClient.open(peer, `fill-${topic.slice(6)}`, { answerMs });
  const { bytes, idAt } = publishPacket(topic, spec.payloadBytes, 1);
  const begun = performance.now();
  try {
    for (let sent = 0; publisher.acknowledged < spec.messages;) {
      const room = Math.min(WINDOW - (sent - publisher.acknowledged), spec.messages - sent);
      if (room > 0) {
        const block = Buffer.concat(Array.from({ length: room }, () => bytes));
        for (let i = 0; i < room; i++) block.writeUInt16BE(((sent + i) % 65_535) + 1, i * bytes.length + idAt);
        publisher.socket.write(block);
        sent += room;
      } else await pause(1);
      if (performance.now() - begun > FILL_MS_MAX) throw new PeerFailure(peer.name, 'it did not acknowledge in time');
    }
  } finally {
    publisher.end();
  }
}
