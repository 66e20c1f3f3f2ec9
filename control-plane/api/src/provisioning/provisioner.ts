import { InjectQueue, Processor, WorkerHost } from '@nestjs/bullmq';
import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Database, WorkQueue } from '@robustmq/db';
import { Queue } from 'bullmq';
import type { Job } from 'bullmq';
import { expireTopic } from '../clusters/topic-window.ts';
import { lockedCluster } from './cluster-situation.ts';
import { ClusterWatch } from './cluster-watch.ts';
import { Reconcile } from './reconcile.ts';

export const RECONCILE_QUEUE = 'reconcile-cluster';
/** How often promised work that is not done is looked for, in milliseconds, and how much of it at once. */
const SWEEP_MS = 5_000;
const SWEEP_BATCH = 100;
/** How long a write waits for the agent before it answers "not yet", in milliseconds. */
const APPLIED_WAIT_MS = 2_000;
/** Reconciles run at once for requests, so that they leave connections to those who only read; and those that wait. */
const KICKS_MAX = 4;
const KICKS_WAITING_MAX = 10_000;
/** An agent that was not heard of for so long is not waited for, in milliseconds. */
const AGENT_SILENT_MS = 40_000;

interface ReconcileJob {
  readonly clusterId: string;
  readonly tenantId: string;
}

/**
 * Gets reconcile run: at once after a commit, and again from the queue until the promise in the outbox is kept. The
 * queue is the road for retries; a create never waits for it.
 */
@Injectable()
export class Provisioner implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #database: Database;
  readonly #reconcile: Reconcile;
  readonly #watch: ClusterWatch;
  readonly #queue: Queue<ReconcileJob>;
  readonly #log = new Logger('provisioner');
  readonly #waiting: (() => void)[] = [];
  #kicking = 0;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;

  constructor(
    database: Database,
    reconcile: Reconcile,
    watch: ClusterWatch,
    @InjectQueue(RECONCILE_QUEUE) queue: Queue<ReconcileJob>,
  ) {
    this.#database = database;
    this.#reconcile = reconcile;
    this.#watch = watch;
    this.#queue = queue;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => {
      this.#sweeping ??= this.sweep()
        .catch((error: unknown) => this.#log.error(error))
        .finally(() => (this.#sweeping = undefined));
    }, SWEEP_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  /** Runs reconcile now. A failure here is no failure of the request: the promise is in the outbox. */
  async kick(tenantId: string, clusterId: string): Promise<void> {
    if (this.#kicking >= KICKS_MAX) {
      if (this.#waiting.length >= KICKS_WAITING_MAX) return;
      await new Promise<void>((turn) => this.#waiting.push(turn));
    } else this.#kicking += 1;
    try {
      await this.#reconcile.run(tenantId, clusterId);
    } catch (error) {
      this.#log.error({ err: error, clusterId }, 'reconcile failed; the sweep will run it again');
    } finally {
      // the turn is handed over, or given back
      const next = this.#waiting.shift();
      if (next) next();
      else this.#kicking -= 1;
    }
  }

  /**
   * Runs reconcile and waits until the agent serves `generation`; false when it does not within two seconds, or when no
   * agent is there to do it.
   */
  async kickAndWait(tenantId: string, clusterId: string, generation: number): Promise<boolean> {
    const applied = this.#watch.applied(clusterId, generation, APPLIED_WAIT_MS);
    await this.kick(tenantId, clusterId);
    const cluster = await this.#database.withTenant(tenantId, (tx) =>
      tx.cluster.findUnique({ where: { id: clusterId }, select: { observedGeneration: true, agent: true } }),
    );
    if (!cluster || cluster.observedGeneration >= generation) return cluster !== null;
    const heardMs = cluster.agent?.lastSeenAt ? Date.now() - cluster.agent.lastSeenAt.getTime() : Infinity;
    return heardMs < AGENT_SILENT_MS ? applied : false;
  }

  /** Clusters whose restore window is over: from here on they are deleted for good. */
  async #expire(): Promise<void> {
    for (const { key, tenantId } of await this.#database.work.takeDue('expire-cluster', SWEEP_BATCH)) {
      await this.#database.withTenant(tenantId, async (tx) => {
        const row = await lockedCluster(tx, key);
        if (row && row.restoreUntil !== null && row.restoreUntil <= new Date()) {
          const data = { restoreUntil: null, deletionRequestedAt: new Date(), phase: 'Deleting' };
          await tx.cluster.update({ where: { id: key }, data: { ...data, generation: { increment: 1 } } });
          await WorkQueue.promise(tx, 'reconcile-cluster', key, tenantId);
        }
        if (!row || row.restoreUntil === null || row.restoreUntil <= new Date())
          await WorkQueue.done(tx, 'expire-cluster', key);
      });
    }
  }

  /** Topics whose window is over: from here on they are deleted for good. */
  async #expireTopics(): Promise<void> {
    for (const { key, tenantId } of await this.#database.work.takeDue('expire-topic', SWEEP_BATCH))
      await this.#database.withTenant(tenantId, (tx) => expireTopic(tx, key));
  }

  /** Puts everything that is promised and due into the queue. */
  async sweep(): Promise<void> {
    await this.#expire();
    await this.#expireTopics();
    const due = await this.#database.work.takeDue('reconcile-cluster', SWEEP_BATCH);
    for (const { key, tenantId } of due) {
      await this.#queue.add(
        RECONCILE_QUEUE,
        { clusterId: key, tenantId },
        // one waiting job per cluster; a finished one leaves nothing behind
        { jobId: key, removeOnComplete: true, removeOnFail: true },
      );
    }
  }
}

/** Works the queue off. */
@Processor(RECONCILE_QUEUE, { concurrency: 4 })
export class ReconcileWorker extends WorkerHost {
  readonly #reconcile: Reconcile;
  constructor(reconcile: Reconcile) {
    super();
    this.#reconcile = reconcile;
  }

  async process(job: Job<ReconcileJob>): Promise<void> {
    await this.#reconcile.run(job.data.tenantId, job.data.clusterId);
  }
}
