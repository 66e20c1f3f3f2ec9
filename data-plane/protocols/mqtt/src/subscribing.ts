import type { Commit, Refusal, Session } from '@robustmq/broker';
import type { MqttConnection } from './connection.ts';
import { readSubscribe, readUnsubscribe } from './control-packets.ts';
import type { PacketReader } from './packet-reader.ts';
import { putSubscriptionAck } from './packet-writer.ts';
import { later } from './publishing.ts';
import { FAULTS, MqttFault, REFUSAL_REASONS } from './reason-codes.ts';
import { isGroupFilter, isTopicFilter } from './topic-names.ts';

const SUBACK = 0x90;
const UNSUBACK = 0xb0;
const FAILURE = 0x80;
const NO_SUBSCRIPTION_EXISTED = 0x11;
/** Bytes of a SUBACK of MQTT 5 around its codes, at most. */
const ACK_OVERHEAD_BYTES = 8;

/** SUBSCRIBE: every filter gets its own code [MQTT-3.9.3-1]; the SUBACK waits for what was stored, retained messages for it. */
export function subscribe(connection: MqttConnection, session: Session, body: PacketReader): void {
  const { version, delivery, context } = connection;
  const { packetId, filters } = readSubscribe(body, version);
  if (filters.some(({ filter, options }) => options.noLocal && isGroupFilter(filter))) {
    throw new MqttFault('protocol-error', 'no-local on a shared subscription'); // [MQTT-3.8.3-4]
  }
  const codes = new Uint8Array(filters.length);
  const fail = (reason: number): number => (version === 5 ? reason : FAILURE);
  let commit: Commit | null = null;
  delivery.holdRetained();
  for (const [index, { filter, options }] of filters.entries()) {
    if (index >= context.limits.filtersPerPacketMax) codes[index] = fail(FAULTS['quota-exceeded'].v5);
    else if (!isTopicFilter(filter)) codes[index] = fail(FAULTS['topic-filter-invalid'].v5);
    else {
      const outcome = session.subscribe(filter, options);
      if (outcome.refusal === null) {
        codes[index] = outcome.qos;
        commit = later(commit, outcome.commit);
      } else {
        codes[index] = fail(REFUSAL_REASONS[outcome.refusal.refused].subscribe);
        refused(connection, outcome.refusal, filter);
      }
    }
  }
  afterCommit(connection, commit, (error) => {
    if (error !== null) codes.fill(FAILURE);
    if (answer(connection, SUBACK, packetId, codes)) delivery.releaseRetained();
  });
}

/** UNSUBSCRIBE [MQTT-3.10.4-4]. */
export function unsubscribe(connection: MqttConnection, session: Session, body: PacketReader): void {
  const { version, context } = connection;
  const { packetId, filters } = readUnsubscribe(body, version);
  const codes = new Uint8Array(filters.length);
  let commit: Commit | null = null;
  for (const [index, filter] of filters.entries()) {
    if (index >= context.limits.filtersPerPacketMax) {
      throw new MqttFault('quota-exceeded', 'more filters than one packet may have');
    }
    if (!isTopicFilter(filter)) codes[index] = FAULTS['topic-filter-invalid'].v5;
    else {
      const outcome = session.unsubscribe(filter);
      codes[index] = outcome.existed ? 0 : NO_SUBSCRIPTION_EXISTED;
      commit = later(commit, outcome.commit);
    }
  }
  afterCommit(connection, commit, (error) => {
    if (error !== null) codes.fill(FAILURE);
    answer(connection, UNSUBACK, packetId, codes);
  });
}

/** False: the client would not take the packet [MQTT-3.1.2-24], and without an answer it cannot go on. */
function answer(
  connection: MqttConnection,
  type: typeof SUBACK | typeof UNSUBACK,
  packetId: number,
  codes: Uint8Array,
): boolean {
  const max = connection.clientPacketSizeMax;
  if (max > 0 && codes.length + ACK_OVERHEAD_BYTES > max) {
    connection.fail('packet-too-large', 'the client takes no packet as large as the answer to its filters');
    return false;
  }
  putSubscriptionAck(connection.output, type, connection.version, packetId, codes);
  connection.markDirty();
  return true;
}

/** Runs once what was stored is stable, unless the connection has ended by then. */
function afterCommit(connection: MqttConnection, commit: Commit | null, run: (error: Error | null) => void): void {
  if (commit === null) run(null);
  else
    commit.onSettled((error) => {
      if (connection.open) run(error);
    });
}

function refused(connection: MqttConnection, refusal: Refusal, filter: string): void {
  connection.context.broker.clientEvent({
    namespace: connection.namespace.id,
    protocol: 'mqtt',
    remoteAddress: connection.transport.remoteAddress,
    clientId: connection.session.clientId,
    stage: 'subscribe',
    code: refusal.refused,
    detail: `${filter}: ${refusal.message}`,
  });
}
