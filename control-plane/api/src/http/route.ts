import {
  applyDecorators,
  createParamDecorator,
  HttpCode,
  RequestMapping,
  RequestMethod,
  SetMetadata,
} from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ROUTES, type RouteName } from '@robustmq/contracts';
import type { z } from 'zod';
import type { Caller, CheckedRequest } from './caller.ts';

export const ROUTE_METADATA = 'robustmq:route';
/** Handlers outside of ROUTES: health, metrics, documents, operator. They authenticate themselves. */
export const UNLISTED_METADATA = 'robustmq:unlisted';

const METHODS = {
  get: RequestMethod.GET,
  post: RequestMethod.POST,
  put: RequestMethod.PUT,
  patch: RequestMethod.PATCH,
  delete: RequestMethod.DELETE,
} as const;

/** `/v1/tenants/{tenantId}` → `/v1/tenants/:tenantId` */
export const nestPath = (template: string): string =>
  // a verb after a parameter (`{clusterId}:pause`) is text; `::` is a colon for the router
  template.replaceAll(/\{(\w+)\}:(\w+)/g, ':$1([^/:]+)::$2').replaceAll(/\{(\w+)\}/g, ':$1');

/** Serves one route of the contract: method, path, status, access and shapes all come from `ROUTES[name]`. */
export function Route(name: RouteName): MethodDecorator {
  const route = ROUTES[name];
  return applyDecorators(
    RequestMapping({ method: METHODS[route.method], path: nestPath(route.path) }),
    HttpCode(route.status),
    SetMetadata(ROUTE_METADATA, name),
  );
}

/** Marks a handler that is no part of the contract's routes and checks its callers itself. */
export const Unlisted = (): MethodDecorator & ClassDecorator => SetMetadata(UNLISTED_METADATA, true);

type Part<N extends RouteName, K extends 'params' | 'query' | 'body'> = (typeof ROUTES)[N] extends {
  readonly [P in K]: infer S extends z.ZodType;
}
  ? z.output<S>
  : undefined;

/** A request of one route after authentication, authorisation and validation. */
export interface RouteInput<N extends RouteName> extends Caller {
  readonly params: Part<N, 'params'> & Readonly<Record<string, string>>;
  readonly query: Part<N, 'query'>;
  readonly body: Part<N, 'body'>;
}

/** What a handler of the route answers; the route interceptor checks it against the contract. */
export type RouteOutput<N extends RouteName> = z.input<(typeof ROUTES)[N]['response']>;

/** Hands the checked request to a handler: `handle(@Input() input: RouteInput<'createCluster'>)`. */
export const Input = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<CheckedRequest>().caller;
});
