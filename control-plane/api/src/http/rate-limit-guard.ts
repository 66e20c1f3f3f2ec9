import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerRequest } from '@nestjs/throttler';
import { ROUTES, type RouteName } from '@robustmq/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problem-error.ts';
import { ROUTE_METADATA } from './route.ts';

/** Addresses whose refusals are remembered at most; the oldest is forgotten first. */
const ADDRESSES_MAX = 50_000;

/**
 * Requests per caller: an API key or access token has its own budget, everybody else shares the one of their address.
 * Routes that need no sign-in look at no bearer, so there the address counts whatever is sent; and an address whose
 * bearers were refused a whole budget's worth of times is not asked for more: making tokens up buys nothing.
 * Answers carry `RateLimit-Policy` and `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers), times in seconds.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  /** address → answers 401 within the window */
  readonly #refusals = new Map<string, { readonly count: number; readonly until: number }>();

  protected override shouldSkip(context: ExecutionContext): Promise<boolean> {
    return Promise.resolve(context.getType() !== 'http');
  }

  #trackerOf(request: FastifyRequest, context: ExecutionContext): string {
    const bearer = request.headers.authorization;
    const name = this.reflector.get<RouteName | undefined>(ROUTE_METADATA, context.getHandler());
    const signedIn = name !== undefined && ROUTES[name].access !== 'public';
    if (bearer === undefined || !signedIn) return `address ${request.ip}`;
    return `bearer ${createHash('sha256').update(bearer).digest('base64')}`;
  }

  protected override generateKey(_: ExecutionContext, tracker: string, name: string): string {
    return `${name} ${tracker}`;
  }

  protected override async handleRequest(props: ThrottlerRequest): Promise<boolean> {
    const { context, limit, ttl, throttler, blockDuration } = props;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const name = throttler.name ?? 'default';
    const key = this.generateKey(context, this.#trackerOf(request, context), name);
    const hit = await this.storageService.increment(key, ttl, limit, blockDuration, name);
    const windowSeconds = Math.ceil(ttl / 1000);
    const resetSeconds = hit.isBlocked ? hit.timeToBlockExpire : hit.timeToExpire;
    reply.header('ratelimit-policy', `"${name}";q=${limit};w=${windowSeconds}`);
    reply.header('ratelimit', `"${name}";r=${Math.max(0, limit - hit.totalHits)};t=${resetSeconds}`);
    const refusedWaitMs = this.#refusedWaitMs(request.ip, limit);
    if (refusedWaitMs > 0)
      throw new ProblemError('too-many-requests', {
        detail: 'Too many requests with a wrong token or key came from this address.',
        headers: { 'retry-after': String(Math.ceil(refusedWaitMs / 1000)) },
      });
    reply.raw.once('finish', () => {
      if (reply.raw.statusCode === 401) this.#refused(request.ip, ttl);
    });
    if (hit.isBlocked)
      throw new ProblemError('too-many-requests', { headers: { 'retry-after': String(resetSeconds) } });
    return true;
  }

  #refusedWaitMs(address: string, limit: number): number {
    const refusals = this.#refusals.get(address);
    return refusals && refusals.count >= limit ? refusals.until - Date.now() : 0;
  }

  #refused(address: string, ttl: number): void {
    const now = Date.now();
    const before = this.#refusals.get(address);
    const refusals = before && before.until > now ? before : { count: 0, until: now + ttl };
    this.#refusals.delete(address);
    this.#refusals.set(address, { ...refusals, count: refusals.count + 1 });
    if (this.#refusals.size > ADDRESSES_MAX) this.#refusals.delete(this.#refusals.keys().next().value!);
  }
}
