import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  credentials,
  loadPackageDefinition,
  Metadata,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import {
  AGENT_LINK_PROTO,
  DesiredState,
  type AgentEndpoints,
  type NamespaceObserved,
  type NamespaceSpec,
  type UsageWindow,
} from '@robustmq/contracts';
import type { AgentFrame, ControlFrame, StateUpdate, UsageAck } from '../agents/agent-frames.ts';
import type { ViewAnswer } from '../agents/agent-views.ts';
import { OPERATOR_TOKEN, type TestApi } from './test-api.ts';

const definition = loadSync(fileURLToPath(AGENT_LINK_PROTO), { longs: Number, oneofs: true, defaults: true });
const ENDPOINTS: AgentEndpoints = { host: 'localhost', mqtt: 1883, mqttWs: 8083, kafka: 9092, amqp: 0 };

type Unary = (request: object, metadata: Metadata, done: (error: Error | null, reply: unknown) => void) => void;

/** How a test agent treats a namespace it was handed. */
export type Serve = (spec: NamespaceSpec) => NamespaceObserved;

const served: Serve = (spec) => ({
  clusterId: spec.clusterId,
  observedGeneration: spec.generation,
  phase: 'ready',
  endpointsReachable: true,
  topics: spec.topics.map((topic) => ({ name: topic.name, partitions: topic.partitions, storedBytes: 0 })),
  connections: 0,
});

/** Speaks the agent link as a real agent does, over gRPC, and says what the test wants it to say. */
export class TestAgent {
  readonly #client: Client & Record<string, Unary>;
  readonly #privateKey: KeyObject;
  readonly publicKeyPem: string;
  agentId = '';
  epoch = 0;
  controlPublicKeyPem = '';
  token = '';
  version = 0;
  desired: DesiredState | undefined;
  serve: Serve = served;
  /** Answers live looks; undefined says nothing, as a node that hangs. */
  answer: (view: string, query: Record<string, unknown>, clusterId: string) => ViewAnswer | undefined = () => undefined;
  stream: ClientDuplexStream<AgentFrame, ControlFrame> | undefined;
  readonly frames: ControlFrame[] = [];

  constructor(
    address: string,
    privateKey = generateKeyPairSync('ed25519').privateKey,
    security: ChannelCredentials = credentials.createInsecure(),
  ) {
    const link = loadPackageDefinition(definition) as never as {
      robustmq: { agent: { v1: { AgentLink: new (...args: unknown[]) => Client & Record<string, Unary> } } };
    };
    this.#client = new link.robustmq.agent.v1.AgentLink(address, security);
    this.#privateKey = privateKey;
    this.publicKeyPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  }

  /** A joined agent with an open session that serves whatever it is handed. */
  static async joined(api: TestApi, region = 'local'): Promise<TestAgent> {
    const agent = new TestAgent(api.agentAddress);
    await agent.join(await joinToken(api, region));
    await agent.open();
    return agent;
  }

  sign(text: string): string {
    return sign(null, Buffer.from(text), this.#privateKey).toString('base64');
  }

  call<T>(method: string, request: object, token = this.token): Promise<T> {
    const metadata = new Metadata();
    if (token !== '') metadata.set('authorization', `Bearer ${token}`);
    return new Promise((resolve, reject) => {
      this.#client[method]!(request, metadata, (error, reply) => (error ? reject(error) : resolve(reply as T)));
    });
  }

  async join(token: string): Promise<void> {
    await this.enrol(token);
    await this.authenticate();
  }

  async enrol(token: string, signature = this.sign(token)): Promise<void> {
    const request = { joinToken: token, publicKeyPem: this.publicKeyPem, agentVersion: 'test', signature };
    const reply = await this.call<{ agentId: string; epoch: number; controlPublicKeyPem: string }>(
      'Enroll',
      request,
      '',
    );
    this.agentId = reply.agentId;
    this.epoch = reply.epoch;
    this.controlPublicKeyPem = reply.controlPublicKeyPem;
  }

  async authenticate(changes: { issuedAtMs?: number; nonce?: string; signature?: string } = {}): Promise<void> {
    const issuedAtMs = changes.issuedAtMs ?? Date.now();
    const nonce = changes.nonce ?? randomBytes(12).toString('base64url');
    const signature = changes.signature ?? this.sign(`${this.agentId}|${this.epoch}|${issuedAtMs}|${nonce}`);
    const request = { agentId: this.agentId, epoch: this.epoch, issuedAtMs, nonce, signature };
    this.token = (await this.call<{ accessToken: string }>('Authenticate', request, '')).accessToken;
  }

  /** Opens the stream, says Hello and waits for the first answer. */
  async open(hello: { epoch?: number; haveVersion?: number } = {}): Promise<void> {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${this.token}`);
    const session = this.#client['Session'] as never as (m: Metadata) => ClientDuplexStream<AgentFrame, ControlFrame>;
    const stream = session.call(this.#client, metadata);
    this.stream = stream;
    const first = new Promise<void>((resolve, reject) => {
      stream.once('data', () => resolve());
      stream.once('error', reject);
      stream.once('end', resolve);
    });
    stream.on('error', () => undefined);
    stream.on('data', (frame: ControlFrame) => {
      this.frames.push(frame);
      if (frame.state) this.take(frame.state);
      if (frame.viewRequest) this.#answer(frame.viewRequest);
    });
    stream.write({
      hello: {
        agentId: this.agentId,
        epoch: hello.epoch ?? this.epoch,
        agentVersion: 'test',
        haveVersion: hello.haveVersion ?? this.version,
        endpointsJson: JSON.stringify(ENDPOINTS),
      },
    });
    stream.write({ lease: { seq: 1, agentTimeMs: Date.now() } });
    await first;
  }

  #answer({ id, view, queryJson, clusterId }: NonNullable<ControlFrame['viewRequest']>): void {
    const answer = this.answer(view, JSON.parse(queryJson) as Record<string, unknown>, clusterId);
    if (answer === undefined) return;
    const replyJson = 'reply' in answer ? JSON.stringify(answer.reply) : '';
    const errorJson = 'error' in answer ? JSON.stringify(answer.error) : '';
    this.stream?.write({ viewReply: { id, replyJson, errorJson } });
  }

  /** Checks the signature, applies and reports, as an agent does. */
  take(update: StateUpdate): void {
    const bytes = Buffer.from(update.desiredJson);
    if (!verify(null, bytes, this.controlPublicKeyPem, Buffer.from(update.signature, 'base64')))
      throw new Error('the desired state is not signed by the control plane');
    this.desired = DesiredState.parse(JSON.parse(update.desiredJson));
    this.version = update.version;
    this.report();
  }

  /** The whole report on what is desired now. */
  observed(): NamespaceObserved[] {
    return (this.desired?.namespaces ?? []).map((spec) => this.serve(spec));
  }

  report(namespaces = this.observed()): void {
    this.stream?.write({ status: { version: this.version, namespacesJson: JSON.stringify(namespaces) } });
    this.stream?.write({ applied: { version: this.version, error: '' } });
  }

  pushUsage(windows: readonly UsageWindow[]): Promise<UsageAck> {
    const windowsJson = JSON.stringify(windows);
    return this.call<UsageAck>('PushUsage', {
      seq: windows.at(-1)?.seq ?? 0,
      windowsJson,
      signature: this.sign(windowsJson),
    });
  }

  close(): void {
    this.stream?.cancel();
    this.#client.close();
  }
}

/** A join token from the operator API. */
export async function joinToken(api: TestApi, region = 'local', ttlSeconds = 60): Promise<string> {
  const made = await api.call<{ token: string }>('POST', '/v1/operator/join-tokens', {
    token: OPERATOR_TOKEN,
    body: { region, ttlSeconds },
  });
  return made.body.token;
}
