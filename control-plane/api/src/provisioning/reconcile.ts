import { Injectable, Inject, Logger } from '@nestjs/common';
import { Plan } from '@robustmq/contracts';
import { Agents, Database, Fleet, type ClusterRow, type TenantTx } from '@robustmq/db';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';
import { AgentPokes } from './agent-pokes.ts';
import { finishRemoval, lockedCluster, settle, situationOf } from './cluster-situation.ts';
import { rankAgents } from './placement.ts';
import { nextStep, type StepKind } from './plan.ts';

/** Steps of one run at most; the longest road (place, ports, hand over) has four. */
const STEPS_MAX = 8;

/**
 * Moves one cluster towards what is desired. Idempotent and level-triggered: create, change, retry, delete and crash
 * recovery are this one function. Each step is one transaction that looks again before it acts, so it may die between
 * any two steps, or run twice at once, and the world is the same after the next run.
 */
@Injectable()
export class Reconcile {
  readonly #database: Database;
  readonly #pokes: AgentPokes;
  readonly #settings: Settings;
  readonly #log = new Logger('reconcile');

  constructor(database: Database, pokes: AgentPokes, @Inject(SETTINGS) settings: Settings) {
    this.#database = database;
    this.#pokes = pokes;
    this.#settings = settings;
  }

  /** Runs steps until only the agent can move the cluster on, or nothing is left to do. */
  async run(tenantId: string, clusterId: string): Promise<void> {
    for (let count = 0; count < STEPS_MAX; count += 1) {
      const step = await this.step(tenantId, clusterId);
      if (step === 'rest' || step === 'await-agent' || step === 'finish-removal') return;
    }
    this.#log.warn({ clusterId }, 'more steps than a cluster needs; the sweep goes on');
  }

  /** One step, committed. A cluster that cannot be placed or given ports stays as it is and answers `await-agent`. */
  async step(tenantId: string, clusterId: string): Promise<StepKind> {
    const { step, agentId } = await this.#database.withTenant(tenantId, async (tx) => {
      const row = await lockedCluster(tx, clusterId);
      if (!row) return { step: 'rest' as const, agentId: null };
      const now = new Date();
      const wanted = nextStep(situationOf(row));
      const { row: after, done } = await this.#apply(tx, row, wanted, now);
      if (wanted !== 'finish-removal') await settle(tx, after, now);
      return { step: done ? wanted : ('await-agent' as const), agentId: after.agentId };
    });
    // after the commit: whoever holds the stream reads the new version, and a lost poke is made up by its own tick
    if (agentId !== null && (step === 'hand-over' || step === 'await-agent')) this.#pokes.poke(agentId);
    return step;
  }

  async #apply(tx: TenantTx, row: ClusterRow, step: StepKind, now: Date): Promise<{ row: ClusterRow; done: boolean }> {
    if (step === 'place') return this.#place(tx, row);
    if (step === 'allocate-ports') return this.#allocatePorts(tx, row);
    if (step === 'hand-over') {
      const handedVersion = await Agents.nextVersion(tx, row.agentId!);
      const data = { handedGeneration: row.generation, handedVersion };
      return { row: await tx.cluster.update({ where: { id: row.id }, data }), done: true };
    }
    if (step === 'finish-removal') await finishRemoval(tx, row, now);
    return { row, done: true };
  }

  async #place(tx: TenantTx, row: ClusterRow): Promise<{ row: ClusterRow; done: boolean }> {
    const candidates = await Fleet.placeable(tx, row.region);
    const [best] = rankAgents(candidates, Plan.parse(row.plan), new Date());
    if (!best?.eligible) return { row, done: false };
    this.#log.log({ clusterId: row.id, agentId: best.agentId, reasons: best.reasons }, 'cluster placed');
    return { row: await tx.cluster.update({ where: { id: row.id }, data: { agentId: best.agentId } }), done: true };
  }

  async #allocatePorts(tx: TenantTx, row: ClusterRow): Promise<{ row: ClusterRow; done: boolean }> {
    const { first, last } = this.#settings.portRange;
    const block = await Agents.allocatePorts(tx, { agentId: row.agentId!, clusterId: row.id, first, last });
    const data =
      block === undefined
        ? { lastError: 'No ports are left for another dedicated node.' }
        : { portBase: block.base, portCount: block.count, lastError: null };
    return { row: await tx.cluster.update({ where: { id: row.id }, data }), done: block !== undefined };
  }
}
