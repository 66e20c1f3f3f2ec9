import type { Broker } from '@robustmq/broker';
import type { Accept, Cancel, Runtime, Transport, TransportHandler } from '@robustmq/wire';
import { ConnectGate } from './connect-gate.ts';
import { MqttConnection } from './connection.ts';
import { MQTT_LIMITS } from './limits.ts';
import type { MqttLimits } from './limits.ts';
import { FAULTS } from './reason-codes.ts';
import { ServerContext } from './server-context.ts';
import type { Redirect } from './server-context.ts';

/** One timer looks at all connections this often, so an end for silence comes up to this much late. */
const SWEEP_PERIOD_MS = 1000;

/** Handler of connections that are closed unread. */
const REFUSED: TransportHandler = { onData() {}, onDrain() {}, onClose() {} };

export interface MqttServerOptions {
  readonly broker: Broker;
  readonly runtime: Runtime;
  readonly limits?: Partial<MqttLimits>;
}

/**
 * MQTT 3.1, 3.1.1 and 5.0 over any transport. Owns its connections; knows no sockets and no threads. A listener (TCP,
 * TLS, WebSocket, QUIC) is given `accept`.
 */
export class MqttServer {
  readonly #context: ServerContext;
  readonly #connections = new Set<MqttConnection>();
  readonly #cancelSweep: Cancel;
  readonly #gate: ConnectGate;
  #closed = false;
  /** Connections closed unread because their address opened too many. */
  refusedConnections = 0;

  constructor(options: MqttServerOptions) {
    this.#context = new ServerContext(options.broker, options.runtime, { ...MQTT_LIMITS, ...options.limits });
    this.#gate = new ConnectGate(options.runtime, this.#context.limits);
    this.#cancelSweep = options.runtime.every(SWEEP_PERIOD_MS, this.#sweep);
  }

  /** Makes the handler of a new transport. */
  readonly accept: Accept = (transport) => {
    if (!this.#gate.opened(transport.remoteAddress)) return this.#refuse(transport);
    const connection = new MqttConnection(this.#context, transport, this.#gate, this.#forget);
    this.#connections.add(connection);
    if (this.#closed) connection.fail('server-shutting-down', FAULTS['server-shutting-down'].text);
    return connection;
  };

  /** Nothing of it is read: that would be work for somebody who has done too much already. */
  #refuse(transport: Transport): TransportHandler {
    this.refusedConnections++;
    // the listener must have its handler before it hears of the end
    this.#context.runtime.afterPoll(() => transport.destroy());
    return REFUSED;
  }

  /** Transports that are not closed yet, admitted or not. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Messages dropped because their reader was too slow, since the start. */
  get droppedMessages(): number {
    return this.#context.droppedMessages;
  }

  /** Publishes that the ACL did not allow, since the start; MQTT 3 clients cannot be told. */
  get refusedMessages(): number {
    return this.#context.refusedMessages;
  }

  /**
   * Sends clients elsewhere: those that are here end with 0x9C or 0x9D and the reference, and so does every CONNECT until
   * `null` takes it back. Sessions stay. MQTT 3 clients are told 3 (unavailable) or nothing.
   */
  redirect(target: Redirect | null): void {
    this.#context.redirect = target;
    if (target === null) return;
    const fault = target.permanent ? 'server-moved' : 'use-another-server';
    for (const connection of this.#connections) if (connection.attached) connection.fail(fault, FAULTS[fault].text);
  }

  /** Tells every MQTT 5 client that the server goes down (0x8B) and ends all connections. Sessions stay. */
  close(): void {
    this.#closed = true;
    this.#cancelSweep();
    for (const connection of this.#connections) {
      connection.fail('server-shutting-down', FAULTS['server-shutting-down'].text);
    }
  }

  readonly #forget = (connection: MqttConnection): void => {
    this.#connections.delete(connection);
  };

  readonly #sweep = (): void => {
    const { limits, runtime } = this.#context;
    const nowMs = runtime.monotonicMs();
    this.#gate.sweep();
    for (const connection of this.#connections) {
      if ((connection.active || connection.pausedByUs) && connection.attached) {
        connection.active = false;
        connection.lastSeenMs = nowMs;
      }
      const silentMs = nowMs - connection.lastSeenMs;
      if (connection.ended) {
        if (silentMs > limits.closeTimeoutMs) connection.transport.destroy();
      } else if (connection.silenceMsMax > 0 && silentMs > connection.silenceMsMax) {
        // [MQTT-3.1.2-22]; before CONNECT there is nobody to tell
        connection.fail('keep-alive-timeout', FAULTS['keep-alive-timeout'].text);
      }
    }
  };
}
