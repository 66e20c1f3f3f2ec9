import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MosquittoSub, mosquittoPub } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant } from '../support/cloud.ts';
import { eventually, start } from '../support/process.ts';

/** An operator's way: control plane here, agents where the clients are; and one node without either. */
describe('the programs apart', () => {
  const started: ChildProcess[] = [];
  afterAll(async () => {
    for (const child of started.reverse()) {
      if (child.exitCode !== null) continue;
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('exit', resolve));
    }
  });

  const program = (args: string[], env: NodeJS.ProcessEnv): { child: ChildProcess; text: () => string } => {
    const child = start('node_modules/.bin/robust-server', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout!.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.stderr!.on('data', (bytes: Buffer) => (output += bytes.toString()));
    started.push(child);
    return { child, text: () => output };
  };

  it('an agent joins a control plane with the printed command, and clusters are served there', async () => {
    const cloud = await CloudUnderTest.make();
    const plane = program(['control-plane'], cloud.env);
    await eventually('the control plane is ready', 60_000, () => plane.text().includes('is ready.'));
    const [, link, token] = /ROBUSTMQ_AGENT_LINK=(\S+) ROBUSTMQ_JOIN_TOKEN=(\S+)/.exec(plane.text())!;
    const profile = await newTenant(cloud);
    const agent = program(['agent'], {
      ...cloud.env,
      ROBUSTMQ_AGENT_DIR: join(cloud.home, 'elsewhere'),
      ROBUSTMQ_AGENT_LINK: link,
      ROBUSTMQ_JOIN_TOKEN: token,
    });
    const cluster = await newCluster(cloud, profile);
    const sub = await MosquittoSub.open(cluster, ['-t', 'a/#', '-q', '1']);
    expect((await mosquittoPub(cluster, ['-q', '1', '-t', 'a/b', '-m', 'hello'])).code).toBe(0);
    await sub.waitFor(1);
    sub.close();

    // the same token a second time is refused, in words
    const elsewhere = await CloudUnderTest.make();
    const thief = program(['agent'], {
      ...elsewhere.env,
      ROBUSTMQ_AGENT_DIR: join(elsewhere.home, 'thief'),
      ROBUSTMQ_AGENT_LINK: link,
      ROBUSTMQ_JOIN_TOKEN: token,
    });
    await eventually('the used token is refused', 60_000, () => thief.child.exitCode);
    expect(thief.child.exitCode).toBe(1);
    expect(thief.text()).toMatch(/token/i);
    expect(agent.child.exitCode).toBeNull();
  });

  it('robust-server standalone serves a configuration file, and says what is wrong in a bad one', async () => {
    const { writeFileSync, mkdtempSync } = await import('node:fs');
    const { tmpdir } = await import('node:os');
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-standalone-'));
    const { ports } = await CloudUnderTest.make();
    const file = join(folder, 'node.yaml');
    const lines = [
      `listeners: { mqtt: { port: ${ports.mqtt} } }`,
      `dataDir: ${join(folder, 'data')}`,
      'namespaces:',
      '  - { name: main, default: true, credentials: [{ username: dev, password: pw }] }',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const node = program(['standalone', '--config', file], process.env);
    await eventually('the node is ready', 60_000, () => node.text().includes('ready'));
    const cluster = {
      name: 'main',
      id: '',
      username: 'dev',
      password: 'pw',
      endpoints: { mqtt: `mqtt://127.0.0.1:${ports.mqtt}`, mqttWs: '', kafka: '' },
    };
    expect((await mosquittoPub(cluster, ['-q', '1', '-t', 'a', '-m', 'b'])).code).toBe(0);
    expect((await mosquittoPub({ ...cluster, password: 'no' }, ['-t', 'a', '-m', 'b'])).code).not.toBe(0);

    writeFileSync(file, 'listeners: { mqtt: { port: 99999 } }\n');
    const bad = program(['standalone', '--config', file], process.env);
    await eventually('the bad file is refused', 60_000, () => bad.child.exitCode);
    expect(bad.child.exitCode).toBe(1);
    expect(bad.text()).toMatch(/listeners\.mqtt\.port/);
  });
});
