import { Injectable } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ROUTES, type Route, type RouteName } from '@robustmq/contracts';
import type { FastifyReply } from 'fastify';
import { map, type Observable } from 'rxjs';
import { z } from 'zod';
import type { CheckedRequest } from './caller.ts';
import { ROUTE_METADATA } from './route.ts';

/** Answers have the contract's shape: unknown properties are cut off, a wrong shape is our fault (500). */
@Injectable()
export class RouteInterceptor implements NestInterceptor {
  readonly #reflector: Reflector;
  constructor(reflector: Reflector) {
    this.#reflector = reflector;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const name = this.#reflector.get<RouteName | undefined>(ROUTE_METADATA, context.getHandler());
    if (name === undefined) return next.handle();
    const route: Route = ROUTES[name];
    return next.handle().pipe(
      map((answer: unknown) => {
        const http = context.switchToHttp();
        const operationId = http.getRequest<CheckedRequest>().caller?.operationId;
        if (operationId !== undefined) http.getResponse<FastifyReply>().header('operation-id', operationId);
        if (route.response instanceof z.ZodVoid) return undefined;
        const shown: unknown = route.response.parse(answer);
        if (route.etag !== undefined) {
          const version: unknown = Reflect.get(shown as object, route.etag);
          http.getResponse<FastifyReply>().header('etag', `"${String(version)}"`);
        }
        return shown;
      }),
    );
  }
}
