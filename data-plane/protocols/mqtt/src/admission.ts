import type { Admission, Connection, DisconnectReason, Message, Refusal } from '@robustmq/broker';
import type { MqttConnection } from './connection.ts';
import { readConnect, readVersion } from './control-packets.ts';
import type { Connect } from './control-packets.ts';
import { Delivery } from './delivery.ts';
import type { PacketReader } from './packet-reader.ts';
import { putConnack } from './packet-writer.ts';
import type { Properties } from './property-table.ts';
import { FAULTS, MqttFault, REFUSAL_REASONS } from './reason-codes.ts';
import type { FaultCode } from './reason-codes.ts';

const NEVER_EXPIRES = 0xffff_ffff;
const RECEIVE_MAX_DEFAULT = 65_535;
const CLIENT_ID_RANDOM_BYTES = 12;
const KEEP_ALIVE_FACTOR_MS = 1500;
/** Room for topic, properties and headers beside the largest message. */
const PACKET_OVERHEAD_BYTES = 256 * 1024;

/** These are the defaults too: left out for clients that take only small packets [MQTT-3.1.2-24]. */
const AVAILABLE: Properties = {
  wildcardSubscriptionAvailable: 1,
  subscriptionIdentifierAvailable: 1,
  sharedSubscriptionAvailable: 1,
};
const CONNACK_LONG_BYTES = 128;

/** CONNECT: checks it, lets the broker decide, opens the session and answers. Throws `MqttFault`. */
export function admit(connection: MqttConnection, body: PacketReader): void {
  const version = readVersion(body);
  if (version === null) throw new MqttFault('malformed-packet', 'the protocol name is not MQTT');
  if (version === 'unsupported') {
    connection.knownVersion = 4; // the answer every version can read [MQTT-3.1.2-2]
    throw new MqttFault('unsupported-protocol-version');
  }
  connection.knownVersion = version;
  const connect = readConnect(body, version);
  connection.clientPacketSizeMax = connect.properties.maximumPacketSize ?? 0;
  if (connect.properties.authenticationMethod !== undefined) throw new MqttFault('bad-authentication-method');
  const clientId = acceptClientId(connection, connect);
  const admission = connection.context.broker.admit({
    protocol: 'mqtt',
    listener: connection.transport.listener,
    serverName: connection.transport.serverName,
    remoteAddress: connection.transport.remoteAddress,
    username: connect.username,
    password: connect.password,
    clientId,
  });
  if ('refused' in admission) throw refusalFault(admission, null); // the broker has told the tenant
  attach(connection, connect, clientId, admission);
}

/** The client's id, or a new one where it may send none [MQTT-3.1.3-6], 3.1.1 [MQTT-3.1.3-8]. */
function acceptClientId(connection: MqttConnection, connect: Connect): string {
  const { clientId, version, cleanStart } = connect;
  const { limits, runtime } = connection.context;
  if (clientId === '') {
    if (version === 3 || (version === 4 && !cleanStart)) throw new MqttFault('client-identifier-not-valid');
    return `auto-${runtime.randomBytes(CLIENT_ID_RANDOM_BYTES).toString('hex')}`;
  }
  if (Buffer.byteLength(clientId) > limits.clientIdBytesMax) throw new MqttFault('client-identifier-not-valid');
  return clientId;
}

function attach(connection: MqttConnection, connect: Connect, clientId: string, admission: Admission): void {
  const { context, transport } = connection;
  const { namespace, principal } = admission;
  const link = namespace.connect({
    protocol: 'mqtt',
    principal,
    admission,
    clientId,
    remoteAddress: transport.remoteAddress,
    disconnect: (reason) => {
      // the broker must not be called back from here: the end comes with this turn's end
      context.runtime.afterPoll(() =>
        connection.fail(DISCONNECT_FAULTS[reason], FAULTS[DISCONNECT_FAULTS[reason]].text),
      );
    },
  });
  if ('refused' in link) throw refusalFault(link);
  const delivery = new Delivery(connection, {
    v5: connect.version === 5,
    window: connect.properties.receiveMaximum ?? RECEIVE_MAX_DEFAULT,
    packetSizeMax: connection.clientPacketSizeMax,
  });
  const expirySeconds = sessionExpiry(connect);
  const opened = openSession(connection, connect, { link, clientId, delivery, expirySeconds });
  const keepAliveSeconds = Math.min(connect.keepAliveSeconds || Infinity, keepAliveMax(connection, connect));
  connection.attach({
    namespace,
    link,
    session: opened.session,
    delivery,
    clientId,
    connectExpirySeconds: expirySeconds,
  });
  connection.silenceMsMax = Number.isFinite(keepAliveSeconds) ? keepAliveSeconds * KEEP_ALIVE_FACTOR_MS : 0;
  connection.packetSizeMax = packetSizeMax(connection, namespace.messageSizeBytesMax);
  const present = connect.version === 3 ? false : opened.present; // 3.1 has no such flag
  putConnack(connection.output, connect.version, present, 0, connackProperties(connection, connect, clientId));
  connection.markDirty();
  delivery.start(link, opened.session.inbox);
}

function openSession(
  connection: MqttConnection,
  connect: Connect,
  own: { link: Connection; clientId: string; delivery: Delivery; expirySeconds: number },
) {
  const { runtime } = connection.context;
  const opened = own.link.namespace.openSession({
    connection: own.link,
    clientId: own.clientId,
    cleanStart: connect.cleanStart,
    expirySeconds: own.expirySeconds,
    receiver: own.delivery,
    will:
      connect.will === null
        ? null
        : {
            message: { ...connect.will.message, timestampMs: runtime.nowMs() } satisfies Message,
            delaySeconds: connect.will.delaySeconds,
          },
  });
  if ('refused' in opened) {
    own.link.close();
    throw refusalFault(opened);
  }
  return opened;
}

/** Clean session 0 of MQTT 3 is a session without end (MQTT 5 §3.1.2.4, comment). */
function sessionExpiry(connect: Connect): number {
  if (connect.version < 5) return connect.cleanStart ? 0 : Infinity;
  const seconds = connect.properties.sessionExpiryInterval ?? 0;
  return seconds === NEVER_EXPIRES ? Infinity : seconds;
}

/** Only MQTT 5 can be told another keep-alive than it asked for. */
function keepAliveMax(connection: MqttConnection, connect: Connect): number {
  const { keepAliveSecondsMax } = connection.context.limits;
  return connect.version === 5 && keepAliveSecondsMax < 65_535 ? keepAliveSecondsMax : Infinity;
}

function packetSizeMax(connection: MqttConnection, messageSizeBytesMax: number): number {
  return Math.min(connection.context.limits.packetSizeBytesMax, messageSizeBytesMax + PACKET_OVERHEAD_BYTES);
}

function connackProperties(connection: MqttConnection, connect: Connect, clientId: string): Properties {
  const { limits } = connection.context;
  const granted = keepAliveMax(connection, connect);
  const changed = connect.keepAliveSeconds === 0 ? Number.isFinite(granted) : connect.keepAliveSeconds > granted;
  const mayBeLong = connection.clientPacketSizeMax === 0 || connection.clientPacketSizeMax >= CONNACK_LONG_BYTES;
  return {
    receiveMaximum: limits.receiveMax,
    maximumPacketSize: connection.packetSizeMax,
    topicAliasMaximum: limits.topicAliasMax,
    ...(mayBeLong ? AVAILABLE : {}),
    ...(connect.clientId === '' ? { assignedClientIdentifier: clientId } : {}), // [MQTT-3.1.3-7]
    ...(changed ? { serverKeepAlive: granted } : {}), // [MQTT-3.1.2-21]
  };
}

function refusalFault(refusal: Refusal, event: string | null = refusal.refused): MqttFault {
  return new MqttFault(REFUSAL_REASONS[refusal.refused].connect, refusal.message, event);
}

const DISCONNECT_FAULTS: Record<DisconnectReason, FaultCode> = {
  'credential-revoked': 'not-authorized',
  'namespace-deleted': 'administrative-action',
  kicked: 'administrative-action',
  shutdown: 'server-shutting-down',
  suspended: 'quota-exceeded',
  banned: 'banned',
};
