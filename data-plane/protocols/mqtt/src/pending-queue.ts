import type { ProtocolUsage } from '@robustmq/broker';
import type { InFlight, ExchangeState } from './in-flight.ts';
import type { Output } from './output.ts';
import { copyBytes } from './publish-encoder.ts';

/** Encoded PUBLISH packets with packet ids to be filled in; parallel arrays, one entry per packet. */
export interface PendingPackets {
  readonly bytes: Buffer;
  /** Where each packet begins; one entry more than packets. */
  readonly starts: Int32Array;
  readonly packetIdAt: Int32Array;
  /** Topic + payload + user properties of each, for the usage counters. */
  readonly contentBytes: Int32Array;
  readonly state: ExchangeState;
  /** When all of them expire, ms since the epoch; Infinity = never. Messages that expire are queued one by one. */
  readonly expiresAtMs: number;
  /** Where the Message Expiry Interval to rewrite lies, −1 = nowhere. */
  readonly expiryAt: number;
  /** Where they are counted by topic once they are sent; null = nowhere. */
  readonly topicShare: ProtocolUsage | null;
  next: number;
}

export interface Sent {
  messages: number;
  contentBytes: number;
}

/** QoS 1 and 2 messages that wait for the in-flight window of a session without an inbox, in order. */
export class PendingQueue {
  messages = 0;
  bytes = 0;
  #packets: PendingPackets[] = [];
  #head = 0;

  add(packets: PendingPackets): void {
    this.#packets.push(packets);
    this.messages += packets.starts.length - 1;
    this.bytes += packets.bytes.length;
  }

  /** Moves packets to `output` until `window` exchanges are open or nothing waits. */
  send(output: Output, inFlight: InFlight, window: number, nowMs: number): Sent {
    const sent: Sent = { messages: 0, contentBytes: 0 };
    while (this.#head < this.#packets.length && inFlight.open < window) {
      const packets = this.#packets[this.#head]!;
      const count = packets.starts.length - 1;
      if (packets.expiresAtMs <= nowMs) {
        this.messages -= count - packets.next;
        packets.next = count;
      }
      while (packets.next < count && inFlight.open < window && inFlight.fits(inFlight.next)) {
        this.#sendOne(packets, output, inFlight, nowMs);
        const contentBytes = packets.contentBytes[packets.next]!;
        sent.messages++;
        sent.contentBytes += contentBytes;
        if (packets.topicShare !== null) {
          packets.topicShare.messagesOut++;
          packets.topicShare.bytesOut += contentBytes;
        }
        packets.next++;
        this.messages--;
      }
      if (packets.next < count) break;
      this.#head++;
      this.bytes -= packets.bytes.length;
    }
    if (this.#head * 2 >= this.#packets.length) {
      this.#packets.splice(0, this.#head);
      this.#head = 0;
    }
    return sent;
  }

  #sendOne(packets: PendingPackets, output: Output, inFlight: InFlight, nowMs: number): void {
    const start = packets.starts[packets.next]!;
    const end = packets.starts[packets.next + 1]!;
    const at = output.reserve(end - start);
    const { buffer } = output;
    copyBytes(packets.bytes, start, end, buffer, at);
    const id = inFlight.begin(inFlight.next, packets.state);
    const idAt = at + packets.packetIdAt[packets.next]! - start;
    buffer[idAt] = id >>> 8;
    buffer[idAt + 1] = id;
    // [MQTT-3.3.2-6]: what is left of the interval
    if (packets.expiryAt >= 0) {
      buffer.writeUInt32BE(Math.ceil((packets.expiresAtMs - nowMs) / 1000), at + packets.expiryAt - start);
    }
  }
}
