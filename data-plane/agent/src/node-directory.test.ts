import { appendFile, lstat, mkdir, open, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
