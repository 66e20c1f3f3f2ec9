import type { UsageWindow } from '@robustmq/contracts/data-plane';
import { AgentError } from './agent-error.ts';
import type { NodeAdminClient } from './node-admin-client.ts';
import type { UsageSpool } from './usage-spool.ts';

/** Windows asked for at once. */
const FETCH_WINDOWS_MAX = 1_000;

/**
 * Moves closed usage windows from nodes to the spool. Fetch, make durable here, then let the node forget: a crash in
 * between only fetches again, and what is fetched twice counts once (identity of a window).
 */
export class UsageCollector {
  readonly #spool: UsageSpool;
  /** Highest seq in the spool per `nodeId/nodeEpoch`. */
  readonly #spooled: Map<string, number>;
  /** Highest seq the node was told to forget, per `nodeId/nodeEpoch`. */
  readonly #forgotten = new Map<string, number>();

  constructor(spool: UsageSpool, spooled: Map<string, number>) {
    this.#spool = spool;
    this.#spooled = spooled;
  }

  /** Opens a collector that goes on where the spool on disk ends. */
  static async open(spool: UsageSpool): Promise<UsageCollector> {
    return new UsageCollector(spool, await spool.lastSeqs());
  }

  /** Takes everything a node has closed; resolves to the number of windows. At most one call per node at a time. */
  async collect(nodeId: string, nodeEpoch: string, admin: NodeAdminClient): Promise<number> {
    const key = `${nodeId}/${nodeEpoch}`;
    let count = 0;
    for (;;) {
      const after = this.#spooled.get(key) ?? 0;
      if (after > (this.#forgotten.get(key) ?? 0)) {
        await admin.forgetUsage(after);
        this.#forgotten.set(key, after);
      }
      const reply = await admin.usage(after, FETCH_WINDOWS_MAX);
      if (reply.nodeEpoch !== nodeEpoch) {
        throw new AgentError('node-refused', `node ${nodeId} changed its epoch while it was running`);
      }
      const fresh = reply.windows.filter((window) => window.seq > after);
      if (fresh.length === 0) return count;
      await this.#spool.append(fresh);
      this.#spooled.set(key, lastSeq(fresh));
      count += fresh.length;
    }
  }
}

const lastSeq = (windows: readonly UsageWindow[]): number => Math.max(...windows.map((window) => window.seq));
