import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { sameText } from '../auth/tokens.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Unlisted } from '../http/route.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';
import { BillingLink } from './billing-link.ts';

/** Names of reports and actions as billing has them. */
const NAME = /^[a-z][a-z-]{1,40}$/;

/** Money for whoever runs the platform: reports and actions by name, one bearer token, no tenant. */
@Unlisted()
@Controller('v1/operator/billing')
export class BillingOperatorController {
  readonly #billing: BillingLink;
  readonly #settings: Settings;
  constructor(billing: BillingLink, @Inject(SETTINGS) settings: Settings) {
    this.#billing = billing;
    this.#settings = settings;
  }

  /** `reconciliation`, `revenue`, `prices`, `held` */
  @Get(':report')
  report(@Req() request: FastifyRequest, @Param('report') name: string, @Query() query: object): Promise<unknown> {
    this.#check(request, name);
    const search = new URLSearchParams(query as Record<string, string>).toString();
    return this.#billing.ask({ method: 'GET', path: `/internal/operator/${name}?${search}` });
  }

  /** `publish-price`, `preview-price`, `create-coupon`, `grant-credit`, `mark-paid`, … */
  @Post(':action')
  @HttpCode(200)
  act(@Req() request: FastifyRequest, @Param('action') name: string, @Body() body: unknown): Promise<unknown> {
    this.#check(request, name);
    return this.#billing.ask({ method: 'POST', path: `/internal/operator/${name}`, body: body ?? {} });
  }

  #check(request: FastifyRequest, name: string): void {
    const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!sameText(given, this.#settings.operatorToken)) throw new ProblemError('unauthenticated');
    if (!NAME.test(name)) throw notFound();
  }
}
