import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { METERS } from '@robustmq/contracts';
import { startFakeControlPlane, type FakeControlPlane, type FakeOptions } from '@robustmq/client/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { recorder } from './testing/recording-terminal.ts';

const open: FakeControlPlane[] = [];
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.close();
});

async function fake(options?: FakeOptions): Promise<FakeControlPlane> {
  const plane = await startFakeControlPlane(options);
  open.push(plane);
  return plane;
}

/** What bash offers first for the last of `words`. */
function complete(script: string, words: readonly string[]): string {
  const run = `${script}\nCOMP_WORDS=(robust-ctl "$@"); COMP_CWORD=$#; _robust_ctl; echo "$COMPREPLY"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', run, 'bash', ...words], { encoding: 'utf8' });
  return stdout.trim() + stderr;
}

const SIGNUP = ['signup', '--email', 'a@b.test', '--password', 'long enough', '--tenant', 'Acme'];

async function signedUp(options?: FakeOptions) {
  const plane = await fake(options);
  const ctl = recorder(plane.url);
  expect((await ctl.exec(SIGNUP)).code).toBe(0);
  return { plane, ...ctl };
}

describe('session', () => {
  it('signs up, remembers the profile in a private file, and logs out', async () => {
    const { plane, config, exec, json } = await signedUp();
    expect(statSync(config).mode & 0o777).toBe(0o600);
    expect(await json('whoami')).toMatchObject({
      user: { email: 'a@b.test' },
      tenants: [{ name: 'Acme', role: 'owner' }],
    });
    expect((await exec(['logout'])).code).toBe(0);
    expect(plane.state.refresh.size).toBe(0);
    expect(readFileSync(config, 'utf8')).not.toContain('Token');
    expect(await exec(['whoami'])).toMatchObject({ code: 4, out: '' });
  });

  it('exits 4 and says so when the password is wrong', async () => {
    const { exec } = await signedUp();
    const done = await exec(['login', '--email', 'a@b.test', '--password', 'wrong']);
    expect(done).toMatchObject({ code: 4, out: '' });
    expect(done.notes).toContain('wrong');
  });

  it('shows no token to another server', async () => {
    const { exec } = await signedUp();
    const other = await fake();
    const done = await exec(['cluster', 'list', '--server', other.url]);
    expect(done.code).toBe(4);
    expect(other.calls).toEqual([]);
  });

  it('refreshes an expired session and keeps the rotated tokens, also with many runs at once', async () => {
    const { plane, exec } = await signedUp();
    plane.state.access.clear();
    const runs = await Promise.all(Array.from({ length: 6 }, () => exec(['whoami'])));
    expect(runs.map((run) => run.code)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(plane.calls.filter((name) => name === 'refresh')).toHaveLength(1);
  });

  it('takes an API key from the environment', async () => {
    const { plane, json } = await signedUp();
    const { key } = await json('api-key', 'create', 'ci', '--role', 'developer');
    const ci = recorder(plane.url, { ROBUSTMQ_API_KEY: String(key), ROBUSTMQ_TENANT: plane.state.tenants[0]!.id });
    expect((await ci.exec(['cluster', 'create', 'from-ci'])).code).toBe(0);
    expect((await ci.exec(['api-key', 'list'])).code).toBe(4);
    expect((await json('api-key', 'list')) as unknown).toMatchObject([{ name: 'ci', role: 'developer' }]);
  });
});

describe('clusters', () => {
  it('prints the shape scripts rely on', async () => {
    const { json } = await signedUp({ readyAfterMs: 300 });
    const created = await json('cluster', 'create', 'orders', '--plan', 'dedicated');
    expect(created).toMatchObject({ name: 'orders', plan: 'dedicated', phase: 'Pending', endpoints: {} });
    const ready = await json('cluster', 'wait', 'orders');
    expect(Object.keys(ready).slice(0, 5)).toEqual(['id', 'name', 'plan', 'phase', 'endpoints']);
    expect(ready['endpoints']).toMatchObject({ mqtt: 'mqtt://localhost:1883', kafka: 'kafka://localhost:9092' });
    expect(await json('cluster', 'get', String(ready['id']))).toEqual(await json('cluster', 'get', 'orders'));
  });

  it('waits with --wait, and gives up with the reason', async () => {
    const { json, exec } = await signedUp({ readyAfterMs: 400 });
    expect(await json('cluster', 'create', 'soon', '--wait')).toMatchObject({ phase: 'Ready' });
    const { exec: slow } = await signedUp({ readyAfterMs: 60_000 });
    const done = await slow(['cluster', 'create', 'never', '--wait', '--timeout', '1']);
    expect(done).toMatchObject({ code: 1, out: '' });
    expect(done.notes).toContain('"never" is Provisioning after 1 s');
    expect((await exec(['cluster', 'delete', 'soon', '--yes', '--wait'])).code).toBe(0);
    expect((await exec(['cluster', 'get', 'soon'])).code).toBe(3);
    expect((await exec(['cluster', 'wait', 'soon', '--for', 'deleted'])).code).toBe(0);
  });

  it('exits 1 with the refused field when the name is taken, and 3 when nothing is there', async () => {
    const { exec } = await signedUp();
    await exec(['cluster', 'create', 'one']);
    const taken = await exec(['cluster', 'create', 'one']);
    expect(taken.code).toBe(1);
    expect(taken.notes).toContain('name: is taken');
    expect(await exec(['cluster', 'get', 'two'])).toMatchObject({ code: 3, out: '' });
  });

  it('lists all pages', async () => {
    const { exec, json } = await signedUp();
    for (const name of ['one', 'two', 'three']) await exec(['cluster', 'create', name]);
    expect(((await json('cluster', 'list')) as unknown as unknown[]).length).toBe(3);
    expect((await exec(['cluster', 'list'])).out).toMatch(/^NAME +PLAN +PHASE/);
  });

  it('shows the status of the service, logged in or not', async () => {
    const { plane, json } = await signedUp({ endpoints: { mqtt: 'mqtt://127.0.0.1:9' } });
    await json('cluster', 'create', 'one');
    expect(await json('cluster', 'status')).toMatchObject({
      controlPlane: { live: true, ready: true },
      clusters: [{ name: 'one', phase: 'Ready', endpoints: [{ name: 'mqtt', reachable: false }] }],
    });
    expect(await recorder(plane.url).json('cluster', 'status')).toMatchObject({ clusters: [] });
  });
});

describe('credentials and topics', () => {
  it('creates, lists and deletes', async () => {
    const { exec, json } = await signedUp();
    await exec(['cluster', 'create', 'one']);
    const credential = await json('credential', 'create', 'app', '--cluster', 'one');
    expect(Object.keys(credential)).toEqual(['id', 'username', 'password']);
    expect(credential['username']).toMatch(/^app@one-/);
    expect(await json('credential', 'list', '-c', 'one')).toMatchObject([{ name: 'app' }]);
    expect((await exec(['credential', 'delete', 'app', '-c', 'one'])).code).toBe(0);
    expect((await exec(['credential', 'delete', 'app', '-c', 'one'])).code).toBe(3);
    expect(await json('topic', 'create', 'sensors', '-c', 'one', '--partitions', '3')).toMatchObject({ partitions: 3 });
    expect((await exec(['topic', 'list', '-c', 'one'])).out).toContain('sensors');
    expect((await exec(['topic', 'delete', 'sensors', '-c', 'one'])).code).toBe(0);
  });

  it('uses the default cluster of the profile', async () => {
    const { exec } = await signedUp();
    await exec(['cluster', 'create', 'one']);
    expect((await exec(['topic', 'list'])).code).toBe(2);
    expect((await exec(['config', 'set', 'cluster', 'one'])).code).toBe(0);
    expect((await exec(['topic', 'list'])).code).toBe(0);
    expect((await exec(['config', 'get', 'cluster'])).out).toBe('one\n');
  });
});

describe('messaging', () => {
  it.each([['pub'], ['produce']])(
    '%s removes its temporary credential when the cluster cannot be reached',
    async (command) => {
      const { plane, exec } = await signedUp({
        endpoints: { mqtt: 'mqtt://127.0.0.1:9', kafka: 'kafka://127.0.0.1:9' },
      });
      await exec(['cluster', 'create', 'one']);
      const done = await exec([command, 'a', '-m', 'hello', '-c', 'one']);
      expect(done).toMatchObject({ code: 1, out: '' });
      expect(done.notes).toContain('127.0.0.1:9');
      expect(plane.calls.slice(-1)).toEqual(['deleteCredential']);
      expect(plane.state.tenants[0]!.clusters[0]!.credentials).toEqual([]);
    },
  );

  it('asks for both of user name and password', async () => {
    const { exec } = await signedUp();
    await exec(['cluster', 'create', 'one']);
    expect((await exec(['pub', 'a', '-m', 'x', '-c', 'one', '--username', 'u'])).code).toBe(2);
  });
});

describe('usage and bill', () => {
  it('prints every meter, also unused ones', async () => {
    const { exec, json } = await signedUp();
    await exec(['cluster', 'create', 'one']);
    const usage = await json('usage', '--cluster', 'one', '--from', '2h');
    expect(Object.keys(usage['totals'] as object)).toEqual(Object.keys(METERS));
    expect((usage['totals'] as Record<string, string>)['node_seconds']).toBe('0');
    expect((usage['windows'] as unknown[]).length).toBeGreaterThan(0);
    expect((await exec(['usage', '--from', 'yesterday'])).code).toBe(2);
    expect((await exec(['usage', '--from', '1h', '--to', '2h'])).code).toBe(2);
  });

  it('previews the bill', async () => {
    const { exec, json } = await signedUp();
    await exec(['cluster', 'create', 'one']);
    expect(await json('invoice', 'preview')).toMatchObject({
      status: 'preview',
      total: { amount: '258', currency: 'USD' },
    });
    expect((await exec(['invoice', 'preview'])).out).toContain('2.58 USD');
  });
});

describe('the command line', () => {
  it.each([
    [['nonsense']],
    [['cluster']],
    [['cluster', 'create']],
    [['cluster', 'create', 'x', '--plan', 'gold']],
    [['cluster', 'list', '-o', 'xml']],
    [['topic', 'create', 'x', '-c', 'one', '--partitions', '0']],
    [['pub', 'x', '-q', '3']],
    [['cluster', 'list', '--server', 'nowhere']],
    [['signup', '--email', 'a@b.test', '--password', 'long enough']],
    [['config', 'get', 'colour']],
  ])('exits 2 for %j and keeps stdout empty', async (args) => {
    expect(await recorder('http://127.0.0.1:9').exec(args)).toMatchObject({ code: 2, out: '' });
  });

  it('exits 0 for help and version', async () => {
    const { exec } = recorder('http://127.0.0.1:9');
    expect(await exec(['--help'])).toMatchObject({ code: 0 });
    expect((await exec(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('says where nobody answers', async () => {
    const done = await recorder('http://127.0.0.1:9').exec(['login', '--email', 'a@b.test', '--password', 'p']);
    expect(done.code).toBe(1);
    expect(done.notes).toContain('http://127.0.0.1:9 cannot be reached');
  });

  it('prints YAML', async () => {
    const { exec } = await signedUp();
    await exec(['cluster', 'create', 'one']);
    expect((await exec(['cluster', 'get', 'one', '-o', 'yaml'])).out).toMatch(/^id: .*\nname: one\nplan: serverless\n/);
  });

  it('completes commands in each shell', async () => {
    const { exec } = recorder('http://127.0.0.1:9');
    const { out } = await exec(['completion', 'bash']);
    const script = `${out}\nCOMP_WORDS=(robust-ctl -o json cluster cr); COMP_CWORD=4; _robust_ctl; echo "$COMPREPLY"`;
    expect(spawnSync('bash', ['-c', script], { encoding: 'utf8' })).toMatchObject({ stdout: 'create\n', stderr: '' });
    expect(complete(out, ['--profile', 'cluster', 'topic', 'cr'])).toBe('create');
    expect(complete(out, ['--server', 'http', ':', 'cluster', 'topic', 'li'])).toBe('list');
    expect(complete(out, ['--tenant', '=', 'cluster', 'invoice', 'pre'])).toBe('preview');
    expect(complete(out, ['topic', 'create', '--cluster', 'topic', '--parti'])).toBe('--partitions');
    expect(complete(out, ['cluster', 'list', '--output', 'y'])).toBe('yaml');
    expect(complete(out, ['--profile', 'clus'])).toBe('');
    expect((await exec(['completion', 'zsh'])).out).toMatch(/^#compdef robust-ctl/);
    expect((await exec(['completion', 'fish'])).out).toContain('complete -c robust-ctl');
  });

  it('starts as a program', () => {
    const bin = fileURLToPath(new URL('../bin/robust-ctl.mjs', import.meta.url));
    const done = spawnSync(process.execPath, [bin, 'cluster', 'frobnicate'], { encoding: 'utf8' });
    expect(done.status).toBe(2);
    expect(done.stdout).toBe('');
  });
});
