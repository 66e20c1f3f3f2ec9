import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { NODE_VIEWS, NodeViewName, PROBLEM_STATUS, type NodeView, type ProblemCode } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { z } from 'zod';
import { existingCluster } from '../clusters/cluster-change.ts';
import { ProblemError } from '../http/problem-error.ts';

/** A node has this long to answer, in milliseconds. */
export const VIEW_TIMEOUT_MS = 10_000;
/** How often an answer is looked for when no notice came, in milliseconds. */
const LOOK_MS = 1_000;
/** Calls that nobody took away are removed after this long, in milliseconds. */
const FORGOTTEN_MS = 60_000;
/** The largest answer, in bytes of JSON. */
const ANSWER_BYTES_MAX = 16 * 2 ** 20;

/** What an agent is asked, and what it says: exactly one of reply and error. */
export interface ViewQuestion {
  readonly clusterId: string;
  readonly view: string;
  readonly query: unknown;
}
export type ViewAnswer =
  { readonly reply: unknown } | { readonly error: { readonly code: string; readonly message: string } };

/** Puts a question to one agent; rejects with `unavailable` when its stream ends or the time is over. */
export type AskAgent = (question: ViewQuestion) => Promise<ViewAnswer>;

const Answer = z.union([
  z.object({ reply: z.unknown() }),
  z.object({ error: z.object({ code: z.string(), message: z.string() }) }),
]);

export const agentAway = (detail = 'The cluster’s agent does not answer at the moment; the cluster keeps serving.') =>
  new ProblemError('unavailable', { detail, headers: { 'retry-after': '5' } });

/**
 * Live looks into clusters. The agent's stream is held by one process of the control plane: the others hand the question
 * over in the database and are told by a notice when the answer is there.
 */
@Injectable()
export class AgentViews implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #database: Database;
  readonly #holders = new Map<string, AskAgent>();
  readonly #waiting = new Map<string, () => void>();
  readonly #log = new Logger('views');
  #release: (() => void)[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { notices } = this.#database;
    this.#release = [
      notices.on('robustmq_view_asked', (text) => {
        const [agentId = '', tenantId = '', callId = ''] = text.split(' ');
        const ask = this.#holders.get(agentId);
        if (ask) this.#carryOut(ask, tenantId, callId).catch((error: unknown) => this.#log.warn(error));
      }),
      notices.on('robustmq_view_answered', (callId) => this.#waiting.get(callId)?.()),
    ];
    await notices.start();
  }

  onApplicationShutdown(): void {
    for (const release of this.#release) release();
  }

  /** Takes the agent's questions; answers the release, which leaves a newer holder alone. */
  hold(agentId: string, ask: AskAgent): () => void {
    this.#holders.set(agentId, ask);
    return () => {
      if (this.#holders.get(agentId) === ask) this.#holders.delete(agentId);
    };
  }

  /**
   * Asks the node that serves the cluster. Throws `not-found` for an absent cluster, the node's own refusal, and
   * `unavailable` when agent or node are away or take longer than ten seconds.
   */
  async ask<V extends NodeView>(
    where: { readonly tenantId: string; readonly clusterId: string },
    view: V,
    query: z.input<(typeof NODE_VIEWS)[V]['query']>,
  ): Promise<z.output<(typeof NODE_VIEWS)[V]['reply']>> {
    const { tenantId, clusterId } = where;
    const row = await this.#database.withTenant(tenantId, (tx) => existingCluster(tx, clusterId));
    if (row.agentId === null || row.handedGeneration === 0) throw agentAway('The cluster is not placed yet.');
    const question = { clusterId, view, query: NODE_VIEWS[view].query.parse(query) };
    const local = this.#holders.get(row.agentId);
    const answer = local ? await local(question) : await this.#askElsewhere(tenantId, row.agentId, question);
    if ('error' in answer) throw refusalOf(answer.error);
    const read = NODE_VIEWS[view].reply.safeParse(answer.reply);
    if (!read.success) {
      this.#log.warn({ clusterId, view, issue: read.error.issues[0] }, 'a node answered in another shape');
      throw agentAway('The cluster’s node answered in a way that is not understood; it may have another version.');
    }
    return read.data as z.output<(typeof NODE_VIEWS)[V]['reply']>;
  }

  async #askElsewhere(tenantId: string, agentId: string, question: ViewQuestion): Promise<ViewAnswer> {
    const now = Date.now();
    if (!(await this.#database.agents.hasSession(agentId, new Date(now)))) throw agentAway();
    const { clusterId, view } = question;
    const { id } = await this.#database.withTenant(tenantId, async (tx) => {
      await tx.viewCall.deleteMany({ where: { createdAt: { lt: new Date(now - FORGOTTEN_MS) } } });
      return tx.viewCall.create({ data: { tenantId, clusterId, view, query: question.query as object } });
    });
    try {
      for (const deadline = now + VIEW_TIMEOUT_MS; ;) {
        const told = this.#notice(id, Math.min(LOOK_MS, deadline - Date.now()));
        this.#database.notices.tell('robustmq_view_asked', `${agentId} ${tenantId} ${id}`);
        await told;
        const call = await this.#database.withTenant(tenantId, (tx) => tx.viewCall.findUnique({ where: { id } }));
        if (call?.answer) return Answer.parse(call.answer) as ViewAnswer;
        if (!call || Date.now() >= deadline) throw agentAway();
      }
    } finally {
      await this.#database
        .withTenant(tenantId, (tx) => tx.viewCall.deleteMany({ where: { id } }))
        .catch(() => undefined);
    }
  }

  /** Settles at the notice, or when the time is over. */
  #notice(callId: string, ms: number): Promise<void> {
    return new Promise((done) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(callId);
        done();
      };
      const timer = setTimeout(finish, Math.max(0, ms));
      this.#waiting.set(callId, finish);
    });
  }

  /** Another process's question, for an agent that is held here. Asked twice, it is carried out once. */
  readonly #carrying = new Set<string>();
  async #carryOut(ask: AskAgent, tenantId: string, callId: string): Promise<void> {
    if (this.#carrying.has(callId)) return;
    this.#carrying.add(callId);
    try {
      const call = await this.#database.withTenant(tenantId, (tx) => tx.viewCall.findUnique({ where: { id: callId } }));
      if (!call || call.answer) return;
      const { clusterId, query } = call;
      const answer = await ask({ clusterId, view: NodeViewName.parse(call.view), query }).catch((): ViewAnswer => {
        return { error: { code: 'unavailable', message: agentAway().detail! } };
      });
      await this.#database.withTenant(tenantId, (tx) =>
        tx.viewCall.updateMany({ where: { id: callId }, data: { answer: answer as object } }),
      );
      this.#database.notices.tell('robustmq_view_answered', callId);
    } finally {
      this.#carrying.delete(callId);
    }
  }
}

/** What a node refuses becomes the same problem here; codes that are none of ours mean it could not answer. */
function refusalOf(error: { readonly code: string; readonly message: string }): ProblemError {
  const known = Object.hasOwn(PROBLEM_STATUS, error.code) && PROBLEM_STATUS[error.code as ProblemCode] < 500;
  return known
    ? new ProblemError(error.code as ProblemCode, { detail: error.message.slice(0, 500) })
    : agentAway(error.message === '' ? undefined : error.message.slice(0, 500));
}

/** Reads a ViewReply frame. */
export function readViewReply(frame: { readonly replyJson: string; readonly errorJson: string }): ViewAnswer {
  const unreadable: ViewAnswer = { error: { code: 'unavailable', message: 'The node’s answer cannot be read.' } };
  if (frame.replyJson.length > ANSWER_BYTES_MAX) return unreadable;
  try {
    const read =
      frame.errorJson === ''
        ? { reply: JSON.parse(frame.replyJson) as unknown }
        : { error: JSON.parse(frame.errorJson) as unknown };
    return Answer.parse(read) as ViewAnswer;
  } catch {
    return unreadable;
  }
}
