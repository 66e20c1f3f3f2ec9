import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CloudUnderTest } from '../support/cloud.ts';
import { descendants, eventually, run } from '../support/process.ts';

const refusal = (text: string): string => text.split('\n').find((line) => line.startsWith('robust-server: ')) ?? text;

describe('npm start', () => {
  let cloud: CloudUnderTest;
  let root: string;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'robustmq e2e '));
    cloud = await CloudUnderTest.make({ home: join(root, 'a home with spaces') });
    await cloud.start();
  });
  afterAll(async () => {
    await cloud.dispose();
    rmSync(root, { recursive: true, force: true });
  });

  it('prints portal, login, endpoints and commands to paste', () => {
    expect(cloud.output).toContain(`http://localhost:${cloud.ports.http}`);
    expect(cloud.output).toMatch(/Demo login\s+demo@example.com\s+\S{16}/);
    expect(cloud.output).toContain(`mqtt://localhost:${cloud.ports.mqtt}`);
    expect(cloud.output).toContain(`kafka://localhost:${cloud.ports.kafka}`);
    expect(cloud.output).toContain('mosquitto_pub');
    expect(cloud.output).toContain('kcat');
  });

  it('prints commands that work when pasted', async () => {
    const lines = cloud.output.split('\n').map((line) => line.trim());
    const paste = async (prefix: string) => {
      const line = lines.find((text) => text.startsWith(prefix))!;
      return run('bash', ['-c', line], {
        env: { ...cloud.env, PATH: `node_modules/.bin:${process.env['PATH']}` },
        timeoutMs: 60_000,
      });
    };
    for (const prefix of ['npx robust-ctl login', 'npx robust-ctl topic create', 'mosquitto_pub']) {
      const finished = await paste(prefix);
      expect(finished.code, `${prefix}: ${finished.stderr}`).toBe(0);
    }
    const read = await paste('kcat');
    expect(read.stdout).toContain('sensors/1/temp 21.5');
    const again = await paste('npx robust-ctl consume');
    expect(again.stdout).toContain('21.5');
  });

  it('shows the service status', async () => {
    const status = await cloud.tryCtl('cluster', 'status');
    expect(status.code, status.stderr).toBe(0);
    expect(status.stdout).toMatch(/Ready/);
  });

  it('refuses a second copy on the same data directory in one sentence', async () => {
    const other = await CloudUnderTest.make({ home: cloud.home });
    const child = other.launch();
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).not.toBe(0);
    expect(refusal(other.output)).toMatch(/already runs on .*a home with spaces/);
  });

  it('names a port that is in use, and the variable that changes it', async () => {
    const other = await CloudUnderTest.make();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(other.ports.kafka, '127.0.0.1', resolve));
    const child = other.launch();
    const code = await new Promise((resolve) => child.once('exit', resolve));
    server.close();
    expect(code).not.toBe(0);
    expect(refusal(other.output)).toContain(`Port ${other.ports.kafka} (Kafka) is in use`);
    expect(refusal(other.output)).toContain('ROBUSTMQ_KAFKA_PORT');
    await other.dispose();
  });

  it('says so when the disk has no room', async () => {
    // as root a small tmpfs is a disk that is really full; elsewhere the threshold is raised above what any disk has
    const disk = join(root, 'small');
    mkdirSync(disk);
    const mounted = (await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk])).code === 0;
    const other = await CloudUnderTest.make({
      home: join(disk, 'home'),
      env: mounted ? {} : { ROBUSTMQ_FREE_BYTES_MIN: String(2 ** 60) },
    });
    const child = other.launch();
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (mounted) await run('umount', [disk]);
    expect(code).not.toBe(0);
    expect(refusal(other.output)).toMatch(/Only \d+ MiB are free/);
  });

  it.each([
    ['Ctrl-C in its terminal', 'SIGINT', 'group'],
    ['SIGINT to npm alone', 'SIGINT', 'npm'],
    ['SIGTERM to npm alone', 'SIGTERM', 'npm'],
  ] as const)('stops everything within 10 s of %s, and starts again with everything', async (_how, signal, reach) => {
    const login = /Demo login\s+(\S+)\s+(\S+)/.exec(cloud.output)!.slice(1);
    const family = await descendants(cloud.pid!);
    const tookMs = await cloud.stop(signal, reach);
    // twice the promise: the machine that runs the tests is shared
    await eventually('no child is left', 20_000 - tookMs, async () => {
      const alive = await Promise.all(
        family.map(async ({ pid }) => (await run('ps', ['-p', String(pid), '-o', 'stat='])).stdout.trim()),
      );
      return alive.every((state) => state === '' || state.startsWith('Z'));
    });
    const warmMs = await cloud.start();
    process.stdout.write(`stopped in ${tookMs} ms, ready again in ${warmMs} ms\n`);
    expect(/Demo login\s+(\S+)\s+(\S+)/.exec(cloud.output)!.slice(1)).toEqual(login);
    expect(JSON.stringify(await cloud.ctl('cluster', 'list'))).toContain('demo');
  });
});

describe('robust-server', () => {
  it('names an environment variable that makes no sense', async () => {
    const finished = await run('node_modules/.bin/robust-server', ['start'], { env: { ROBUSTMQ_HTTP_PORT: 'http' } });
    expect(finished.code).toBe(1);
    expect(finished.stderr).toContain('ROBUSTMQ_HTTP_PORT is "http"');
  });

  it('prints its usage and exits with 2 for a command that does not exist', async () => {
    const finished = await run('node_modules/.bin/robust-server', ['frobnicate']);
    expect(finished.code).toBe(2);
    expect(finished.stderr).toContain('Usage: robust-server');
  });
});
