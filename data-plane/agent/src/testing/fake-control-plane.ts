import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import {
  AGENT_LINK_PROTO,
  releaseText,
  type AgentObserved,
  type NamespaceObserved,
  type NamespaceSpec,
  type ReleaseManifest,
  type UsageWindow,
} from '@robustmq/contracts/data-plane';
import type { AgentFrame, ControlFrame, ViewReply } from '../link-transport.ts';
import { freePorts } from './fixtures.ts';

type Stream = ServerDuplexStream<AgentFrame, ControlFrame>;
type Unary = ServerUnaryCall<Record<string, string & number>, object>;
type Reply = sendUnaryData<object>;

/** A control plane as an agent sees one: the real gRPC service over the real protocol, with its state in memory. */
export class FakeControlPlane {
  agentId = '0193b3a0-0000-7000-8000-00000000a9e7';
  joinToken = 'rmqj_test';
  /** Every window ever committed, by identity: what billing would see. */
  readonly usage = new Map<string, UsageWindow>();
  readonly applied: { version: number; error: string }[] = [];
  statuses: NamespaceObserved[] = [];
  /** What the agent says of itself. */
  observed: AgentObserved | undefined;
  /** Wanted with the next `desire`. */
  release: ReleaseManifest | undefined;
  endpoints: Record<string, unknown> | undefined;
  sessions = new Set<Stream>();
  /** False = streams are cut at once, as some proxies do; unary calls work. */
  streams = true;
  /** True = usage is committed and the acknowledgement is lost. */
  loseUsageAcks = false;
  /** True = frames are read and nothing is said, as a dead middlebox does. */
  mute = false;
  /** Life of an access token in milliseconds. */
  tokenMs = 600_000;
  enrolments = 0;
  unknownAgents = 0;
  authentications = 0;
  sessionsOpened = 0;
  /** Shows this certificate; undefined = plain text. Takes effect at the next `start`. */
  tls: { readonly certificatePem: string; readonly privateKeyPem: string } | undefined;
  /** What it says its certificates are, signed with its own key or a stranger's. */
  fingerprints: readonly string[] = [];
  signsFingerprints = true;
  usageCalls = 0;
  #keys = generateKeyPairSync('ed25519');
  #agentKeyPem = '';
  #version = 0;
  #namespaces: NamespaceSpec[] = [];
  #server: Server | undefined;
  port = 0;

  async start(): Promise<void> {
    const server = new Server();
    const loaded = loadSync(fileURLToPath(AGENT_LINK_PROTO), { longs: Number, defaults: true, oneofs: true });
    server.addService(loaded['robustmq.agent.v1.AgentLink'] as unknown as ServiceDefinition, {
      Enroll: (call: Unary, reply: Reply) => this.#enroll(call, reply),
      LinkCertificates: (call: Unary, reply: Reply) => this.#certificates(call, reply),
      Authenticate: (call: Unary, reply: Reply) => this.#authenticate(call, reply),
      Session: (stream: Stream) => this.#session(stream),
      PullState: (call: Unary, reply: Reply) => this.#authorised(call, reply, () => this.update()),
      PushStatus: (call: Unary, reply: Reply) =>
        this.#authorised(call, reply, () => {
          this.#takeStatus(call.request['namespacesJson'] ?? '[]');
          return { ok: true };
        }),
      PushUsage: (call: Unary, reply: Reply) => this.#authorised(call, reply, () => this.#takeUsage(call)),
    });
    if (this.port === 0) this.port = (await freePorts()).mqtt;
    await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.port}`, this.#credentials(), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    this.#server = server;
  }

  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.sessions.clear();
  }

  /** Loses its database and its keys: nobody is known any more, and another join token is good. */
  forgetEverything(): void {
    this.agentId = '0193b3a0-0000-7000-8000-00000000beef';
    this.joinToken = 'rmqj_another';
    this.enrolments = 0;
    this.#keys = generateKeyPairSync('ed25519');
    this.#version = 0;
    this.#namespaces = [];
  }

  /** The manifest with this control plane's signature. */
  signed(manifest: Omit<ReleaseManifest, 'signature'>): ReleaseManifest {
    const signature = sign(null, Buffer.from(releaseText(manifest)), this.#keys.privateKey).toString('base64');
    return { ...manifest, signature };
  }

  /** Changes what is desired and tells every session. */
  desire(namespaces: NamespaceSpec[]): void {
    this.#version += 1;
    this.#namespaces = namespaces;
    for (const stream of this.sessions) stream.write({ state: this.update() });
  }

  get version(): number {
    return this.#version;
  }

  update(version = this.#version): { version: number; desiredJson: string; signature: string } {
    const desiredJson = JSON.stringify({
      agentId: this.agentId,
      version,
      namespaces: this.#namespaces,
      release: this.release,
    });
    const signature = sign(null, Buffer.from(desiredJson), this.#keys.privateKey).toString('base64');
    return { version, desiredJson, signature };
  }

  readonly #asked = new Map<string, (reply: ViewReply) => void>();
  /** Looks into a cluster through the newest session. */
  ask(clusterId: string, view: string, query: object = {}): Promise<ViewReply> {
    const id = String(this.#asked.size + 1);
    const reply = new Promise<ViewReply>((resolve) => this.#asked.set(id, resolve));
    [...this.sessions].at(-1)!.write({ viewRequest: { id, clusterId, view, queryJson: JSON.stringify(query) } });
    return reply;
  }

  #credentials(): ServerCredentials {
    if (!this.tls) return ServerCredentials.createInsecure();
    const { certificatePem, privateKeyPem } = this.tls;
    const pair = { cert_chain: Buffer.from(certificatePem), private_key: Buffer.from(privateKeyPem) };
    return ServerCredentials.createSsl(null, [pair]);
  }

  #certificates(call: Unary, reply: Reply): void {
    const fingerprintsJson = JSON.stringify(this.fingerprints);
    const text = Buffer.from(`link-certificates|${call.request['nonce']}|${fingerprintsJson}`);
    const key = this.signsFingerprints ? this.#keys.privateKey : generateKeyPairSync('ed25519').privateKey;
    reply(null, { fingerprintsJson, signature: sign(null, text, key).toString('base64') });
  }

  #enroll(call: Unary, reply: Reply): void {
    const { joinToken, publicKeyPem, signature } = call.request;
    const mine = verify(
      null,
      Buffer.from(joinToken ?? ''),
      createPublicKey(publicKeyPem ?? ''),
      Buffer.from(signature ?? '', 'base64'),
    );
    if (joinToken !== this.joinToken || this.enrolments > 0 || !mine) {
      return reply({ code: status.PERMISSION_DENIED, details: 'join token is used or wrong' });
    }
    this.enrolments += 1;
    this.#agentKeyPem = publicKeyPem ?? '';
    const controlPublicKeyPem = this.#keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    reply(null, { agentId: this.agentId, epoch: 1, region: 'local', controlPublicKeyPem });
  }

  #authenticate(call: Unary, reply: Reply): void {
    const { agentId, epoch, issuedAtMs, nonce, signature } = call.request;
    const text = `${agentId}|${epoch}|${issuedAtMs}|${nonce}`;
    if (agentId !== this.agentId) this.unknownAgents += 1;
    if (agentId !== this.agentId) return reply({ code: status.NOT_FOUND, details: 'does not know the agent' });
    const key = createPublicKey(this.#agentKeyPem);
    if (!verify(null, Buffer.from(text), key, Buffer.from(signature ?? '', 'base64'))) {
      return reply({ code: status.UNAUTHENTICATED, details: 'wrong assertion' });
    }
    this.authentications += 1;
    reply(null, { accessToken: 'token', expiresAtMs: Date.now() + this.tokenMs });
  }

  #authorised(call: Unary, reply: Reply, work: () => object | undefined): void {
    if (call.metadata.get('authorization')[0] !== 'Bearer token') {
      return reply({ code: status.UNAUTHENTICATED, details: 'no token' });
    }
    const result = work();
    if (result) reply(null, result);
    else reply({ code: status.UNAVAILABLE, details: 'lost' });
  }

  #session(stream: Stream): void {
    stream.on('error', () => undefined);
    stream.on('cancelled', () => this.sessions.delete(stream));
    stream.on('end', () => stream.end());
    if (!this.streams || stream.metadata.get('authorization')[0] !== 'Bearer token') {
      return void stream.emit('error', { code: status.UNAVAILABLE, details: 'no streams here' });
    }
    this.sessionsOpened += 1;
    stream.on('data', (frame: AgentFrame) => {
      if (this.mute) return;
      if ('hello' in frame && frame.hello) {
        this.sessions.add(stream);
        this.endpoints = JSON.parse(frame.hello.endpointsJson) as Record<string, unknown>;
        stream.write({ state: this.update() });
      } else if ('lease' in frame && frame.lease) {
        stream.write({ leaseAck: { seq: frame.lease.seq, latestVersion: this.#version } });
      } else if ('status' in frame && frame.status) {
        this.#takeStatus(frame.status.namespacesJson);
        if (frame.status.agentJson) this.observed = JSON.parse(frame.status.agentJson) as AgentObserved;
      } else if ('applied' in frame && frame.applied) this.applied.push(frame.applied);
      else if ('viewReply' in frame && frame.viewReply) this.#asked.get(frame.viewReply.id)?.(frame.viewReply);
    });
  }

  #takeStatus(json: string): void {
    this.statuses = JSON.parse(json) as NamespaceObserved[];
  }

  #takeUsage(call: Unary): object | undefined {
    const { seq, windowsJson, signature } = call.request;
    this.usageCalls += 1;
    const key = createPublicKey(this.#agentKeyPem);
    if (!verify(null, Buffer.from(windowsJson ?? ''), key, Buffer.from(signature ?? '', 'base64'))) return undefined;
    let duplicates = 0;
    const windows = JSON.parse(windowsJson ?? '[]') as UsageWindow[];
    for (const window of windows) {
      const { nodeId, nodeEpoch, clusterId, protocol, meter, windowStartMs } = window;
      const identity = JSON.stringify([nodeId, nodeEpoch, clusterId, protocol, meter, windowStartMs]);
      if (this.usage.has(identity)) duplicates += 1;
      else this.usage.set(identity, window);
    }
    if (this.loseUsageAcks) return undefined;
    return { seq, accepted: windows.length - duplicates, duplicates, quarantined: 0 };
  }
}
