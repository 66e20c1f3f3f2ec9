import type { Admission, AdmitRequest, Connection, DisconnectReason } from '@robustmq/broker';
import type { Message, Namespace, Refusal } from '@robustmq/broker';
import { Writer } from '@robustmq/wire';
import { EnhancedAuthentication } from './authentication.ts';
import type { AuthenticationStep } from './authentication.ts';
import type { MqttConnection } from './connection.ts';
import { readAuth, readConnect, readVersion } from './control-packets.ts';
import type { Connect } from './control-packets.ts';
import { Delivery } from './delivery.ts';
import type { PacketReader } from './packet-reader.ts';
import { putAuth, putConnack } from './packet-writer.ts';
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
/** CONNACK of MQTT 3 has none. */
const NO_PROPERTIES: Properties = {};
/** Where clients that ask for Response Information may expect answers, before their client id. */
const RESPONSE_PREFIX = 'responses/';
const CONTINUE_AUTHENTICATION = 0x18;
const RE_AUTHENTICATE = 0x19;

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
  connection.problemInformation = connect.properties.requestProblemInformation !== 0;
  const { context } = connection;
  if (context.redirect !== null) {
    throw new MqttFault(context.redirect.permanent ? 'server-moved' : 'use-another-server');
  }
  const clientId = acceptClientId(connection, connect);
  const request = admitRequest(connection, connect, clientId);
  const method = connect.properties.authenticationMethod;
  if (method === undefined) {
    const asking = context.broker.ask?.(request) ?? null;
    if (asking === null) enter(connection, connect, clientId, request);
    else {
      // what the client sends behind its CONNECT waits for the answer
      connection.hold();
      void asking.then((answered) => connection.release(() => enter(connection, connect, clientId, answered)));
    }
    return;
  }
  const random = (bytes: number): Buffer => context.runtime.randomBytes(bytes);
  const authentication = new EnhancedAuthentication(context.broker, random, request, method);
  connection.authenticating = { authentication, connect, clientId };
  follow(connection, authentication.begin(connect));
}

/** Lets in whoever the broker lets in. Throws `MqttFault`. */
function enter(connection: MqttConnection, connect: Connect, clientId: string, request: AdmitRequest): void {
  const admission = connection.context.broker.admit(request);
  if ('refused' in admission) throw refusalFault(admission, null); // the broker has told the tenant
  attach(connection, { connect, clientId, admission, serverFinal: null });
}

/** AUTH: goes on with what CONNECT began, or proves once more who the client is [MQTT-4.12.1-1]. */
export function authenticate(connection: MqttConnection, body: PacketReader): void {
  const { authenticating } = connection;
  if (authenticating === null) throw new MqttFault('protocol-error', 'AUTH without an authentication method');
  const auth = readAuth(body);
  if (!connection.attached && auth.reason === RE_AUTHENTICATE) {
    throw new MqttFault('protocol-error', 're-authentication before CONNACK');
  }
  if (connection.attached && auth.reason === CONTINUE_AUTHENTICATION && !connection.reauthenticating) {
    throw new MqttFault('protocol-error', 'AUTH 0x18 without a question');
  }
  if (connection.attached) connection.reauthenticating = true;
  follow(connection, authenticating.authentication.take(auth));
}

function follow(connection: MqttConnection, step: AuthenticationStep): void {
  const { authentication, connect, clientId } = connection.authenticating!;
  if ('refusal' in step) throw refusalFault(step.refusal, null);
  // [MQTT-4.12.0-5]: every AUTH repeats the method
  const authenticationMethod = authentication.method;
  if ('challenge' in step) {
    const data = step.challenge === null ? {} : { authenticationData: step.challenge };
    putAuth(connection.output, CONTINUE_AUTHENTICATION, { authenticationMethod, ...data });
    connection.markDirty();
    return;
  }
  const { admission, serverFinal } = step;
  if (connect !== null) {
    attach(connection, { connect, clientId, admission, serverFinal });
    connection.authenticating = { authentication, connect: null, clientId };
    return;
  }
  connection.reauthenticating = false;
  const { namespace, info } = connection.link;
  if (admission.namespace !== namespace || admission.principal !== info.principal) {
    throw new MqttFault('not-authorized', 're-authenticated as somebody else');
  }
  putAuth(connection.output, 0, { authenticationMethod, authenticationData: serverFinal });
  connection.markDirty();
}

function admitRequest(connection: MqttConnection, connect: Connect, clientId: string): AdmitRequest {
  const { listener, serverName, remoteAddress, clientCertificate } = connection.transport;
  const { username, password } = connect;
  const certificate = password === null && clientCertificate ? clientCertificate : null;
  return {
    protocol: 'mqtt',
    listener,
    serverName,
    remoteAddress,
    username,
    password,
    clientId,
    ...(certificate === null ? {} : { proof: { kind: 'x509', certificate } as const }),
  };
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

/** Somebody who may come in. */
interface Entrant {
  readonly connect: Connect;
  readonly clientId: string;
  readonly admission: Admission;
  /** What enhanced authentication has to say at last. */
  readonly serverFinal: Buffer | null;
}

function attach(connection: MqttConnection, entrant: Entrant): void {
  const { context } = connection;
  const { connect, clientId, admission } = entrant;
  const { namespace } = admission;
  connection.packetSizeMax = packetSizeMax(connection, namespace.messageSizeBytesMax);
  const properties = fitConnack(connection, entrant); // before anything is opened
  const link = openLink(connection, entrant);
  const delivery = new Delivery(connection, {
    v5: connect.version === 5,
    window: connect.properties.receiveMaximum ?? RECEIVE_MAX_DEFAULT,
    packetSizeMax: connection.clientPacketSizeMax,
    topicAliasMax: connect.properties.topicAliasMaximum ?? 0,
  });
  const expirySeconds = sessionExpiry(connect, namespace);
  const opened = openSession(connection, connect, { link, clientId, delivery, expirySeconds });
  connection.attach({
    namespace,
    link,
    session: opened.session,
    delivery,
    clientId,
    connectExpirySeconds: expirySeconds,
  });
  const keepAliveSeconds = Math.min(connect.keepAliveSeconds || Infinity, keepAliveMax(connection, connect, namespace));
  connection.silenceMsMax = Number.isFinite(keepAliveSeconds) ? keepAliveSeconds * KEEP_ALIVE_FACTOR_MS : 0;
  connection.lastSeenMs = context.runtime.monotonicMs();
  const present = connect.version === 3 ? false : opened.present; // 3.1 has no such flag
  putConnack(connection.output, connect.version, present, 0, properties);
  connection.markDirty();
  delivery.start(link, opened.session.inbox);
}

function openLink(connection: MqttConnection, { connect, clientId, admission }: Entrant): Connection {
  const { context, transport } = connection;
  const link = admission.namespace.connect({
    protocol: 'mqtt',
    principal: admission.principal,
    clientId,
    remoteAddress: transport.remoteAddress,
    admission,
    disconnect: (reason, detail) => {
      const fault = DISCONNECT_FAULTS[reason];
      // the broker must not be called back from here: the end comes with this turn's end
      context.runtime.afterPoll(() => {
        connection.fail(fault, detail ?? FAULTS[fault].text);
      });
    },
  });
  if ('refused' in link) throw refusalFault(link);
  const will = connect.will?.message.topic;
  if (will !== undefined && !link.allows('write', 'topic', will)) {
    link.close();
    throw new MqttFault('not-authorized', `the will's topic ${will} is not allowed`);
  }
  return link;
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

/**
 * Seconds, at most what the cluster grants. Clean session 0 of MQTT 3 is a session without end (MQTT 5 §3.1.2.4,
 * comment).
 */
function sessionExpiry(connect: Connect, namespace: Namespace): number {
  const asked = connect.version < 5 && !connect.cleanStart ? NEVER_EXPIRES : connect.properties.sessionExpiryInterval;
  return grantedExpiry(asked ?? 0, namespace);
}

/** Session expiry as the cluster grants it: seconds asked for → seconds kept, Infinity = for ever. */
export function grantedExpiry(seconds: number, namespace: Namespace): number {
  const granted = Math.min(seconds, namespace.settings.mqtt.sessionExpirySecondsMax);
  return granted === NEVER_EXPIRES ? Infinity : granted;
}

/** Only MQTT 5 can be told another keep-alive than it asked for. */
function keepAliveMax(connection: MqttConnection, connect: Connect, namespace: Namespace): number {
  const { limits } = connection.context;
  const max = Math.min(limits.keepAliveSecondsMax, namespace.settings.mqtt.keepAliveSecondsMax);
  return connect.version === 5 && max < 65_535 ? max : Infinity;
}

function packetSizeMax(connection: MqttConnection, messageSizeBytesMax: number): number {
  return Math.min(connection.context.limits.packetSizeBytesMax, messageSizeBytesMax + PACKET_OVERHEAD_BYTES);
}

/** What CONNACK tells, without what the client could not take [MQTT-3.1.2-24]. */
function fitConnack(connection: MqttConnection, entrant: Entrant): Properties {
  const { clientId } = entrant;
  if (entrant.connect.version < 5) return NO_PROPERTIES;
  const needed = connackProperties(connection, entrant);
  const asked = entrant.connect.properties.requestResponseInformation === 1 && !/[+#/]/.test(clientId);
  const all = {
    ...needed,
    ...AVAILABLE,
    ...(asked ? { responseInformation: `${RESPONSE_PREFIX}${clientId}` } : {}), // [MQTT-3.1.2-28]
  };
  const max = connection.clientPacketSizeMax;
  if (max === 0) return all;
  for (const properties of [all, needed]) {
    const measure = new Writer();
    putConnack(measure, 5, false, 0, properties);
    if (measure.at <= max) return properties;
  }
  throw new MqttFault('packet-too-large', 'the client takes no packet as large as its CONNACK');
}

function connackProperties(connection: MqttConnection, entrant: Entrant): Properties {
  const { connect, clientId, serverFinal } = entrant;
  const { namespace } = entrant.admission;
  const { limits } = connection.context;
  const granted = keepAliveMax(connection, connect, namespace);
  const changed = connect.keepAliveSeconds === 0 ? Number.isFinite(granted) : connect.keepAliveSeconds > granted;
  const asked = connect.properties.sessionExpiryInterval ?? 0;
  const isCut = asked > namespace.settings.mqtt.sessionExpirySecondsMax;
  const method = connect.properties.authenticationMethod;
  return {
    receiveMaximum: limits.receiveMax,
    maximumPacketSize: connection.packetSizeMax,
    topicAliasMaximum: limits.topicAliasMax,
    ...(isCut ? { sessionExpiryInterval: namespace.settings.mqtt.sessionExpirySecondsMax } : {}),
    ...(connect.clientId === '' ? { assignedClientIdentifier: clientId } : {}), // [MQTT-3.1.3-7]
    ...(changed ? { serverKeepAlive: granted } : {}),
    ...(method === undefined || serverFinal === null
      ? {}
      : { authenticationMethod: method, authenticationData: serverFinal }),
  };
}

function refusalFault(refusal: Refusal, event: string | null = refusal.refused): MqttFault {
  const reference = refusal.elsewhere?.mqtt ?? null;
  if (reference !== null) {
    return new MqttFault(REFUSAL_REASONS[refusal.refused].connect, refusal.message, event, reference);
  }
  return new MqttFault(REFUSAL_REASONS[refusal.refused].connect, refusal.message, event);
}

const DISCONNECT_FAULTS: Record<DisconnectReason, FaultCode> = {
  'credential-revoked': 'not-authorized',
  'namespace-deleted': 'administrative-action',
  kicked: 'administrative-action',
  shutdown: 'server-shutting-down',
  suspended: 'administrative-action',
  banned: 'banned',
  draining: 'use-another-server',
  moved: 'server-moved',
};
