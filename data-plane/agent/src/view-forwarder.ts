import type { Logger } from 'pino';
import { AgentError, sentenceOf } from './agent-error.ts';
import type { NodeAdminClient } from './node-admin-client.ts';
import type { ViewReply, ViewRequest } from './link-transport.ts';

/** Views that nodes answer at the same time; people look at few, and a node has other work. */
export const VIEWS_AT_ONCE = 8;
/** Views that wait for their turn; further ones are refused. */
export const VIEWS_WAITING_MAX = 64;

/** Where the clusters' nodes are. */
export interface ViewTargets {
  /** Admin endpoint of the node that serves the cluster; undefined while there is none. */
  adminOf(clusterId: string): Pick<NodeAdminClient, 'view'> | undefined;
  /** Whether the agent is to serve the cluster at all. */
  isDesired(clusterId: string): boolean;
}

/**
 * Carries live looks from the control plane to the node that serves the cluster and back. Every request gets one reply:
 * the node's, or an error {code, message} with a code of contracts/problems.ts.
 */
export class ViewForwarder {
  readonly #targets: ViewTargets;
  readonly #log: Logger;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(targets: ViewTargets, log: Logger) {
    this.#targets = targets;
    this.#log = log;
  }

  /** Never throws. */
  async answer({ id, clusterId, view, queryJson }: ViewRequest): Promise<ViewReply> {
    if (this.#waiting.length >= VIEWS_WAITING_MAX)
      return failure(id, 'too-many-requests', 'too many live views at once');
    if (this.#running >= VIEWS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
    try {
      const admin = this.#targets.adminOf(clusterId);
      if (admin !== undefined) return { id, replyJson: await admin.view(clusterId, view, queryJson), errorJson: '' };
      return this.#targets.isDesired(clusterId)
        ? failure(id, 'unavailable', 'the node of the cluster is not running at the moment')
        : failure(id, 'not-found', 'this agent does not serve the cluster');
    } catch (error) {
      this.#log.debug({ clusterId, view, error: sentenceOf(error) }, 'view not answered');
      const code = error instanceof AgentError ? (error.refusal ?? 'unavailable') : 'unavailable';
      return failure(id, code, sentenceOf(error));
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }
}

function failure(id: string, code: string, message: string): ViewReply {
  return { id, replyJson: '', errorJson: JSON.stringify({ code, message: message.slice(0, 500) }) };
}
