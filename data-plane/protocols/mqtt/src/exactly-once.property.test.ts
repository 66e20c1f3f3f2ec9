import fc from 'fast-check';
import type { IPublishPacket, Packet, QoS } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import type { FakeClient } from './testing/fake-client.ts';
import { setUp } from './testing/set-up.ts';

type Step = { publish: QoS } | { answer: number } | { cut: true } | { lose: true };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ publish: fc.constantFrom<QoS[]>(1, 2) }) },
  { weight: 6, arbitrary: fc.record({ answer: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ cut: true }) },
  { weight: 1, arbitrary: fc.constant<Step>({ lose: true }) },
);

/** A client as the specification wants it, that answers when told to, and keeps its QoS 2 state over reconnects. */
class Reader {
  readonly seen: { qos: QoS; payload: string; dup: boolean }[] = [];
  readonly #received = new Set<number>();
  #answers: Packet[] = [];

  read(packets: Packet[]): void {
    for (const packet of packets) {
      const messageId = packet.messageId!;
      if (packet.cmd === 'publish') this.#publish(packet, messageId);
      else if (packet.cmd === 'pubrel') {
        this.#received.delete(messageId);
        this.#answers.push({ cmd: 'pubcomp', messageId });
      } else throw new Error(`unexpected ${packet.cmd}`);
    }
  }
  #publish(packet: IPublishPacket, messageId: number): void {
    const { qos, dup } = packet;
    if (qos === 1 || !this.#received.has(messageId)) this.seen.push({ qos, payload: String(packet.payload), dup });
    if (qos === 2) this.#received.add(messageId);
    this.#answers.push({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId });
  }
  answer(client: FakeClient, count: number): void {
    const answers = this.#answers.splice(0, count);
    if (answers.length > 0) this.read(client.send(...answers));
  }
  get answersDue(): number {
    return this.#answers.length;
  }
  forgetAnswers(): void {
    this.#answers = [];
  }
}

describe('[MQTT-4.4.0-1] a persistent session over connections that break anywhere', () => {
  it('loses nothing, delivers QoS 2 once, and keeps the order of what was not sent before', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), (steps, receiveMaximum) => {
        const { join } = setUp();
        const properties = { sessionExpiryInterval: 1000, receiveMaximum };
        const enter = () => join({ version: 5, clientId: 'p', clean: false, properties });
        const writer = join({ version: 4 });
        let client = enter();
        client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 2 }] });
        const reader = new Reader();
        const sent: { qos: QoS; payload: string }[] = [];
        const reconnect = (): void => {
          client.cut();
          reader.forgetAnswers();
          client = enter();
          reader.read(client.take());
        };
        for (const s of steps) {
          if ('publish' in s) {
            const payload = `${sent.length}`;
            sent.push({ qos: s.publish, payload });
            writer.send({
              cmd: 'publish',
              topic: 't',
              payload,
              qos: s.publish,
              messageId: sent.length,
              dup: false,
              retain: false,
            });
            if (s.publish === 2) writer.send({ cmd: 'pubrel', messageId: sent.length });
            reader.read(client.take());
          } else if ('answer' in s) reader.answer(client, s.answer);
          else if ('cut' in s) reconnect();
          else {
            client.take(); // on the wire when the network went
            reconnect();
          }
        }
        while (reader.answersDue > 0) reader.answer(client, 10);
        expect(new Set(reader.seen.map((m) => m.payload))).toEqual(new Set(sent.map((m) => m.payload)));
        const twice = reader.seen.filter((m) => m.qos === 2).map((m) => m.payload);
        expect(twice).toEqual(sent.filter((m) => m.qos === 2).map((m) => m.payload));
        const fresh = reader.seen.filter((m) => !m.dup).map((m) => Number(m.payload));
        expect(fresh).toEqual([...fresh].sort((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });
});
