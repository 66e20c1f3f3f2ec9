import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerRequest } from '@nestjs/throttler';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problem-error.ts';

/**
 * Requests per caller: an API key or access token has its own budget, everybody else shares the one of their address.
 * Answers carry `RateLimit-Policy` and `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers), times in seconds.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  protected override shouldSkip(context: ExecutionContext): Promise<boolean> {
    return Promise.resolve(context.getType() !== 'http');
  }

  protected override getTracker(request: FastifyRequest): Promise<string> {
    const bearer = request.headers.authorization;
    if (bearer === undefined) return Promise.resolve(`address ${request.ip}`);
    return Promise.resolve(`bearer ${createHash('sha256').update(bearer).digest('base64')}`);
  }

  protected override generateKey(_: ExecutionContext, tracker: string, name: string): string {
    return `${name} ${tracker}`;
  }

  protected override async handleRequest(props: ThrottlerRequest): Promise<boolean> {
    const { context, limit, ttl, throttler, blockDuration } = props;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const name = throttler.name ?? 'default';
    const key = this.generateKey(context, await this.getTracker(request), name);
    const hit = await this.storageService.increment(key, ttl, limit, blockDuration, name);
    const windowSeconds = Math.ceil(ttl / 1000);
    const resetSeconds = hit.isBlocked ? hit.timeToBlockExpire : hit.timeToExpire;
    reply.header('ratelimit-policy', `"${name}";q=${limit};w=${windowSeconds}`);
    reply.header('ratelimit', `"${name}";r=${Math.max(0, limit - hit.totalHits)};t=${resetSeconds}`);
    if (hit.isBlocked)
      throw new ProblemError('too-many-requests', { headers: { 'retry-after': String(resetSeconds) } });
    return true;
  }
}
