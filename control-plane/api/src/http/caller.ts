import type { Permission, Role, RouteName } from '@robustmq/contracts';
import type { FastifyRequest } from 'fastify';

/** Who makes a request. */
export type Principal =
  | {
      readonly type: 'user';
      readonly id: string;
      /** The family of the session's refresh tokens. */
      readonly sessionId?: string | undefined;
      /** When the person last proved who they are. */
      readonly authenticatedAt: Date;
      /** Came through the identity provider of this tenant, and is good there alone. */
      readonly ssoTenantId?: string | undefined;
    }
  | {
      readonly type: 'api-key';
      readonly id: string;
      readonly tenantId: string;
      readonly role: Role;
      readonly permissions: ReadonlySet<Permission>;
    };

/** What the access guard found out about a request, for everything after it. */
export interface Caller {
  readonly route: RouteName;
  /** Undefined on public routes. */
  readonly principal: Principal | undefined;
  /** Role in the tenant of the path; undefined on routes without one. */
  readonly role: Role | undefined;
  /** What the caller may do in the tenant of the path; empty on routes without one. */
  readonly permissions: ReadonlySet<Permission>;
  readonly ip: string;
  readonly requestId: string;
  readonly userAgent?: string | null;
  readonly idempotencyKey: string | undefined;
  /** Entity tags of If-Match; undefined when the request has none. */
  readonly ifMatch: readonly string[] | undefined;
  /** SHA-256 of method, path and body, hex. */
  readonly requestHash: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  /** The write is to be carried out and taken back. */
  readonly dryRun?: boolean;
  readonly body: unknown;
  /** Of the write, once it is committed; answered in the header `operation-id`. */
  operationId?: string;
}

/** A Fastify request once the access guard let it pass. */
export type CheckedRequest = FastifyRequest & { caller?: Caller };
