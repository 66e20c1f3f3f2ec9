import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPort } from '@robustmq/contracts/testing';
import pg from 'pg';
import { startPostgres } from '../embedded-postgres.ts';
import { prepareDatabase } from '../prepare-database.ts';

export { claimPort as freePort };

/** Where the one server of a test run is; set by `startTestServer` for the test files. */
const SERVER_VARIABLE = 'ROBUSTMQ_TEST_DATABASE_OWNER_URL';
const TEMPLATE = 'robustmq_template';
const APP_PASSWORD = 'tests only';

/** A database of one test file. */
export interface TestDatabase {
  /** URL of the application role (row-level security applies). */
  readonly url: string;
  /** URL of the owner role: for arranging and looking behind row-level security, never for the code under test. */
  readonly ownerUrl: string;
  /** Drops the database. */
  stop(): Promise<void>;
}

/**
 * Vitest `globalSetup`: one embedded PostgreSQL for the whole run with a migrated template database. Answers the
 * teardown.
 */
export async function startTestServer(): Promise<() => Promise<void>> {
  if (process.env[SERVER_VARIABLE]) return async () => undefined;
  const dir = mkdtempSync(join(tmpdir(), 'robustmq test '));
  const server = await startPostgres({
    dir: join(dir, 'data'),
    port: await claimPort(),
    password: randomBytes(12).toString('hex'),
    durable: false,
  });
  await prepareDatabase({ ownerUrl: server.url(TEMPLATE), appPassword: APP_PASSWORD });
  process.env[SERVER_VARIABLE] = server.url('postgres');
  return async () => {
    delete process.env[SERVER_VARIABLE];
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
}

async function asOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: process.env[SERVER_VARIABLE] });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * A fresh, migrated database for one test file, copied from the template. Uses the server of the run's `globalSetup`,
 * or starts one of its own when there is none.
 */
export async function startTestDatabase(): Promise<TestDatabase> {
  const stopServer = await startTestServer();
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asOwner((client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`));
  const owner = new URL(process.env[SERVER_VARIABLE]!);
  owner.pathname = `/${name}`;
  const app = new URL(owner.href);
  app.username = 'robustmq_app';
  app.password = encodeURIComponent(APP_PASSWORD);
  return {
    url: app.href,
    ownerUrl: owner.href,
    stop: async () => {
      await asOwner((client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
      await stopServer();
    },
  };
}
