import type { ProtocolUsage } from './broker-types.ts';
import type { MessageProperties, QoS } from './message.ts';

/**
 * Consecutive messages of one publisher with the same topic, QoS and retain flag, found in one chunk of one socket.
 * It is routed once and copied once per receiver (docs/performance.md, rule 4). One object per protocol server, reused:
 * everything in it, `data` included, is valid only during the call it is passed to.
 */
export class PublishRun {
  /** Buffer that all offsets below point into. */
  data: Buffer = Buffer.alloc(0);
  topicStart = 0;
  topicEnd = 0;
  qos: QoS = 0;
  retain = false;
  /** Messages in the run, at least 1. */
  count = 0;
  payloadStart = new Int32Array(64);
  payloadEnd = new Int32Array(64);
  /** Properties per message; null when no message of the run has any. */
  properties: (MessageProperties | null)[] | null = null;

  /** Where what is written of the run is counted by topic, set while it is handed out; null = nowhere. */
  topicShare: ProtocolUsage | null = null;

  /** Opaque id of the publishing protocol's wire format, 0 = none; equal ids may copy `[wireStart, wireEnd)` as it is. */
  wireFormat = 0;
  wireStart = 0;
  wireEnd = 0;
  /** Where each packet begins in `data`, for the protocol that owns `wireFormat`. */
  packetStart = new Int32Array(64);
  /** Where each packet's own id lies in `data` (−1 = it has none), for the protocol that owns `wireFormat`. */
  packetIdAt = new Int32Array(64);

  /** Makes room for one more message and returns its index. */
  add(): number {
    const index = this.count++;
    if (index === this.payloadStart.length) {
      this.payloadStart = grown(this.payloadStart);
      this.payloadEnd = grown(this.payloadEnd);
      this.packetStart = grown(this.packetStart);
      this.packetIdAt = grown(this.packetIdAt);
    }
    return index;
  }
  /** Empties the run for the next topic. */
  reset(): void {
    this.count = 0;
    this.properties = null;
  }
  topicText(): string {
    return this.data.toString('utf8', this.topicStart, this.topicEnd);
  }
  /** View of message `index`'s payload. */
  payload(index: number): Buffer {
    return this.data.subarray(this.payloadStart[index]!, this.payloadEnd[index]!);
  }
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const next = new Int32Array(array.length * 2);
  next.set(array);
  return next;
}
