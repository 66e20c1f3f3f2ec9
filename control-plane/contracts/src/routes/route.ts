import type { z } from 'zod';
import type { Permission } from '../permissions.ts';
import type { ProblemCode } from '../problems.ts';

/** Who may call a route: nobody in particular, any signed-in person or key, or who has the permission in the path's tenant. */
export type RouteAccess = 'public' | 'signed-in' | { readonly permission: Permission };

/**
 * One REST route as data. The API serves exactly these, the OpenAPI document and the typed client are made from them,
 * and the role matrix is read off them.
 */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** OpenAPI path template below the server root. */
  readonly path: `/v1/${string}`;
  readonly tag: string;
  readonly summary: string;
  readonly access: RouteAccess;
  /** Dangerous: people with a second factor prove it again when that was long ago. */
  readonly stepUp?: true;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Success status and body; a `z.void()` body has no content. */
  readonly status: 200 | 201 | 202 | 204;
  readonly response: z.ZodType;
  /** The property of the answer that is its ETag; writes of the same resource honour If-Match. */
  readonly etag?: 'revision' | 'version';
  /** `?dry_run=true` carries the write out and takes it back: 200 with a `DryRun` instead of the answer. */
  readonly dryRun?: true;
  /** Refusals peculiar to the route; 400, 401, 403, 404, 429 and 500 go without saying where they can happen. */
  readonly problems?: readonly ProblemCode[];
}
