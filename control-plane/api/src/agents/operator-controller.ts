import { Body, Controller, Get, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { CreateJoinTokenBody, type JoinTokenCreated, type OperatorAgents } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import type { FastifyRequest } from 'fastify';
import { KeyRing } from '../auth/key-ring.ts';
import { Mailer } from '../auth/mailer.ts';
import { newJoinToken, sameText } from '../auth/tokens.ts';
import { ProblemError } from '../http/problem-error.ts';
import { Unlisted } from '../http/route.ts';
import { validated } from '../http/validation.ts';
import { AgentPokes } from '../provisioning/agent-pokes.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';
import { LinkCertificates } from './link-certificates.ts';
import { operatorAgent } from './operator-agent.ts';

/** An agent without a stream that polls is heard of at least this often, in milliseconds. */
const POLL_SILENCE_MS = 15_000;

/** For whoever runs the platform: one bearer token, no tenant. */
@Unlisted()
@Controller('v1/operator')
export class OperatorController {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #pokes: AgentPokes;
  readonly #settings: Settings;
  readonly #startedAt = Date.now();
  readonly #mailer: Mailer;
  readonly #certificates: LinkCertificates | null;
  constructor(
    database: Database,
    keys: KeyRing,
    pokes: AgentPokes,
    mailer: Mailer,
    @Inject(LinkCertificates) certificates: LinkCertificates | null,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#mailer = mailer;
    this.#certificates = certificates;
    this.#database = database;
    this.#keys = keys;
    this.#pokes = pokes;
    this.#settings = settings;
  }

  /** Makes a join token; only its digest is stored. */
  @Post('join-tokens')
  @HttpCode(201)
  async mint(@Req() request: FastifyRequest, @Body() body: unknown): Promise<JoinTokenCreated> {
    this.#check(request);
    const { region, ttlSeconds } = validated(CreateJoinTokenBody, body ?? {}, 'body');
    const [fingerprint] = this.#certificates?.fingerprints ?? [];
    // the agent says its token to nobody who does not show this certificate
    const token = fingerprint === undefined ? newJoinToken() : `${newJoinToken()}.${fingerprint}`;
    const expiresAt = new Date(Date.now() + ttlSeconds * 1000);
    await this.#database.agents.mintJoinToken(this.#keys.digest(token), region, expiresAt);
    return { token, expiresAt: expiresAt.toISOString() };
  }

  /** Shows agents the announced certificate from now on and announces another; open streams stay. */
  @Post('link-certificate/rotate')
  @HttpCode(200)
  rotateLink(@Req() request: FastifyRequest): { readonly fingerprints: readonly string[] } {
    this.#check(request);
    if (!this.#certificates) throw new ProblemError('conflict', { detail: 'The agent link has no TLS of its own.' });
    this.#certificates.rotate();
    return { fingerprints: this.#certificates.fingerprints };
  }

  /** Mails to people, newest first: where no SMTP server is set, this is how they are read. */
  @Get('mails')
  async mails(@Req() request: FastifyRequest) {
    this.#check(request);
    return { items: await this.#mailer.outbox(200) };
  }

  @Get('agents')
  async agents(@Req() request: FastifyRequest): Promise<OperatorAgents> {
    this.#check(request);
    // what was seen before this process started says nothing about now
    const since = Math.max(this.#startedAt, Date.now() - POLL_SILENCE_MS);
    const rows = await this.#database.agents.list();
    const releases = new Map((await this.#database.fleet.releases()).map(({ id, version }) => [id, version]));
    return {
      items: rows.map((row) =>
        operatorAgent(row, this.#pokes.holds(row.id) || (row.lastSeenAt?.getTime() ?? 0) > since, releases),
      ),
    };
  }

  #check(request: FastifyRequest): void {
    const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!sameText(given, this.#settings.operatorToken)) throw new ProblemError('unauthenticated');
  }
}
