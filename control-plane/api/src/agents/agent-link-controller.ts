import { status, type Metadata, type ServiceError } from '@grpc/grpc-js';
import { Controller, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { GrpcMethod, GrpcStreamCall, RpcException } from '@nestjs/microservices';
import { AgentObserved, NamespacesReply, UsageWindow } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { z } from 'zod';
import { Unlisted } from '../http/route.ts';
import { AgentPokes } from '../provisioning/agent-pokes.ts';
import { Observe } from '../provisioning/observe.ts';
import type {
  AuthenticateReply,
  AuthenticateRequest,
  EnrollReply,
  EnrollRequest,
  LinkCertificatesReply,
  LinkCertificatesRequest,
  PullStateRequest,
  SessionCall,
  StateUpdate,
  StatusReport,
  UsageAck,
  UsageBatch,
} from './agent-frames.ts';
import { AgentIdentity, refuse } from './agent-identity.ts';
import { AgentSession, readEndpoints } from './agent-session.ts';
import { AgentStates } from './agent-states.ts';
import { AgentViews } from './agent-views.ts';

const SERVICE = 'AgentLink';
/** Windows in one PushUsage. */
const USAGE_BATCH_MAX = 1_000;
const UsageWindows = z.array(UsageWindow).max(USAGE_BATCH_MAX);

/** JSON in a message, in the shape of its schema. Throws INVALID_ARGUMENT. */
function readJson<T extends z.ZodType>(schema: T, json: string, field: string): z.output<T> {
  try {
    return schema.parse(JSON.parse(json));
  } catch (error) {
    const issue = error instanceof z.ZodError ? error.issues[0] : undefined;
    const where = issue ? ` at ${issue.path.join('.')}: ${issue.message}` : '';
    throw refuse(status.INVALID_ARGUMENT, `${field} is not valid${where}`);
  }
}

/** The agents' side of the control plane. Every call but Enroll, Authenticate and LinkCertificates checks its access token itself. */
@Unlisted()
@Controller()
export class AgentLinkController implements BeforeApplicationShutdown {
  readonly #database: Database;
  readonly #identity: AgentIdentity;
  readonly #states: AgentStates;
  readonly #pokes: AgentPokes;
  readonly #views: AgentViews;
  readonly #observe: Observe;
  readonly #sessions = new Set<AgentSession>();
  readonly #log = new Logger('agent-link');

  constructor(
    database: Database,
    identity: AgentIdentity,
    states: AgentStates,
    pokes: AgentPokes,
    views: AgentViews,
    observe: Observe,
  ) {
    this.#database = database;
    this.#identity = identity;
    this.#states = states;
    this.#pokes = pokes;
    this.#views = views;
    this.#observe = observe;
  }

  /** Streams never end by themselves: without this the server would wait for them. */
  beforeApplicationShutdown(): void {
    for (const session of this.#sessions) session.end();
  }

  /** Agents whose stream this process holds. */
  get connected(): ReadonlySet<string> {
    return new Set([...this.#sessions].map((session) => session.agentId));
  }

  @GrpcMethod(SERVICE, 'Enroll')
  async enrol(request: EnrollRequest): Promise<EnrollReply> {
    const reply = await this.#identity.enrol(request);
    this.#log.log({ agentId: reply.agentId, region: reply.region }, 'agent enrolled');
    return reply;
  }

  @GrpcMethod(SERVICE, 'LinkCertificates')
  linkCertificates(request: LinkCertificatesRequest): LinkCertificatesReply {
    return this.#identity.certificates(request);
  }

  @GrpcMethod(SERVICE, 'Authenticate')
  authenticate(request: AuthenticateRequest): Promise<AuthenticateReply> {
    return this.#identity.authenticate(request);
  }

  @GrpcMethod(SERVICE, 'PullState')
  async pullState(request: PullStateRequest, metadata: Metadata): Promise<StateUpdate> {
    const agent = await this.#identity.caller(metadata);
    await this.#database.agents.seen(agent.id, new Date(), readEndpoints(request.endpointsJson));
    const update = await this.#states.newerThan(agent.id, request.haveVersion);
    // an empty body answers "you have the latest"
    return update ?? { version: request.haveVersion, desiredJson: '', signature: '' };
  }

  @GrpcMethod(SERVICE, 'PushStatus')
  async pushStatus(request: StatusReport, metadata: Metadata): Promise<{ ok: boolean }> {
    const agent = await this.#identity.caller(metadata);
    await this.#database.agents.seen(agent.id, new Date());
    await this.#report(agent.id, request);
    return { ok: true };
  }

  @GrpcMethod(SERVICE, 'PushUsage')
  async pushUsage(request: UsageBatch, metadata: Metadata): Promise<UsageAck> {
    const agent = await this.#identity.caller(metadata);
    if (!this.#identity.signedBy(agent, request.windowsJson, request.signature))
      throw refuse(status.UNAUTHENTICATED, 'the batch is not signed by the agent');
    const windows = readJson(UsageWindows, request.windowsJson, 'windows_json');
    const result = await this.#database.metering.ingest(agent.id, windows, new Date());
    if (result.quarantined > 0)
      this.#log.warn({ agentId: agent.id, quarantined: result.quarantined }, 'usage windows were put in quarantine');
    return { seq: request.seq, ...result };
  }

  @GrpcStreamCall(SERVICE, 'Session')
  async session(call: SessionCall): Promise<void> {
    try {
      const agent = await this.#identity.caller(call.metadata);
      const report = (agentId: string, message: StatusReport): Promise<void> => this.#report(agentId, message);
      const rooms = { database: this.#database, states: this.#states, pokes: this.#pokes, views: this.#views, report };
      const session = new AgentSession(rooms, call, agent);
      this.#sessions.add(session);
      this.#log.log({ agentId: agent.id }, 'session open');
      try {
        await session.run();
      } finally {
        this.#sessions.delete(session);
        this.#log.log({ agentId: agent.id }, 'session ended');
      }
      call.end();
    } catch (error) {
      if (call.cancelled) return;
      call.emit('error', this.#asServiceError(error));
    }
  }

  async #report(agentId: string, message: StatusReport): Promise<void> {
    const namespaces = readJson(NamespacesReply, message.namespacesJson, 'namespaces_json');
    if (message.agentJson)
      await this.#database.fleet.report(agentId, readJson(AgentObserved, message.agentJson, 'agent_json'));
    await this.#observe.report(agentId, { version: message.version, namespaces });
  }

  #asServiceError(error: unknown): Partial<ServiceError> {
    if (error instanceof RpcException) return error.getError() as Partial<ServiceError>;
    this.#log.error(error);
    return { code: status.INTERNAL, details: 'internal' };
  }
}
