import type { Broker } from '@robustmq/broker';
import type { Runtime } from '@robustmq/wire';
import type { MqttLimits } from './limits.ts';
import { MqttRun } from './mqtt-run.ts';
import { SlabPool } from './output.ts';
import { PublishEncoder } from './publish-encoder.ts';

const SCRATCH_BYTES = 64 * 1024;

/** What a connection does once per loop turn. */
export interface Flushable {
  flushTurn(): void;
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

  readonly #flush = (): void => {
    const due = this.#dirty;
    this.#dirty = this.#spare;
    for (const connection of due) connection.flushTurn();
    due.length = 0;
    this.#spare = due;
  };
}
