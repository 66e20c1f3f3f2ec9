import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runMigrations } from 'bullmq';
import pg from 'pg';
import { DatabaseError } from './database.ts';

/** The role api and billing connect as. */
export const APPLICATION_ROLE = 'robustmq_app';
/** Schema of BullMQ's PostgreSQL backend. */
export const QUEUE_SCHEMA = 'bullmq';
/** Advisory lock that Prisma's own engine takes while it migrates. */
const MIGRATION_LOCK = 72_707_369;
const MIGRATIONS = fileURLToPath(new URL('../prisma/migrations', import.meta.url));

export interface PrepareOptions {
  /** URL of the owner role; the database is made when it does not exist. */
  readonly ownerUrl: string;
  /** Password the application role gets. */
  readonly appPassword: string;
}

interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** The committed migrations in order. */
export function committedMigrations(): Migration[] {
  return readdirSync(MIGRATIONS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(MIGRATIONS, name, 'migration.sql'), 'utf8') }));
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // a connection that breaks between statements fails the next statement; it must not end the process
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Connects, making the database first when the server says it does not exist (3D000). */
async function connectOrCreate(ownerUrl: string): Promise<pg.Client> {
  try {
    return await connected(ownerUrl);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== '3D000') throw error;
  }
  const server = new URL(ownerUrl);
  const name = decodeURIComponent(server.pathname.slice(1));
  server.pathname = '/postgres';
  const admin = await connected(server.href);
  try {
    await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`).catch((error: unknown) => {
      // somebody else made it in the meantime
      if (!(error instanceof pg.DatabaseError) || !['42P04', '23505'].includes(error.code ?? '')) throw error;
    });
  } finally {
    await admin.end();
  }
  return connected(ownerUrl);
}

const CREATE_HISTORY = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`;

/**
 * Applies what is not applied yet, each file in one transaction with its row in `_prisma_migrations` as Prisma's CLI
 * writes it, so either may continue the other's history. Refuses a database whose applied migrations differ from ours.
 */
async function migrate(client: pg.Client): Promise<string[]> {
  await client.query(CREATE_HISTORY);
  const { rows } = await client.query<{ migration_name: string; checksum: string; finished_at: Date | null }>(
    'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL',
  );
  const applied = new Map(rows.map((row) => [row.migration_name, row]));
  const committed = committedMigrations();
  const unknown = rows.find((row) => !committed.some((migration) => migration.name === row.migration_name));
  if (unknown)
    throw new DatabaseError(
      `The database is newer than this program: it has the migration "${unknown.migration_name}".`,
    );
  const done: string[] = [];
  for (const { name, sql } of committed) {
    const checksum = createHash('sha256').update(sql).digest('hex');
    const before = applied.get(name);
    if (before?.finished_at && before.checksum === checksum) continue;
    if (before) throw new DatabaseError(`The migration "${name}" was applied in another form, or failed half-way.`);
    await client.query('BEGIN');
    try {
      await client.query(sql);
      await client.query(
        'INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count) VALUES ($1, $2, now(), $3, now(), 1)',
        [randomUUID(), checksum, name],
      );
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    }
    done.push(name);
  }
  return done;
}

async function grantQueue(client: pg.Client): Promise<void> {
  const role = pg.escapeIdentifier(APPLICATION_ROLE);
  const schema = pg.escapeIdentifier(QUEUE_SCHEMA);
  await client.query(`
    GRANT USAGE ON SCHEMA ${schema} TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role};
    GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role};
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${schema} TO ${role};`);
}

/**
 * Makes the database ready for api and billing: database, migrations, application role with its password, the queue's
 * schema, grants. May run any number of times and concurrently (an advisory lock serialises it). Answers the URL to
 * connect with and the migrations applied now. Throws `DatabaseError` with one sentence.
 */
export async function prepareDatabase(options: PrepareOptions): Promise<{ appUrl: string; applied: string[] }> {
  let client: pg.Client | undefined;
  try {
    client = await connectOrCreate(options.ownerUrl);
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await migrate(client);
    await client.query(
      `ALTER ROLE ${pg.escapeIdentifier(APPLICATION_ROLE)} LOGIN PASSWORD ${pg.escapeLiteral(options.appPassword)}`,
    );
    await runMigrations(client, QUEUE_SCHEMA);
    await grantQueue(client);
    const appUrl = new URL(options.ownerUrl);
    appUrl.username = APPLICATION_ROLE;
    appUrl.password = encodeURIComponent(options.appPassword);
    return { appUrl: appUrl.href, applied };
  } catch (error) {
    if (error instanceof DatabaseError) throw error;
    const reason = error instanceof Error ? error.message || String(Reflect.get(error, 'code')) : String(error);
    throw new DatabaseError(`The database could not be prepared: ${reason}`, { cause: error });
  } finally {
    await client?.end();
  }
}
