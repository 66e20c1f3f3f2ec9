import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { AgentEndpoints } from '@robustmq/contracts';
import type { AgentRow, Database } from '@robustmq/db';
import type { AgentPokes } from '../provisioning/agent-pokes.ts';
import type { AgentFrame, ControlFrame, Hello, SessionCall, StatusReport } from './agent-frames.ts';
import { refuse } from './agent-identity.ts';
import type { AgentStates } from './agent-states.ts';
import {
  agentAway,
  readViewReply,
  VIEW_TIMEOUT_MS,
  type AgentViews,
  type ViewAnswer,
  type ViewQuestion,
} from './agent-views.ts';

/** A session without a lease for this long is over, in milliseconds (agents send one every 10 s). */
export const SESSION_LEASE_MS = 40_000;
/** How often the session looks for a newer version by itself, in milliseconds: pokes may be lost. */
const LOOK_MS = 5_000;
/** Longest rest between two states, in milliseconds; normally as long as the one before took to make. */
const REST_MS_MAX = 2_000;
/** Live looks on their way to one agent at most. */
const VIEWS_MAX = 200;

export interface SessionRooms {
  readonly database: Database;
  readonly states: AgentStates;
  readonly pokes: AgentPokes;
  readonly views: AgentViews;
  /** Takes a whole status report; settles when it is committed. */
  readonly report: (agentId: string, report: StatusReport) => Promise<void>;
}

/** The endpoints in a Hello or PullState; undefined when the agent does not say. Throws INVALID_ARGUMENT. */
export function readEndpoints(json: string): AgentEndpoints | undefined {
  if (json === '') return undefined;
  try {
    return AgentEndpoints.parse(JSON.parse(json));
  } catch {
    throw refuse(status.INVALID_ARGUMENT, 'endpoints_json is not AgentEndpoints');
  }
}

/**
 * One stream of one agent, from Hello to its end. Frames are handled one after the other; the stream is read no faster
 * than that. Reports alone are written beside them: one of thousands of clusters takes longer than a lease lasts. The newest
 * session of an agent holds it; an older one is told and ended.
 */
export class AgentSession {
  readonly id = randomUUID();
  readonly #rooms: SessionRooms;
  readonly #call: SessionCall;
  readonly #agent: AgentRow;
  readonly #asked = new Map<string, (answer: ViewAnswer | undefined) => void>();
  #sentVersion = 0;
  #sending: Promise<void> | undefined;
  #sendAgain = false;
  #over = false;
  /** The newest report that nobody writes yet: reports are whole, so it stands for those before it. */
  #newestReport: StatusReport | undefined;
  #isReporting = false;
  #reportError: unknown;

  constructor(rooms: SessionRooms, call: SessionCall, agent: AgentRow) {
    this.#rooms = rooms;
    this.#call = call;
    this.#agent = agent;
  }

  get agentId(): string {
    return this.#agent.id;
  }

  /** Runs until the agent, the network or a newer session ends it. */
  async run(): Promise<void> {
    const { pokes, views } = this.#rooms;
    let release: (() => void) | undefined;
    const look = setInterval(() => this.#push(), LOOK_MS);
    try {
      // leaving the loop must not destroy the stream: the last frame and the status are still to be sent
      const frames: AsyncIterable<AgentFrame> = this.#call.iterator({ destroyOnReturn: false });
      for await (const frame of frames) {
        if (this.#over) break;
        if (release === undefined) {
          if (!frame.hello) throw refuse(status.FAILED_PRECONDITION, 'the first frame must be Hello');
          if (!(await this.#hello(frame.hello))) break;
          const releases = [
            pokes.hold(this.agentId, () => this.#push()),
            views.hold(this.agentId, (question) => this.#ask(question)),
          ];
          release = () => releases.forEach((one) => one());
          this.#push();
        } else if (!(await this.#handle(frame))) break;
      }
    } finally {
      this.#over = true;
      clearInterval(look);
      release?.();
      for (const answer of [...this.#asked.values()]) answer(undefined);
      await this.#rooms.database.agents.closeSession(this.agentId, this.id).catch(() => undefined);
    }
  }

  /** Ends the stream from this side; the agent dials again. */
  end(): void {
    this.#over = true;
    this.#call.end();
  }

  async #hello(hello: Hello): Promise<boolean> {
    if (hello.agentId !== this.agentId)
      throw refuse(status.PERMISSION_DENIED, 'Hello names another agent than the access token');
    const opened = await this.#rooms.database.agents.openSession({
      agentId: this.agentId,
      epoch: BigInt(hello.epoch),
      sessionId: this.id,
      holder: String(process.pid),
      agentVersion: hello.agentVersion.slice(0, 100),
      endpoints: readEndpoints(hello.endpointsJson),
      now: new Date(),
      leaseMs: SESSION_LEASE_MS,
    });
    if (!opened.accepted) {
      this.#write({ superseded: { byEpoch: Number(opened.epoch) } });
      return false;
    }
    this.#sentVersion = hello.haveVersion;
    return true;
  }

  /** False when the session is over. */
  async #handle(frame: AgentFrame): Promise<boolean> {
    // the agent takes what it has sent for heard: it has to dial again and say it all once more
    if (this.#reportError !== undefined) throw this.#reportError;
    if (frame.status) this.#report(frame.status);
    else if (frame.applied) {
      const { version, error } = frame.applied;
      await this.#rooms.database.agents.applied(
        this.agentId,
        BigInt(version),
        error === '' ? null : error.slice(0, 1_000),
      );
    } else if (frame.viewReply) this.#asked.get(frame.viewReply.id)?.(readViewReply(frame.viewReply));
    else if (frame.lease) return this.#lease(frame.lease.seq);
    return true;
  }

  #report(report: StatusReport): void {
    this.#newestReport = report;
    if (this.#isReporting) return;
    this.#isReporting = true;
    this.#writeReports().catch((error: unknown) => void (this.#reportError = error));
  }

  async #writeReports(): Promise<void> {
    for (let report = this.#newestReport; report !== undefined && !this.#over; report = this.#newestReport) {
      this.#newestReport = undefined;
      await this.#rooms.report(this.agentId, report);
    }
    this.#isReporting = false;
  }

  /** One live look; rejects with `unavailable` when the stream ends, nothing comes in time, or too many are on their way. */
  #ask(question: ViewQuestion): Promise<ViewAnswer> {
    if (this.#over || this.#asked.size >= VIEWS_MAX) return Promise.reject(agentAway());
    const id = randomUUID();
    return new Promise((resolve, reject) => {
      const finish = (answer: ViewAnswer | undefined): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        if (answer) resolve(answer);
        else reject(agentAway());
      };
      const timer = setTimeout(() => finish(undefined), VIEW_TIMEOUT_MS);
      this.#asked.set(id, finish);
      const { clusterId, view, query } = question;
      this.#write({ viewRequest: { id, clusterId, view, queryJson: JSON.stringify(query) } });
    });
  }

  async #lease(seq: number): Promise<boolean> {
    const { agents } = this.#rooms.database;
    const kept = await agents.renewSession(this.agentId, this.id, new Date(), SESSION_LEASE_MS);
    const agent = await agents.agent(this.agentId);
    if (agent?.disabledAt) throw refuse(status.UNAUTHENTICATED, 'the agent is disabled');
    if (!kept) {
      this.#write({ superseded: { byEpoch: Number(agent?.epoch ?? 0n) } });
      return false;
    }
    this.#write({ leaseAck: { seq, latestVersion: Number(agent?.desiredVersion ?? 0n) } });
    return true;
  }

  /**
   * Sends the state if there is a newer one; changes that come meanwhile are sent together after it. A state is whole, so
   * it takes the longer the more clusters the agent has: a rest as long leaves the requests of others half of the time.
   */
  #push(): void {
    if (this.#sending) {
      this.#sendAgain = true;
      return;
    }
    this.#sending = this.#sendAndRest().finally(() => {
      this.#sending = undefined;
      if (this.#sendAgain && !this.#over) {
        this.#sendAgain = false;
        this.#push();
      }
    });
  }

  async #sendAndRest(): Promise<void> {
    const startedMs = performance.now();
    await this.#sendNewer().catch(() => undefined); // the next look tries again
    const tookMs = Math.min(performance.now() - startedMs, REST_MS_MAX);
    if (!this.#over) await new Promise((resolve) => setTimeout(resolve, tookMs).unref());
  }

  async #sendNewer(): Promise<void> {
    if (this.#over) return;
    const update = await this.#rooms.states.newerThan(this.agentId, this.#sentVersion);
    if (!update || this.#over) return;
    this.#sentVersion = update.version;
    this.#write({ state: update });
  }

  #write(frame: ControlFrame): void {
    if (!this.#call.cancelled && !this.#call.destroyed) this.#call.write(frame);
  }
}
