import type { Broker } from '@robustmq/broker';
import type { Cancel, Runtime } from '@robustmq/wire';
import type { MqttLimits } from './limits.ts';
import { MqttRun } from './mqtt-run.ts';
import { SlabPool } from './output.ts';
import { PublishEncoder } from './publish-encoder.ts';

const SCRATCH_BYTES = 64 * 1024;

/** What a connection does once per loop turn. */
export interface Flushable {
  flushTurn(): void;
}

/** A publisher that is not read from because readers are slow. */
export interface WaitsForReaders {
  readersCaughtUp(): void;
}

/** Where clients are sent (MQTT 5 §4.11). */
export interface Redirect {
  /** Server Reference: hosts with optional ports, separated by spaces; null = not told. */
  readonly reference: string | null;
  /** True: 0x9D, the client should remember it; false: 0x9C, for now. */
  readonly permanent: boolean;
}

/** What the connections of one server share; everything reused between packets lives here, once. */
export class ServerContext {
  readonly broker: Broker;
  readonly runtime: Runtime;
  readonly limits: MqttLimits;
  readonly run = new MqttRun();
  readonly encoder = new PublishEncoder();
  readonly slabs = new SlabPool();
  /** Where publishes with a topic alias are written with their topic, so that they can be copied as they are. */
  readonly scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** Messages dropped because their reader was too slow. */
  droppedMessages = 0;
  /** Publishes that the ACL did not allow. */
  refusedMessages = 0;
  /** Set while clients are sent elsewhere. */
  redirect: Redirect | null = null;
  /** Set while a run is published: some receiver of it is slow but not stuck. */
  slowReader = false;
  #waiting: WaitsForReaders[] = [];
  #cancelWait: Cancel | null = null;
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];

  constructor(broker: Broker, runtime: Runtime, limits: MqttLimits) {
    this.broker = broker;
    this.runtime = runtime;
    this.limits = limits;
  }

  /** Has `flushTurn` called at the end of this turn; the connection sees to it that it asks once. */
  afterTurn(connection: Flushable): void {
    if (this.#dirty.push(connection) === 1) this.runtime.afterPoll(this.#flush);
  }

  /** Has `readersCaughtUp` called when some reader has caught up, or after `readerWaitMs`, whichever is first. */
  waitForReaders(publisher: WaitsForReaders): void {
    this.#waiting.push(publisher);
    this.#cancelWait ??= this.runtime.after(this.limits.readerWaitMs, this.readerCaughtUp);
  }

  readonly readerCaughtUp = (): void => {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#cancelWait?.();
    this.#cancelWait = null;
    for (const publisher of waiting) publisher.readersCaughtUp();
  };

  readonly #flush = (): void => {
    const due = this.#dirty;
    this.#dirty = this.#spare;
    for (const connection of due) connection.flushTurn();
    due.length = 0;
    this.#spare = due;
  };
}
