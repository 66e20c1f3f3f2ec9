import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import {
  BeginRolloutBody,
  CordonBody,
  DrainBody,
  InternalBody,
  MoveClusterBody,
  PlacementQuery,
  PublishReleaseBody,
  ReleaseManifest,
  releaseText,
  type OperatorAgents,
  type OperatorRegion,
  type OperatorRollout,
} from '@robustmq/contracts';
import { Database, WorkQueue, type Release, type Rollout } from '@robustmq/db';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { KeyRing } from '../auth/key-ring.ts';
import { sameText } from '../auth/tokens.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Unlisted } from '../http/route.ts';
import { validated } from '../http/validation.ts';
import { AgentPokes } from '../provisioning/agent-pokes.ts';
import { rankAgents, type RankedAgent } from '../provisioning/placement.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import type { Settings } from '../settings.ts';
import { PROGRAM_VERSION } from '../program-version.ts';
import { SETTINGS } from '../tokens.ts';
import { FleetWatch, UNKNOWN_MS } from './fleet-watch.ts';
import { operatorAgent, regionsOf } from './operator-agent.ts';

type OperatorAgent = OperatorAgents['items'][number];
type ReleaseShown = ReleaseManifest & { readonly id: string; readonly createdAt: string };

const shownRelease = ({ id, createdAt, manifest }: Release): ReleaseShown => ({
  ...{ id, createdAt: createdAt.toISOString() },
  ...ReleaseManifest.parse(manifest),
});
const shownRollout = (row: Rollout): OperatorRollout => ({
  ...{ id: row.id, releaseId: row.releaseId, wave: row.wave, soakSeconds: row.soakSeconds, reason: row.reason },
  state: row.state === 'done' || row.state === 'rolled-back' ? row.state : 'running',
  waveStartedAt: row.waveStartedAt.toISOString(),
  createdAt: row.createdAt.toISOString(),
});

/** Compares by numbers; what follows a hyphen does not count. */
const isOlder = (a: string, b: string): boolean => {
  const [left, right] = [a, b].map((text) => text.split('-')[0]!.split('.').map(Number)) as [number[], number[]];
  for (let n = 0; n < 3; n += 1) if ((left[n] ?? 0) !== (right[n] ?? 0)) return (left[n] ?? 0) < (right[n] ?? 0);
  return false;
};

/** Machines and what runs on them, for whoever runs the platform: one bearer token, no tenant. */
@Unlisted()
@Controller('v1/operator')
export class FleetController {
  readonly #database: Database;
  readonly #pokes: AgentPokes;
  readonly #watch: FleetWatch;
  readonly #keys: KeyRing;
  readonly #provisioner: Provisioner;
  readonly #settings: Settings;
  constructor(
    database: Database,
    pokes: AgentPokes,
    watch: FleetWatch,
    keys: KeyRing,
    provisioner: Provisioner,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#database = database;
    this.#pokes = pokes;
    this.#watch = watch;
    this.#keys = keys;
    this.#provisioner = provisioner;
    this.#settings = settings;
  }

  /** New clusters go elsewhere; what is there stays. */
  @Post('agents/:agentId/cordon')
  @HttpCode(200)
  cordon(@Req() request: FastifyRequest, @Param('agentId') id: string, @Body() body: unknown): Promise<OperatorAgent> {
    const { reason } = validated(CordonBody, body ?? {}, 'body');
    return this.#changed(request, id, () => this.#database.fleet.cordon(id, reason, new Date()));
  }

  @Post('agents/:agentId/uncordon')
  @HttpCode(200)
  uncordon(@Req() request: FastifyRequest, @Param('agentId') id: string): Promise<OperatorAgent> {
    return this.#changed(request, id, async () => {
      const found = await this.#database.fleet.cordon(id, null, new Date());
      if (found) await this.#renew(id);
      return found;
    });
  }

  /** Cordons, and has every cluster lead its clients away, before the machine is taken down. */
  @Post('agents/:agentId/drain')
  @HttpCode(200)
  drain(@Req() request: FastifyRequest, @Param('agentId') id: string, @Body() body: unknown): Promise<OperatorAgent> {
    const { reason } = validated(DrainBody, body ?? {}, 'body');
    return this.#changed(request, id, async () => {
      const now = new Date();
      const found = (await this.#database.fleet.cordon(id, reason, now)) && (await this.#database.fleet.drain(id, now));
      if (found) await this.#renew(id);
      return found;
    });
  }

  @Post('agents/:agentId/internal')
  @HttpCode(200)
  internal(
    @Req() request: FastifyRequest,
    @Param('agentId') id: string,
    @Body() body: unknown,
  ): Promise<OperatorAgent> {
    const { internal } = validated(InternalBody, body ?? {}, 'body');
    return this.#changed(request, id, () => this.#database.fleet.markInternal(id, internal));
  }

  @Get('regions')
  async regions(@Req() request: FastifyRequest): Promise<{ items: OperatorRegion[] }> {
    this.#check(request);
    return { items: regionsOf(await this.#agents()) };
  }

  /** Every node of every agent. */
  @Get('nodes')
  async nodes(@Req() request: FastifyRequest): Promise<{ items: object[] }> {
    this.#check(request);
    const agents = await this.#agents();
    return {
      items: agents.flatMap(({ id, region, connected, observed }) =>
        (observed?.nodes ?? []).map((node) => ({ agentId: id, region, connected, ...node })),
      ),
    };
  }

  /** Where a cluster would go now, and why not elsewhere. */
  @Get('placement')
  async placement(@Req() request: FastifyRequest, @Query() query: unknown): Promise<{ items: RankedAgent[] }> {
    this.#check(request);
    const { region, plan } = validated(PlacementQuery, query, 'query');
    return { items: rankAgents(await this.#database.fleet.placeable(region), plan, new Date()) };
  }

  /**
   * Moves a cluster that holds nothing yet. One that was ever served has its topics, sessions and retained messages in the
   * files of its node; nothing copies them, so it is refused.
   */
  @Post('clusters/:clusterId/move')
  @HttpCode(200)
  async move(
    @Req() request: FastifyRequest,
    @Param('clusterId') clusterId: string,
    @Body() body: unknown,
  ): Promise<{ clusterId: string; agentId: string }> {
    this.#check(request);
    const { tenantId, agentId } = validated(MoveClusterBody, body ?? {}, 'body');
    if (!z.uuid().safeParse(clusterId).success) throw notFound();
    if (!(await this.#database.agents.agent(agentId))) throw notFound();
    await this.#database.withTenant(tenantId, async (tx) => {
      const row = await tx.cluster.findUnique({ where: { id: clusterId } });
      if (!row || row.phase === 'Deleted') throw notFound();
      if (row.handedGeneration > 0)
        throw new ProblemError('conflict', {
          detail:
            'The cluster’s data (topics, sessions, retained messages, offsets) is in the files of its node and is not ' +
            'copied: it cannot move to another machine. Its node may be restarted or upgraded in place.',
        });
      await tx.cluster.update({ where: { id: clusterId }, data: { agentId } });
    });
    return { clusterId, agentId };
  }

  @Get('releases')
  async releases(@Req() request: FastifyRequest): Promise<{ items: ReleaseShown[] }> {
    this.#check(request);
    return { items: (await this.#database.fleet.releases()).map(shownRelease) };
  }

  /** Signs and publishes a release; nothing runs it yet. The same again is no error, another file of the same version is. */
  @Post('releases')
  @HttpCode(201)
  async publish(@Req() request: FastifyRequest, @Body() body: unknown): Promise<ReleaseShown> {
    this.#check(request);
    const wanted = validated(PublishReleaseBody, body ?? {}, 'body');
    if (isOlder(PROGRAM_VERSION, wanted.controlMin) || isOlder(wanted.controlMax, PROGRAM_VERSION))
      throw new ProblemError('conflict', {
        detail: `It works with control planes ${wanted.controlMin} to ${wanted.controlMax}; this one is ${PROGRAM_VERSION}.`,
      });
    const release = await this.#database.fleet.publish({ ...wanted, signature: this.#keys.sign(releaseText(wanted)) });
    if (!release)
      throw new ProblemError('conflict', { detail: `Version ${wanted.version} is published with another file.` });
    return shownRelease(release);
  }

  /** Begins the waves. */
  @Post('releases/:releaseId/rollout')
  @HttpCode(202)
  async rollOut(
    @Req() request: FastifyRequest,
    @Param('releaseId') releaseId: string,
    @Body() body: unknown,
  ): Promise<OperatorRollout> {
    this.#check(request);
    const { soakSeconds } = validated(BeginRolloutBody, body ?? {}, 'body');
    const known = z.uuid().safeParse(releaseId).success && (await this.#database.fleet.release(releaseId));
    if (!known) throw notFound();
    const rollout = await this.#database.fleet.beginRollout(releaseId, soakSeconds, new Date());
    if (!rollout) throw new ProblemError('conflict', { detail: 'Another rollout is running: one at a time.' });
    return shownRollout(rollout);
  }

  @Get('rollouts')
  async rollouts(@Req() request: FastifyRequest): Promise<{ items: OperatorRollout[] }> {
    this.#check(request);
    return { items: (await this.#database.fleet.rollouts()).map(shownRollout) };
  }

  /** Takes the running rollout back: every agent runs again what it ran before. */
  @Post('rollouts/:rolloutId/rollback')
  @HttpCode(200)
  async rollBack(@Req() request: FastifyRequest, @Param('rolloutId') rolloutId: string): Promise<OperatorRollout> {
    this.#check(request);
    const running = await this.#database.fleet.running();
    if (running?.id !== rolloutId) throw new ProblemError('conflict', { detail: 'This rollout is not running.' });
    await this.#watch.rollBack(running, 'by the operator', new Date());
    const now = (await this.#database.fleet.rollouts()).find(({ id }) => id === rolloutId);
    return shownRollout(now ?? running);
  }

  async #changed(request: FastifyRequest, id: string, change: () => Promise<boolean>): Promise<OperatorAgent> {
    this.#check(request);
    if (!z.uuid().safeParse(id).success || !(await change())) throw notFound();
    const agent = (await this.#agents()).find((one) => one.id === id);
    if (!agent) throw notFound();
    return agent;
  }

  /** A new generation of everything on the agent: what every cluster is told has changed. */
  async #renew(agentId: string): Promise<void> {
    for (const { id, tenantId } of await this.#database.fleet.clustersOn(agentId)) {
      await this.#database.withTenant(tenantId, async (tx) => {
        await tx.cluster.update({ where: { id }, data: { generation: { increment: 1 } } });
        await WorkQueue.promise(tx, 'reconcile-cluster', id, tenantId);
      });
      await this.#provisioner.kick(tenantId, id);
    }
  }

  async #agents(): Promise<OperatorAgent[]> {
    const releases = new Map((await this.#database.fleet.releases()).map(({ id, version }) => [id, version]));
    const rows = await this.#database.agents.list();
    return rows.map((row) => {
      const isHeard = Date.now() - (row.lastSeenAt?.getTime() ?? 0) < UNKNOWN_MS;
      return operatorAgent(row, this.#pokes.holds(row.id) || isHeard, releases);
    });
  }

  #check(request: FastifyRequest): void {
    const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!sameText(given, this.#settings.operatorToken)) throw new ProblemError('unauthenticated');
  }
}
