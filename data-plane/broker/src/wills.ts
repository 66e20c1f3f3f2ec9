import type { Stream } from '@robustmq/journal';
import { WireError, Writer, type Runtime } from '@robustmq/wire';
import type { BatchSealer } from './batch-sealer.ts';
import { KeyedStream, replayRecords } from './keyed-stream.ts';
import { toHeaders } from './message-record.ts';
import type { Message } from './message.ts';
import { readStamped, writeStamped } from './stored-message.ts';

/** What a connection asked to have published when it is lost (MQTT 5 §3.1.2.5). */
export interface Will {
  readonly message: Message;
  readonly delaySeconds: number;
}

/**
 * The wills of a namespace that are neither published nor forgotten, by client id: a map, and a keyed stream it is
 * rebuilt from, so that a process that dies still owes them. A will is stable one flush after CONNECT; nobody waits for it.
 * It is forgotten in the turn that publishes it, behind its message: a crash in between publishes it twice, never not.
 *
 * Value: see stored-message.ts; the number beside the message is the delay in seconds.
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
      try {
        if (value === null || value.length === 0) wills.#wills.delete(clientId);
        else {
          const { message, at } = readStamped(value, record);
          wills.#wills.set(clientId, { message, delaySeconds: at });
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
    writeStamped(w, message, delaySeconds);
    this.#keyed.put(Buffer.from(clientId), w.view(), toHeaders(message.properties), message.timestampMs);
  }
}
