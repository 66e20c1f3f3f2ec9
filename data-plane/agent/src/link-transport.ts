import { createHash, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  Client,
  credentials,
  Metadata,
  status,
  type ChannelCredentials,
  type ClientDuplexStream,
  type MethodDefinition,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { AGENT_LINK_PROTO } from '@robustmq/contracts/data-plane';
import { AgentError } from './agent-error.ts';
import { readLinkAddress, type LinkAddress } from './link-address.ts';
import { LinkTrust, shownCertificate, type ShownCertificate, type SignedFingerprints } from './link-trust.ts';

const CALL_TIMEOUT_MS = 15_000;
const MESSAGE_BYTES_MAX = 64 * 2 ** 20;
const SERVER_NAME = 'robustmq-agent-link';
const SERVICE = 'robustmq.agent.v1.AgentLink';

/** Messages of agent-link.proto as this side sees them. uint64 fields are safe integers: times, versions, positions. */
export interface EnrollReply {
  agentId: string;
  epoch: number;
  controlPublicKeyPem: string;
  region: string;
}
export interface AuthenticateReply {
  accessToken: string;
  expiresAtMs: number;
}
export interface StateUpdate {
  version: number;
  desiredJson: string;
  signature: string;
}
export interface UsageAck {
  seq: number;
  accepted: number;
  duplicates: number;
  quarantined: number;
}
export interface ViewRequest {
  id: string;
  clusterId: string;
  view: string;
  queryJson: string;
}
/** Exactly one of the two is not empty. */
export interface ViewReply {
  id: string;
  replyJson: string;
  errorJson: string;
}
export type AgentFrame =
  | {
      hello: { agentId: string; epoch: number; agentVersion: string; haveVersion: number; endpointsJson: string };
    }
  | { status: { version: number; namespacesJson: string; agentJson: string } }
  | { lease: { seq: number; agentTimeMs: number } }
  | { applied: { version: number; error: string } }
  | { viewReply: ViewReply };
export interface ControlFrame {
  state?: StateUpdate;
  superseded?: { byEpoch: number };
  leaseAck?: { seq: number; latestVersion: number };
  viewRequest?: ViewRequest;
}
export type SessionStream = ClientDuplexStream<AgentFrame, ControlFrame>;

const service = (): ServiceDefinition => {
  const definition = loadSync(fileURLToPath(AGENT_LINK_PROTO), { longs: Number, defaults: true, oneofs: true });
  return definition[SERVICE] as unknown as ServiceDefinition;
};

/**
 * The wire to the control plane: gRPC calls by name, errors as AgentError. Holds no state but the connection, and which
 * certificate it is made with: one that `trust` believes, looked at again whenever a call found nobody.
 */
export class LinkTransport {
  readonly #address: LinkAddress;
  readonly #trust: LinkTrust;
  readonly #service: ServiceDefinition = service();
  #client: Client | undefined;
  /** Of the certificate `#client` was made for; undefined where none is pinned. */
  #dialled: string | undefined;
  #dialling: Promise<Client> | undefined;
  /** The last call found nobody: whoever is there now may show another certificate. */
  #doubtful = false;
  #closed = false;
  #accessToken: string | undefined;

  /** `address` as in link-address.ts; throws `config-invalid`. */
  constructor(address: string, trust: LinkTrust = new LinkTrust([], undefined)) {
    this.#address = readLinkAddress(address);
    this.#trust = trust;
  }

  /** Sent with every later call. */
  set accessToken(token: string | undefined) {
    this.#accessToken = token;
  }

  /**
   * A unary call. Throws `link-unavailable` (worth retrying), `link-untrusted` (somebody else answers) or `link-refused` (the
   * server's word, in the message).
   */
  async call<Reply>(method: string, request: object): Promise<Reply> {
    return this.#unary<Reply>(await this.#dial(), method, request, this.#metadata());
  }

  /** Opens the session stream. Errors come as its `error` event; see `linkError`. */
  async openSession(): Promise<SessionStream> {
    const client = await this.#dial();
    const { path, requestSerialize, responseDeserialize } = this.#method('Session');
    const stream: SessionStream = client.makeBidiStreamRequest(
      path,
      requestSerialize as (frame: AgentFrame) => Buffer,
      responseDeserialize as (bytes: Buffer) => ControlFrame,
      this.#metadata(),
    );
    stream.on('error', (error: ServiceError) => (this.#doubtful ||= error.code === status.UNAVAILABLE));
    return stream;
  }

  /** Learns which certificate will follow the one in use, so that a rotation finds it pinned. */
  async learnCertificates(): Promise<void> {
    if (this.#address.kind === 'pinned' && this.#trust.canAsk) await this.#ask(await this.#dial());
  }

  close(): void {
    this.#closed = true;
    this.#client?.close();
  }

  /** The client to call with. */
  async #dial(): Promise<Client> {
    if (this.#closed) throw new AgentError('link-unavailable', 'the link is closed');
    if (this.#client && !(this.#doubtful && this.#address.kind === 'pinned')) return this.#client;
    this.#dialling ??= this.#connect().finally(() => (this.#dialling = undefined));
    return this.#dialling;
  }

  async #connect(): Promise<Client> {
    const { kind } = this.#address;
    if (kind !== 'pinned') {
      return (this.#client = this.#newClient(
        kind === 'public' ? credentials.createSsl() : credentials.createInsecure(),
      ));
    }
    const shown = await shownCertificate(this.#address);
    if (this.#client && shown.fingerprint === this.#dialled) {
      this.#doubtful = false;
      return this.#client;
    }
    const client = this.#newClient(pinnedTo(shown));
    try {
      if (!this.#trust.isPinned(shown.fingerprint)) await this.#askAbout(shown, client);
    } catch (error) {
      client.close();
      throw error;
    }
    this.#client?.close();
    this.#client = client;
    this.#dialled = shown.fingerprint;
    this.#doubtful = false;
    if (this.#closed) client.close();
    return client;
  }

  /** Nothing that is anybody's secret is said before the certificate is vouched for. */
  async #askAbout(shown: ShownCertificate, client: Client): Promise<void> {
    if (this.#trust.canAsk) await this.#ask(client);
    if (this.#trust.isPinned(shown.fingerprint)) return;
    throw new AgentError(
      'link-untrusted',
      `${this.#address.target} shows a certificate (${shown.fingerprint}) that is not the control plane's; if it is, ` +
        'start the agent with a new join token',
    );
  }

  async #ask(client: Client): Promise<void> {
    const nonce = randomBytes(16).toString('base64url');
    const reply = await this.#unary<SignedFingerprints>(client, 'LinkCertificates', { nonce }, new Metadata());
    await this.#trust.learn(nonce, reply);
  }

  #newClient(channelCredentials: ChannelCredentials): Client {
    return new Client(this.#address.target, channelCredentials, {
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 5_000,
      // certificates are told apart by fingerprint; an address is no server name (RFC 6066 §3)
      ...(this.#address.kind === 'pinned' ? { 'grpc.ssl_target_name_override': SERVER_NAME } : {}),
    });
  }

  #unary<Reply>(client: Client, method: string, request: object, metadata: Metadata): Promise<Reply> {
    const { path, requestSerialize, responseDeserialize } = this.#method(method);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + CALL_TIMEOUT_MS },
        (error, reply) => {
          if (!error) return resolve(reply as Reply);
          this.#doubtful ||= error.code === status.UNAVAILABLE;
          reject(linkError(method, error));
        },
      );
    });
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    if (this.#accessToken) metadata.set('authorization', `Bearer ${this.#accessToken}`);
    return metadata;
  }

  #method(name: string): MethodDefinition<object, object> {
    return this.#service[name] as MethodDefinition<object, object>;
  }
}

/** TLS with this one certificate: the server must hold its key, whatever its name says. */
const pinnedTo = ({ pem, fingerprint }: ShownCertificate): ChannelCredentials =>
  credentials.createSsl(Buffer.from(pem), null, null, {
    checkServerIdentity: (_host, certificate) => {
      const shown = createHash('sha256').update(certificate.raw).digest('base64url');
      return shown === fingerprint ? undefined : new Error('the server shows another certificate');
    },
  });

/** A gRPC failure in the agent's words. */
export function linkError(method: string, error: Pick<ServiceError, 'code' | 'details'>): AgentError {
  const away = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED, status.INTERNAL, status.UNKNOWN];
  return new AgentError(
    away.includes(error.code) ? 'link-unavailable' : 'link-refused',
    `${method}: ${error.details || status[error.code]}`,
    { cause: error },
  );
}

/** True when the control plane does not know our token or key (any more). */
export const isUnauthenticated = (error: unknown): boolean => {
  const code = error instanceof AgentError ? (error.cause as { code?: number } | undefined)?.code : undefined;
  return code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED || code === status.NOT_FOUND;
};

/** True when the control plane says that there is no such agent. */
export const isUnknownAgent = (error: unknown): boolean =>
  error instanceof AgentError && (error.cause as { code?: number } | undefined)?.code === status.NOT_FOUND;
