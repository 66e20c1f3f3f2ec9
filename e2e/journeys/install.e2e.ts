import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CloudUnderTest } from '../support/cloud.ts';
import { eventually, run, start, type Finished } from '../support/process.ts';

const INSTALL = 'infra/install/install.sh';
const INSTALL_MS_MAX = 600_000;

let scratch: string;
let prefix: string;
let tarball: string;
const install = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> =>
  run('sh', [INSTALL, ...args], { env, timeoutMs: INSTALL_MS_MAX });

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'robustmq install '));
  prefix = join(scratch, "somebody's prefix");
  const packed = await run('npm', ['run', 'release', '--', '--out', join(scratch, 'release')], {
    timeoutMs: INSTALL_MS_MAX,
  });
  expect(packed.code, packed.stderr).toBe(0);
  tarball = packed.stdout.trim().split('\n').at(-1)!;
}, INSTALL_MS_MAX);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

it('refuses in one sentence what cannot be installed', async () => {
  const sentence = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const { code, stderr } = await install(['--prefix', join(scratch, 'refused'), ...args], env);
    expect(code).toBe(1);
    return stderr.trim();
  };
  expect(await sentence([join(scratch, 'absent.tar.gz')])).toContain('does not exist');
  expect(await sentence([join(scratch)])).toContain('neither a release nor a checkout');
  const damaged = join(scratch, 'damaged.tar.gz');
  writeFileSync(damaged, readFileSync(tarball).subarray(1));
  expect(await sentence([damaged])).toContain('is not a release tarball');
  writeFileSync(`${damaged}.sha256`, `${createHash('sha256').update('x').digest('hex')}  damaged.tar.gz\n`);
  expect(await sentence([damaged])).toContain('is damaged');
  expect(await sentence([tarball, '--prefix', '/proc/nowhere'])).toContain('cannot be written');
  // a machine without Node.js, and one with an old one
  const tools = join(scratch, 'tools');
  await run('sh', [
    '-c',
    `mkdir -p '${tools}' && for t in sh sed cut tail mktemp; do ln -s "$(command -v $t)" '${tools}'; done`,
  ]);
  expect(await sentence([tarball], { PATH: tools })).toMatch(/^install.sh: Node.js is not installed/);
  writeFileSync(join(tools, 'node'), '#!/bin/sh\necho 18.20.4\n', { mode: 0o755 });
  expect(await sentence([tarball], { PATH: tools })).toMatch(/^install.sh: Node.js 18.20.4 is too old/);
  writeFileSync(join(tools, 'node'), '#!/bin/sh\necho 22.1.0\n', { mode: 0o755 });
  expect(await sentence([tarball], { PATH: tools })).toMatch(/^install.sh: npm is not installed/);
  expect(existsSync(join(scratch, 'refused/lib/robustmq'))).toBe(false);
});

it(
  'installs from the tarball, serves the first message, installs again and is removed',
  async () => {
    const startedAt = Date.now();
    const first = await install(['--prefix', prefix, tarball]);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).toContain('export PATH=');
    process.stdout.write(`installed in ${Math.round((Date.now() - startedAt) / 1000)} s\n`);

    // a copy that shares nothing with the checkout: not its folder, not its packages, not the programs on its path
    const cloud = await CloudUnderTest.make({ home: join(scratch, 'home') });
    const env = { ...cloud.env, PATH: process.env['PATH']!.replaceAll(/[^:]*node_modules[^:]*:?/g, '') };
    const command = (name: string): string => join(prefix, 'bin', name);
    const server = start(command('robust-server'), ['start'], { cwd: scratch, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [server.stdout!, server.stderr!])
      stream.on('data', (bytes: Buffer) => (said += String(bytes)));
    try {
      await eventually('robust-server start says that it is ready', 240_000, () => {
        if (server.exitCode !== null) throw new Error(`robust-server ended with ${server.exitCode}: ${said}`);
        return said.includes('RobustMQ Cloud is ready');
      });
      const ctl = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await run(command('robust-ctl'), args, { env });
        expect(code, `robust-ctl ${args.join(' ')}: ${stderr}`).toBe(0);
        return stdout;
      };
      expect(await ctl('cluster', 'status')).toMatch(/ready:\s+yes/);
      expect(await (await fetch(cloud.url)).text()).toContain('<div id="root">');
      await ctl('signup', '--email', 'you@example.com', '--password', 'at least 10 characters', '--tenant', 'Acme');
      await ctl('cluster', 'create', 'orders', '--wait');
      const cluster = ['--cluster', 'orders'];
      await ctl('topic', 'create', 'sensors', ...cluster);
      const subscriber = ctl('sub', 'sensors/#', ...cluster, '--count', '1');
      // published again until the subscription is there: a message without a subscriber is nobody's
      let got: string | undefined;
      void subscriber.then((text) => (got = text));
      await eventually('the message arrives over MQTT', 120_000, async () => {
        await ctl('pub', 'sensors/1/temp', ...cluster, '-m', '21.5', '-q', '1');
        return got !== undefined;
      });
      expect(await subscriber).toContain('21.5');
      expect(await ctl('consume', 'sensors', ...cluster, '--from-beginning', '--count', '1')).toContain('21.5');
    } finally {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      if (server.exitCode === null && server.kill('SIGTERM')) await gone;
    }

    const again = await install(['--prefix', prefix, tarball]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('is installed in') as string });
    const removed = await install(['--prefix', prefix, '--uninstall'], { ROBUSTMQ_HOME: cloud.home });
    expect(removed.stdout).toContain(`Its data stays in ${cloud.home}`);
    expect(existsSync(join(prefix, 'lib/robustmq'))).toBe(false);
    expect(existsSync(command('robust-server'))).toBe(false);
    expect(existsSync(join(cloud.home, 'postgres'))).toBe(true);
    expect((await install(['--prefix', prefix, '--uninstall'])).stdout).toContain('is not installed');
  },
  INSTALL_MS_MAX,
);
