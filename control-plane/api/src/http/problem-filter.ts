import { Catch, HttpException, Logger } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { DRY_RUN_MEDIA, ROUTES, type Problem, type ProblemCode, type Route } from '@robustmq/contracts';
import { isDatabaseAway } from '@robustmq/db';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RpcException } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';
import { DryRunAnswer } from '../dry-run/dry-run.ts';
import { ProblemError } from './problem-error.ts';
import { portalAnswers } from './portal.ts';

/** Codes for what Fastify and Nest refuse by themselves, by HTTP status. */
const BY_STATUS: Record<number, ProblemCode> = {
  400: 'bad-request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  413: 'payload-too-large',
  415: 'unsupported-media-type',
  429: 'too-many-requests',
  503: 'unavailable',
};

const TEMPLATES = Object.values(ROUTES).map((route: Route) => ({
  method: route.method.toUpperCase(),
  pattern: new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
}));

/** Methods the contract has for a path; empty when the path is no resource. */
const methodsOf = (path: string): string[] =>
  TEMPLATES.filter((template) => template.pattern.test(path)).map((template) => template.method);

/** Turns everything that is thrown into one RFC 9457 problem; what is not a refusal is logged and told to nobody. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log = new Logger('http');

  catch(error: unknown, host: ArgumentsHost): Observable<never> | Promise<void> | void {
    if (host.getType() !== 'http') {
      if (error instanceof RpcException) return throwError(() => error.getError());
      this.#log.error(error);
      return throwError(() => new Error('internal'));
    }
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (error instanceof DryRunAnswer) return tried(error, reply);
    return this.#answer(error, request, reply);
  }

  async #answer(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    let problem = asProblem(error);
    const unmatched = problem.code === 'not-found' && !(error instanceof ProblemError);
    if (unmatched) {
      const path = request.url.split('?')[0]!;
      const allowed = methodsOf(path);
      if (allowed.length > 0)
        problem = new ProblemError('method-not-allowed', { headers: { allow: allowed.join(', ') } });
      else if (await portalAnswers(request, reply, path)) return;
    }
    if (problem.code === 'internal') this.#log.error({ err: error, requestId: request.id }, 'request failed');
    const body: Problem = {
      type: `/problems/${problem.code}`,
      title: problem.title,
      status: problem.status,
      ...(problem.detail === undefined ? {} : { detail: problem.detail }),
      instance: request.url.split('?')[0]!,
      code: problem.code,
      requestId: request.id,
      ...(problem.errors ? { errors: [...problem.errors] } : {}),
    };
    await reply
      .status(problem.status)
      .headers({
        ...problem.headers,
        'content-type': 'application/problem+json; charset=utf-8',
        'cache-control': 'no-store',
      })
      .send(JSON.stringify(body));
  }
}

/** A dry run ends like a refusal, by a throw that takes its transaction back; it is none. */
async function tried({ body }: DryRunAnswer, reply: FastifyReply): Promise<void> {
  const headers = { 'content-type': `${DRY_RUN_MEDIA}; charset=utf-8`, 'cache-control': 'no-store' };
  await reply.status(200).headers(headers).send(JSON.stringify(body));
}

/** The refusal in an error, or `internal` when it is none. */
export function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (isDatabaseAway(error))
    return new ProblemError('unavailable', {
      detail: 'The database does not answer at the moment; clusters keep serving.',
      headers: { 'retry-after': '2' },
    });
  const status =
    error instanceof HttpException
      ? error.getStatus()
      : error instanceof Error
        ? Number(Reflect.get(error, 'statusCode') ?? 500)
        : 500;
  const code = BY_STATUS[status] ?? (status >= 400 && status < 500 ? 'bad-request' : 'internal');
  if (code === 'bad-request' && error instanceof Error) return new ProblemError(code, { detail: error.message });
  return new ProblemError(code);
}
