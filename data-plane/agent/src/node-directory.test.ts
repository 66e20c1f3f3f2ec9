import { appendFile, lstat, mkdir, open, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAgentConfig } from './agent-config.ts';
import { listNodeDirectories, NodeDirectory } from './node-directory.ts';
import { scratchDirectory } from './testing/fixtures.ts';

const SETTINGS = { bind: '127.0.0.1', publicHost: 'example.org', usageWindowMs: undefined };
const PORTS = { mqtt: 1, mqttWs: 2, kafka: 3, amqp: 4 };

describe('NodeDirectory', () => {
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  beforeEach(async () => {
    scratch = await scratchDirectory();
  });
  afterEach(() => scratch.remove());

  it('is not there before it is prepared, and gone after it is removed', async () => {
    const directory = new NodeDirectory(scratch.dir, 'n1');
    expect(await directory.exists()).toBe(false);
    await directory.prepare(SETTINGS, PORTS);
    expect([await directory.exists(), await directory.ports()]).toEqual([true, PORTS]);
    const token = await directory.adminToken();
    await directory.prepare(SETTINGS, PORTS);
    expect(await directory.adminToken()).toBe(token);
    for (const name of ['config.json', 'admin-token', 'ports.json']) {
      expect((await stat(join(directory.path, name))).mode & 0o777).toBe(0o600);
    }
    expect(await readFile(directory.configPath, 'utf8')).not.toContain(token);
    await directory.remove();
    await directory.remove();
    expect(await listNodeDirectories(scratch.dir)).toEqual([]);
  });

  it('gives a dedicated node its namespace, the shared one none, and both the host that clients are told', async () => {
    for (const [nodeId, namespace] of [
      ['shared', undefined],
      ['n1', 'n1'],
    ] as const) {
      const directory = new NodeDirectory(scratch.dir, nodeId);
      await directory.prepare(SETTINGS, PORTS);
      const config = JSON.parse(await readFile(directory.configPath, 'utf8')) as Record<string, unknown>;
      expect(config['namespace']).toBe(namespace);
      expect(config['listeners']).toMatchObject({ kafka: { port: 3, advertisedHost: 'example.org' } });
    }
  });

  it('puts cold data beside the data, or into its own part of a bucket, without a secret in the file', async () => {
    const directory = new NodeDirectory(scratch.dir, 'n1');
    const tiering = async (): Promise<unknown> =>
      (JSON.parse(await readFile(directory.configPath, 'utf8')) as { tiering: unknown }).tiering;
    const files = { engine: 'file-objects', directory: join(directory.path, 'objects'), claimBytesMin: 16 * 2 ** 20 };
    await directory.prepare(SETTINGS, PORTS);
    expect(await tiering()).toEqual(files);
    expect(await directory.hasObjectsElsewhere()).toBe(false);
    const { s3 } = readAgentConfig({
      ROBUSTMQ_S3_BUCKET: 'cold',
      ROBUSTMQ_S3_ENDPOINT: 'http://127.0.0.1:9000',
      ROBUSTMQ_S3_PREFIX: 'cloud/',
      ROBUSTMQ_S3_ACCESS_KEY_ID: 'identity',
      ROBUSTMQ_S3_SECRET_ACCESS_KEY: 'very-secret',
      ROBUSTMQ_S3_PATH_STYLE: 'true',
    });
    await directory.prepare({ ...SETTINGS, s3 }, PORTS);
    const inBucket = {
      engine: 's3',
      bucket: 'cold',
      region: 'us-east-1',
      prefix: 'cloud/n1/',
      endpoint: 'http://127.0.0.1:9000',
      forcePathStyle: true,
      accessKeyIdVariable: 'ROBUSTMQ_S3_ACCESS_KEY_ID',
      secretAccessKeyVariable: 'ROBUSTMQ_S3_SECRET_ACCESS_KEY',
    };
    expect(await tiering()).toEqual(inBucket);
    expect(await directory.hasObjectsElsewhere()).toBe(true);
    expect(await readFile(directory.configPath, 'utf8')).not.toMatch(/very-secret|"identity"/);
    // objects that are in files already stay where their topics look for them
    await directory.prepare(SETTINGS, PORTS);
    const objects = join(directory.path, 'objects/objects.d/a.d');
    await mkdir(objects, { recursive: true });
    await appendFile(join(objects, 'b.o'), 'x');
    await directory.prepare({ ...SETTINGS, s3 }, PORTS);
    expect(await tiering()).toEqual(files);
  });

  it('refuses S3 settings that make no sense with one sentence', () => {
    expect(() => readAgentConfig({ ROBUSTMQ_S3_PREFIX: 'x/' })).toThrow(/^ROBUSTMQ_S3_PREFIX is set but .*\.$/);
  });

  it('ends a removal that a crash interrupted', async () => {
    await mkdir(join(scratch.dir, 'n1.removed', 'data'), { recursive: true });
    expect(await listNodeDirectories(scratch.dir)).toEqual([]);
    await expect(stat(join(scratch.dir, 'n1.removed'))).rejects.toThrow();
  });

  it('puts the socket where its path is short enough, however long its own is', async () => {
    const nodes = join(scratch.dir, 'a'.repeat(80), 'nodes');
    const directory = new NodeDirectory(nodes, 'n1');
    await directory.prepare(SETTINGS, PORTS);
    const runDir = await directory.runDir();
    expect(Buffer.byteLength(join(runDir, 'admin.sock'))).toBeLessThanOrEqual(107);
    expect((await lstat(join(directory.path, 'run'))).isSymbolicLink()).toBe(true);
    await directory.remove();
    await expect(stat(runDir)).rejects.toThrow();
  });

  it('limits a log while it is being written', async () => {
    const directory = new NodeDirectory(scratch.dir, 'n1');
    await directory.prepare(SETTINGS, PORTS);
    const writer = await open(directory.logPath, 'a');
    await truncate(directory.logPath, 17 * 2 ** 20);
    await directory.limitLog();
    await writer.write('after\n');
    await writer.close();
    expect(await readFile(directory.logPath, 'utf8')).toBe('after\n');
    await appendFile(directory.logPath, 'small\n');
    await directory.limitLog();
    expect(await readFile(directory.logPath, 'utf8')).toBe('after\nsmall\n');
  });
});
