import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReleaseManifest } from '@robustmq/contracts/data-plane';
import type { AgentConfig } from './agent-config.ts';
import { Agent } from './agent.ts';
import { LINK_TIMING } from './control-link.ts';
import { FakeControlPlane } from './testing/fake-control-plane.ts';
import { eventually, freePorts, namespaceSpec, scratchDirectory, testLog } from './testing/fixtures.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NODE = join(ROOT, 'data-plane/node');
const FAST = { ...LINK_TIMING, leaseMs: 50, silenceMs: 5_000, pollMs: 50, reconnectFirstMs: 20, reconnectMaxMs: 200 };

describe('releases of the node', { timeout: 240_000 }, () => {
  let control: FakeControlPlane;
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  let agent: Agent;
  let config: AgentConfig;
  beforeEach(async () => {
    scratch = await scratchDirectory();
    control = new FakeControlPlane();
    await control.start();
    config = {
      dir: join(scratch.dir, 'agent'),
      link: `http://127.0.0.1:${control.port}`,
      joinToken: control.joinToken,
      bind: '127.0.0.1',
      publicHost: 'localhost',
      sharedPorts: await freePorts(),
      nodeMainPath: join(NODE, 'src/main.mjs'),
      usageWindowMs: 500,
    };
    control.desire([namespaceSpec(1)]);
    await start();
  });
  afterEach(async () => {
    await agent.close(true);
    control.stop();
    await scratch.remove();
  });
  const start = async (): Promise<void> => {
    agent = new Agent(config, testLog, FAST);
    await agent.start();
    await eventually(
      'served',
      () => agent.reconciler.report()[0]?.phase === 'ready' && agent.reconciler.shared!.reachable,
    );
  };
  const runs = (): string | undefined => agent.reconciler.shared?.node.health?.version;
  const nodePid = (): number | undefined => agent.reconciler.shared?.node.pid;

  /** The same code under another version, as a tarball; `main` replaces the program. */
  async function release(version: string, main?: string): Promise<ReleaseManifest> {
    const folder = join(scratch.dir, version);
    const node = join(folder, 'data-plane/node');
    await mkdir(node, { recursive: true });
    await cp(join(NODE, 'src'), join(node, 'src'), { recursive: true });
    const json = JSON.parse(await readFile(join(NODE, 'package.json'), 'utf8')) as object;
    await writeFile(join(node, 'package.json'), JSON.stringify({ ...json, version }));
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    if (main !== undefined) await writeFile(join(node, 'src/main.mjs'), main);
    const location = join(scratch.dir, `${version}.tar.gz`);
    execFileSync('tar', ['-czf', location, '-C', folder, '.']);
    const digest = createHash('sha256')
      .update(await readFile(location))
      .digest('hex');
    return control.signed({ version, location, digest, controlMin: '0.1.0', controlMax: '1.0.0' });
  }
  /** Wants it and waits until the agent has said what became of it. */
  async function want(manifest: ReleaseManifest | undefined): Promise<void> {
    control.release = manifest;
    control.desire([namespaceSpec(1)]);
    const said = (): boolean => {
      const { version, failed } = control.observed?.release ?? {};
      return (
        version === (manifest?.version ?? '0.1.0') || (manifest !== undefined && failed?.version === manifest.version)
      );
    };
    await eventually('the agent says what became of it', said, () => control.observed);
    await eventually(
      'served',
      () => agent.reconciler.report()[0]?.phase === 'ready' && agent.reconciler.shared!.reachable,
    );
  }

  it('switches to a signed one, keeps the one before, and comes back with it after a restart', async () => {
    expect(runs()).toBe('0.1.0');
    const next = await release('0.2.0');
    await want(next);
    expect(runs()).toBe('0.2.0');
    expect(control.observed?.release).toEqual({ version: '0.2.0', previous: null, failed: null });
    expect(control.observed).toMatchObject({
      cpus: expect.any(Number) as number,
      nodes: [{ id: 'shared', ready: true }],
    });

    const after = await release('0.2.1');
    await want(after);
    expect(control.observed?.release).toMatchObject({ version: '0.2.1', previous: '0.2.0' });
    expect((await readdir(join(config.dir, 'releases'))).sort()).toEqual(
      [after.digest, next.digest, 'state.json'].sort(),
    );

    await agent.close(true);
    await start();
    expect(runs()).toBe('0.2.1');
    await want(undefined);
    expect(runs()).toBe('0.1.0');
  });

  it('takes one back that does not get ready, and says why', async () => {
    await want(await release('0.3.0', "process.stderr.write('the disk is square\\n'); process.exit(1);"));
    expect(runs()).toBe('0.1.0');
    expect(control.observed?.release?.failed).toEqual({ version: '0.3.0', reason: 'the disk is square' });
    // one that calls itself otherwise is not the one that was signed for
    const liar = await release('0.3.1');
    await want(control.signed({ ...liar, version: '0.3.2' }));
    expect(runs()).toBe('0.1.0');
    expect(control.observed?.release?.failed?.reason).toMatch(/calls itself 0\.3\.1/);
  });

  it('leaves the nodes alone for one that is forged, altered, away or empty', async () => {
    const pid = nodePid();
    const good = await release('0.4.0');
    const cases: [string, ReleaseManifest, RegExp][] = [
      ['forged', { ...good, version: '0.4.1' }, /not signed/],
      ['altered', control.signed({ ...good, version: '0.4.2', digest: 'a'.repeat(64) }), /digest/],
      [
        'away',
        control.signed({ ...good, version: '0.4.3', digest: 'b'.repeat(64), location: '/nowhere.tar.gz' }),
        /fetched/,
      ],
    ];
    for (const [, manifest, reason] of cases) {
      await want(manifest);
      expect(control.observed?.release?.failed).toMatchObject({
        version: manifest.version,
        reason: expect.stringMatching(reason) as string,
      });
    }
    expect([runs(), nodePid()]).toEqual(['0.1.0', pid]);
  });
});
