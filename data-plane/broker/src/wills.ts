import type { Stream } from '@robustmq/journal';
import { Reader, WireError, Writer, type Runtime } from '@robustmq/wire';
import type { BatchSealer } from './batch-sealer.ts';
import { KeyedStream, replayRecords } from './keyed-stream.ts';
import { fromHeaders, ownedProperties, toHeaders } from './message-record.ts';
import type { Message, QoS } from './message.ts';

/** What a connection asked to have published when it is lost (MQTT 5 §3.1.2.5). */
export interface Will {
  readonly message: Message;
  readonly delaySeconds: number;
}

const QOS_BITS = 3;
const RETAIN_BIT = 4;

/**
 * The wills of a namespace that are neither published nor forgotten, by client id: a map, and a keyed stream it is
 * rebuilt from, so that a process that dies still owes them. A will is stable one flush after CONNECT; nobody waits for it.
 * It is forgotten in the turn that publishes it, behind its message: a crash in between publishes it twice, never not.
 *
 * Value: flags (qos | retain 4) u8 · delaySeconds i64 · topic (uvarint length) · payload; headers are the properties.
 */
export class StoredWills {
  readonly #wills = new Map<string, Will>();
  readonly #keyed: KeyedStream;
  readonly #runtime: Runtime;
  readonly #writer = new Writer();

  private constructor(stream: Stream, sealer: BatchSealer, runtime: Runtime) {
    this.#keyed = new KeyedStream(stream, sealer, runtime);
    this.#runtime = runtime;
  }

  static async recover(stream: Stream, sealer: BatchSealer, runtime: Runtime): Promise<StoredWills> {
    const wills = new StoredWills(stream, sealer, runtime);
    await replayRecords(stream, runtime, (record) => {
      const clientId = record.key()?.toString('utf8');
      if (clientId === undefined) return;
      const value = record.value();
      const headers = record.headers();
      try {
        if (value === null || value.length === 0) wills.#wills.delete(clientId);
        else {
          const will = readWill(value, record.timestampMs);
          const properties = ownedProperties(fromHeaders(headers));
          wills.#wills.set(clientId, { ...will, message: { ...will.message, properties } });
        }
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        runtime.log.error({ stream: stream.name, offset: record.offset, error }, 'a stored will is unreadable');
      }
    });
    return wills;
  }

  get count(): number {
    return this.#wills.size;
  }
  /** All wills by client id. */
  entries(): readonly (readonly [string, Will])[] {
    return [...this.#wills];
  }
  /** Takes the place of the client's earlier will. */
  put(clientId: string, will: Will): void {
    this.#wills.set(clientId, will);
    this.#write(clientId, will);
  }
  /** Forgets the will unless the client has another one by now. */
  forget(clientId: string, will: Will): void {
    if (this.#wills.get(clientId) !== will) return;
    this.#wills.delete(clientId);
    this.#keyed.remove(Buffer.from(clientId), this.#runtime.nowMs());
  }

  /** Bytes held on the medium. */
  get sizeBytes(): number {
    return this.#keyed.sizeBytes;
  }
  /** Housekeeping: see KeyedStream. */
  compact(): void {
    this.#keyed.compact(() => {
      for (const [clientId, will] of this.#wills) this.#write(clientId, will);
    });
  }

  #write(clientId: string, { message, delaySeconds }: Will): void {
    const w = this.#writer;
    w.reset();
    w.u8(message.qos | (message.retain ? RETAIN_BIT : 0)).i64(delaySeconds);
    w.uvarint(Buffer.byteLength(message.topic)).text(message.topic);
    w.bytes(message.payload);
    this.#keyed.put(Buffer.from(clientId), w.view(), toHeaders(message.properties), message.timestampMs);
  }
}

function readWill(value: Buffer, timestampMs: number): Will {
  const r = new Reader(value);
  const flags = r.u8();
  const delaySeconds = r.i64();
  const topic = r.text(r.uvarint());
  const payload = Buffer.from(r.bytes(r.remaining));
  const qos = Math.min(flags & QOS_BITS, 2) as QoS;
  const message = { topic, payload, qos, retain: (flags & RETAIN_BIT) !== 0, properties: null, timestampMs };
  return { message, delaySeconds };
}
