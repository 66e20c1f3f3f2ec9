import { PrismaPg } from '@prisma/adapter-pg';
import { Agents } from './agents.ts';
import { Fleet } from './fleet.ts';
import { PrismaClient } from './generated/prisma/client.ts';
import { Identity } from './identity.ts';
import { Metering } from './metering.ts';
import { Money } from './money.ts';
import { Notices } from './notices.ts';
import { People } from './people.ts';
import { SingleSignOn } from './single-sign-on.ts';
import { inScope, type ScopeOptions, type TenantTx } from './tenant-tx.ts';
import { WorkQueue } from './work.ts';

/** Connections one process holds at most. */
export const DATABASE_CONNECTIONS_MAX = 12;

/** How often a transaction is run before its conflict is given up to the caller. */
const TRANSACTION_ATTEMPTS_MAX = 4;

const codeOf = (error: unknown): unknown => (error instanceof Error ? Reflect.get(error, 'code') : undefined);

/** P2034: write conflict or deadlock; the raw-query form carries the SQLSTATE in its message. */
const isConflict = (error: unknown): boolean =>
  codeOf(error) === 'P2034' || (error instanceof Error && /\b(40001|40P01)\b/.test(error.message));

/** Whether a write failed because a unique name, key or id is taken. */
export const isUniqueViolation = (error: unknown): boolean => codeOf(error) === 'P2002';

/** Prisma's codes for a server that is away, and pg's for one that goes away under a connection. */
const AWAY = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
  'ECONNREFUSED',
  'ECONNRESET',
  '57P01',
]);

/** Whether work failed because the database does not answer at the moment: the same may work later. */
export const isDatabaseAway = (error: unknown): boolean =>
  AWAY.has(String(codeOf(error))) ||
  (error instanceof Error &&
    // the last one is pg's word for a pool whose connections are all in use
    /Can't reach database server|timeout exceeded when trying to connect/.test(error.message));

/** The database cannot be used as configured; `message` is one sentence for people. */
export class DatabaseError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DatabaseError';
  }
}

/** The control plane's database. There is no other way to a tenant's rows than `withTenant`. */
export class Database {
  readonly identity: Identity;
  readonly people: People;
  readonly sso: SingleSignOn;
  readonly agents: Agents;
  readonly fleet: Fleet;
  readonly metering: Metering;
  readonly money: Money;
  readonly work: WorkQueue;
  readonly notices: Notices;
  readonly #client: PrismaClient;

  private constructor(client: PrismaClient, url: string) {
    this.#client = client;
    this.notices = new Notices(url);
    this.identity = new Identity(client);
    this.people = new People(client);
    this.sso = new SingleSignOn(client);
    this.agents = new Agents(client);
    this.fleet = new Fleet(client);
    this.metering = new Metering(client);
    this.money = new Money(client);
    this.work = new WorkQueue(client);
  }

  /**
   * Connects as the application role. Throws `DatabaseError` when the server is not reachable, the schema is missing, or
   * the role could bypass row-level security: isolation that depends on a setting is not isolation.
   */
  static async open(options: { readonly url: string; readonly connectionsMax?: number }): Promise<Database> {
    const client = new PrismaClient({
      adapter: new PrismaPg({
        connectionString: options.url,
        max: options.connectionsMax ?? DATABASE_CONNECTIONS_MAX,
        connectionTimeoutMillis: 5_000,
      }),
    });
    try {
      await refuseBypass(client);
    } catch (error) {
      await client.$disconnect();
      if (error instanceof DatabaseError) throw error;
      const told = error instanceof Error ? error.message.trim().split('\n').at(-1)! : String(error);
      const reason = /Message: `(.+)`/.exec(told)?.[1] ?? told;
      throw new DatabaseError(`The database cannot be reached: ${reason}`, { cause: error });
    }
    return new Database(client, options.url);
  }

  /**
   * Runs `work` in one transaction that sees and may write the rows of `tenantId` and of no other tenant. A transaction
   * the server gave up for a deadlock or a serialization conflict is run again, so `work` has no effect outside of `tx`.
   */
  async withTenant<T>(tenantId: string, work: (tx: TenantTx) => Promise<T>, options?: ScopeOptions): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await inScope(this.#client, { setting: 'app.tenant_id', value: tenantId }, work, options);
      } catch (error) {
        if (attempt >= TRANSACTION_ATTEMPTS_MAX || !isConflict(error)) throw error;
      }
    }
  }

  /** Throws when the database does not answer. */
  async ping(): Promise<void> {
    await this.#client.$queryRaw`SELECT 1`;
  }

  async close(): Promise<void> {
    await this.notices.close();
    await this.#client.$disconnect();
  }
}

async function refuseBypass(client: PrismaClient): Promise<void> {
  const [role] = await client.$queryRaw<{ name: string; bypasses: boolean; owns: boolean; tables: number }[]>`
    SELECT rolname::text AS name, (rolsuper OR rolbypassrls) AS bypasses,
      EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
              AND pg_has_role(current_user, c.relowner, 'MEMBER')) AS owns,
      (SELECT count(*)::int FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
              AND c.relname = 'clusters') AS tables
    FROM pg_roles WHERE rolname = current_user`;
  if (!role || role.bypasses || role.owns)
    throw new DatabaseError(
      `The database role "${role?.name}" could bypass row-level security: connect as the application role that prepareDatabase makes.`,
    );
  if (role.tables === 0) throw new DatabaseError('The database has no tables: run prepareDatabase first.');
}
