/** Delivery promise asked for by a publisher or a subscriber: at most once, at least once, exactly once. */
export type QoS = 0 | 1 | 2;

/** What travels beside the payload, in the terms of design.md §4 (table "MQTT 5 | Kafka | AMQP"). */
export interface MessageProperties {
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** Seconds the message may wait for its reader, counted from its timestamp. */
  readonly expirySeconds?: number;
  /** The publisher says the payload is UTF-8 text. */
  readonly payloadIsText?: boolean;
  /** User properties (MQTT) = headers (Kafka, AMQP); order and repeats are kept. Values of Kafka may be binary. */
  readonly headers?: readonly (readonly [string, string | Buffer])[];
}

/** One message that owns its bytes: retained, will, inbox entry, or one read back from the journal. */
export interface Message {
  /** Full topic name in slash form, `sensors/1/temp`. */
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: MessageProperties | null;
  /** When the broker took it, milliseconds since the epoch. */
  readonly timestampMs: number;
}
