import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type RunningPostgres } from './embedded-postgres.ts';
import { committedMigrations, prepareDatabase } from './prepare-database.ts';
import { freePort } from './testing/test-database.ts';

describe('the embedded PostgreSQL', () => {
  let home: string;
  let port: number;
  let server: RunningPostgres;
  const start = () => startPostgres({ dir: join(home, 'my data'), port, password: "s'p /ä", durable: false });

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'robustmq pg '));
    port = await freePort();
    server = await start();
  });
  afterAll(async () => {
    await server.stop();
    rmSync(home, { recursive: true, force: true });
  });

  const one = async (url: string): Promise<number> => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ n: number }>('SELECT 1 AS n');
    await client.end();
    return rows[0]!.n;
  };

  it('answers its password on a path with spaces and nobody else', async () => {
    expect(await one(server.url('postgres'))).toBe(1);
    const stranger = new URL(server.url('postgres'));
    stranger.password = 'wrong';
    await expect(one(stranger.href)).rejects.toThrow('password authentication failed');
  });

  it('says in one sentence that its port is in use', async () => {
    const other = startPostgres({ dir: join(home, 'other'), port, password: 'x', durable: false });
    await expect(other).rejects.toMatchObject({ code: 'port-in-use' });
  });

  it('waits for a server of the same directory that is still going down', async () => {
    const second = start().catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await server.stop();
    server = (await second) as RunningPostgres;
    expect(await one(server.url('postgres'))).toBe(1);
  });

  it('recovers from kill -9, also when its number was given to another process', async () => {
    process.kill(server.pid, 'SIGKILL');
    await server.exited;
    const lock = join(home, 'my data', 'postmaster.pid');
    const lines = readFileSync(lock, 'utf8').split('\n');
    writeFileSync(lock, [String(process.pid), ...lines.slice(1)].join('\n'));
    server = await start();
    expect(await one(server.url('postgres'))).toBe(1);
  });

  it('is prepared any number of times, concurrently too, with the same result', async () => {
    const options = { ownerUrl: server.url(), appPassword: "a'p" };
    const first = await Promise.all([1, 2, 3].map(() => prepareDatabase(options)));
    expect(first.map((r) => r.applied.length).sort()).toEqual([0, 0, committedMigrations().length]);
    const again = await prepareDatabase({ ...options, appPassword: 'changed' });
    expect(again.applied).toEqual([]);
    expect(await one(again.appUrl)).toBe(1);
    await expect(one(first[0]!.appUrl)).rejects.toThrow('password authentication failed');
  });

  it('is not prepared when the applied history is another one', async () => {
    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    await client.query("UPDATE _prisma_migrations SET checksum = 'x' WHERE migration_name LIKE '%tables'");
    await client.end();
    const prepared = prepareDatabase({ ownerUrl: server.url(), appPassword: 'x' });
    await expect(prepared).rejects.toThrow('was applied in another form');
  });
});
