import { fileURLToPath } from 'node:url';
import {
  Client,
  credentials,
  Metadata,
  status,
  type ClientDuplexStream,
  type MethodDefinition,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { AGENT_LINK_PROTO } from '@robustmq/contracts/data-plane';
import { AgentError } from './agent-error.ts';

const CALL_TIMEOUT_MS = 15_000;
const MESSAGE_BYTES_MAX = 64 * 2 ** 20;
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
  | { status: { version: number; namespacesJson: string } }
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

/** The wire to the control plane: gRPC calls by name, errors as AgentError. Holds no state but the connection. */
export class LinkTransport {
  readonly #client: Client;
  readonly #service: ServiceDefinition = service();
  #accessToken: string | undefined;

  /** `address` is `host:port`, or `https://host:port` for TLS with the system's certificate authorities. */
  constructor(address: string) {
    const secure = address.startsWith('https://');
    const target = address.replace(/^https?:\/\//, '');
    this.#client = new Client(target, secure ? credentials.createSsl() : credentials.createInsecure(), {
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 5_000,
    });
  }

  /** Sent with every later call. */
  set accessToken(token: string | undefined) {
    this.#accessToken = token;
  }

  /** A unary call. Throws `link-unavailable` (worth retrying) or `link-refused` (the server's word, in the message). */
  call<Reply>(method: string, request: object): Promise<Reply> {
    const { path, requestSerialize, responseDeserialize } = this.#method(method);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata(),
        { deadline: Date.now() + CALL_TIMEOUT_MS },
        (error, reply) => (error ? reject(linkError(method, error)) : resolve(reply as Reply)),
      );
    });
  }

  /** Opens the session stream. Errors come as its `error` event; see `linkError`. */
  openSession(): SessionStream {
    const { path, requestSerialize, responseDeserialize } = this.#method('Session');
    const stream = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize as (frame: AgentFrame) => Buffer,
      responseDeserialize as (bytes: Buffer) => ControlFrame,
      this.#metadata(),
    );
    return stream;
  }

  close(): void {
    this.#client.close();
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
