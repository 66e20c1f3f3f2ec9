import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kcat, MosquittoSub, mosquittoPub } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, type TestCluster } from '../support/cloud.ts';
import { descendants, eventually, sleep, start } from '../support/process.ts';

/** Usage windows of a second: what is waited for here is their content, not their end. */
const WINDOW = { ROBUSTMQ_USAGE_WINDOW_MS: '1000' };
const MESSAGES = 25;
const NOT_AUTHORIZED = 0x87;

interface Usage {
  windows: { protocol: string; meter: string; quantity: string }[];
}

/**
 * Control plane, billing and PostgreSQL are dead, not slow. Redis takes no part: nodes and agents never speak to it, and
 * without REDIS_URL nobody does.
 */
describe('a blackout of the control plane', () => {
  let cloud: CloudUnderTest;
  let profile: string;
  let cluster: TestCluster;
  const running: ChildProcess[] = [];
  const counted = { mqttIn: 0, mqttInBytes: 0, mqttOut: 0, kafkaIn: 0, kafkaOut: 0 };

  const program = (args: string[], env: NodeJS.ProcessEnv): { child: ChildProcess; text: () => string } => {
    const child = start('node_modules/.bin/robust-server', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout!.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.stderr!.on('data', (bytes: Buffer) => (output += bytes.toString()));
    running.push(child);
    return { child, text: () => output };
  };
  const ended = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => child.once('exit', resolve));
  };
  const startControlPlane = async (): Promise<{ child: ChildProcess; text: () => string }> => {
    const plane = program(['control-plane'], cloud.env);
    await Promise.race([
      eventually('the control plane is ready', 120_000, () => plane.text().includes('is ready.')),
      ended(plane.child).then(() => Promise.reject(new Error(plane.text()))),
    ]);
    return plane;
  };
  const agentDir = (): string => join(cloud.home, 'elsewhere');
  const nodePid = (): number =>
    (JSON.parse(readFileSync(join(agentDir(), 'nodes/shared/run/node.json'), 'utf8')) as { pid: number }).pid;
  const agentPid = async (of: ChildProcess): Promise<number> =>
    eventually('the agent’s process', 60_000, async () => {
      const found = (await descendants(of.pid!)).find(({ command }) => command.includes('data-plane/agent'));
      return found?.pid ?? (of.exitCode === null ? undefined : Promise.reject(new Error('robust-server agent ended')));
    });

  let agent: ReturnType<typeof program>;
  beforeAll(async () => {
    cloud = await CloudUnderTest.make({ env: WINDOW });
    const plane = await startControlPlane();
    const [, link, token] = /ROBUSTMQ_AGENT_LINK=(\S+) ROBUSTMQ_JOIN_TOKEN=(\S+)/.exec(plane.text())!;
    const place = { ROBUSTMQ_AGENT_DIR: agentDir(), ROBUSTMQ_AGENT_LINK: link, ROBUSTMQ_JOIN_TOKEN: token };
    Object.assign(cloud.env, place);
    agent = program(['agent'], cloud.env);
    profile = await newTenant(cloud);
    cluster = await newCluster(cloud, profile);
    const here = ['--cluster', cluster.name, '--profile', profile];
    await cloud.ctl('topic', 'create', 'load', ...here);
    await cloud.ctl('acl', 'deny', 'denied/#', '--pattern-type', 'filter', '--action', 'write', ...here);
    await eventually('the rule is in force', 60_000, async () => (await tryDenied()) === NOT_AUTHORIZED);
  });
  afterAll(async () => {
    for (const child of running.reverse()) {
      child.kill('SIGTERM');
      await ended(child);
    }
    await cloud.dispose();
  });

  /** The reason code of a publish that the rules deny. */
  async function tryDenied(): Promise<number> {
    const said = await mosquittoPub(cluster, ['-d', '-V', '5', '-q', '1', '-t', 'denied/x', '-m', 'no']);
    const code = /PUBACK \(Mid: \d+, RC:(\d+)\)/.exec(said.stdout + said.stderr)?.[1];
    return code === undefined ? -1 : Number(code);
  }

  /** What clients do all day, and everything that must be refused them. */
  async function drill(): Promise<void> {
    const sub = await MosquittoSub.open(cluster, ['-t', 'load/#', '-q', '1']);
    const lines = Array.from({ length: MESSAGES }, (_, n) => `m${n}`).join('\n');
    const published = await mosquittoPub(cluster, ['-q', '1', '-t', 'load/mqtt', '-l'], `${lines}\n`);
    expect(published.code, published.stderr).toBe(0);
    counted.mqttIn += MESSAGES;
    counted.mqttInBytes += lines.length - (MESSAGES - 1) + MESSAGES * 'load/mqtt'.length;
    await sub.waitFor(MESSAGES);
    counted.mqttOut += sub.lines.length;
    sub.close();
    expect(await tryDenied()).toBe(NOT_AUTHORIZED);

    const records = Array.from({ length: MESSAGES }, (_, n) => `k${n}`).join('\n');
    const produced = await kcat(cluster, ['-P', '-t', 'load', '-X', 'acks=all'], `${records}\n`);
    expect(produced.code, produced.stderr).toBe(0);
    counted.kafkaIn += MESSAGES;
    const consumed = await kcat(cluster, ['-C', '-t', 'load', '-o', 'beginning', '-e', '-q']);
    const got = consumed.stdout.split('\n').filter((line) => line !== '').length;
    expect(got).toBe(counted.mqttIn + counted.kafkaIn);
    counted.kafkaOut += got;

    // nobody is let in because nobody can be asked, and the plan's message size holds
    expect((await mosquittoPub({ ...cluster, password: 'wrong' }, ['-t', 'load/x', '-m', 'x'])).code).not.toBe(0);
    const large = 'x'.repeat(8 * 2 ** 20 + 1);
    const refused = await kcat(cluster, ['-P', '-t', 'load', '-X', 'message.max.bytes=20000000'], large);
    expect(refused.stdout + refused.stderr).toMatch(/too large/i);
  }

  it('is noticed by no client: agent and node are killed and come back, and usage is exact after it', async () => {
    await drill();
    for (const child of running.filter((one) => one !== agent.child)) {
      child.kill('SIGTERM');
      await ended(child);
    }
    await expect(fetch(`${cloud.url}/health/live`)).rejects.toThrow();
    await drill();

    // the agent dies without a word, and the node goes on without it
    const lonelyNode = nodePid();
    process.kill(await agentPid(agent.child), 'SIGKILL');
    await ended(agent.child);
    await drill();
    // a new agent has nothing but its disk: it takes the node over
    const { ROBUSTMQ_JOIN_TOKEN: _used, ...withoutToken } = cloud.env;
    agent = program(['agent'], withoutToken);
    await agentPid(agent.child);
    process.kill(lonelyNode, 'SIGKILL');
    await eventually('the agent started another node', 60_000, () => nodePid() !== lonelyNode);
    await drill();

    await startControlPlane();
    await drill();
    const usage = async () => {
      const { windows } = await cloud.ctl<Usage>('usage', '--cluster', cluster.name, '--profile', profile);
      const sum = (protocol: string, meter: string): number =>
        windows
          .filter((row) => row.protocol === protocol && row.meter === meter)
          .reduce((total, row) => total + Number(row.quantity), 0);
      return {
        mqttIn: sum('mqtt', 'messages_in'),
        mqttInBytes: sum('mqtt', 'ingress_bytes'),
        mqttOut: sum('mqtt', 'messages_out'),
        kafkaIn: sum('kafka', 'messages_in'),
        kafkaOut: sum('kafka', 'messages_out'),
      };
    };
    await eventually('all windows came', 60_000, async () => {
      const now = await usage();
      return now.kafkaOut >= counted.kafkaOut && now.mqttIn >= counted.mqttIn && now.mqttOut >= counted.mqttOut;
    });
    await sleep(2_500); // anything counted twice would have come by now
    expect(await usage()).toEqual(counted);
    expect(counted.mqttIn + counted.kafkaIn).toBe(2 * 5 * MESSAGES);
  });
});

describe('robust-ctl drill blackout', () => {
  let cloud: CloudUnderTest;
  let profile: string;
  beforeAll(async () => {
    cloud = await CloudUnderTest.make({ env: WINDOW });
    await cloud.start();
    profile = await newTenant(cloud);
  });
  afterAll(() => cloud.dispose());

  const stopped = async (): Promise<string[]> => {
    const states = (await descendants(cloud.pid!)).map(({ pid, command }) => {
      const state = / ([A-Z]) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/, ')'))?.[1];
      return state === 'T' ? command : '';
    });
    return states.filter((command) => command !== '');
  };

  it('passes on a running installation, says every step, and leaves everything as it was', async () => {
    const drill = await cloud.tryCtl('drill', 'blackout', '--yes', '--profile', profile);
    expect(drill.code, drill.stdout + drill.stderr).toBe(0);
    for (const step of ['control plane stopped', 'blackout, MQTT', 'blackout, quotas', 'agent killed', 'node killed'])
      expect(drill.stdout).toMatch(new RegExp(`ok\\s+${step}`));
    expect(drill.stdout).toMatch(/ok\s+usage: metered exactly/);
    expect(drill.stdout).not.toContain('FAIL');
    expect(await stopped()).toEqual([]);
    expect(await cloud.ctl<unknown[]>('cluster', 'list', '--profile', profile)).toEqual([]);
  });

  it('asks first, and lets everything go on when it is interrupted or killed', async () => {
    const refused = await cloud.tryCtl('drill', 'blackout', '--profile', profile);
    expect(refused.code).toBe(2);
    expect(await stopped()).toEqual([]);
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const args = ['drill', 'blackout', '--yes', '--no-restarts', '--profile', profile];
      const child = start('node_modules/.bin/robust-ctl', args, { env: cloud.env, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      child.stdout!.on('data', (bytes: Buffer) => (output += bytes.toString()));
      await eventually('the control plane is stopped', 60_000, () => output.includes('control plane stopped'));
      const [ctl] = (await descendants(child.pid!)).filter(({ command }) => command.includes('drill'));
      process.kill(ctl?.pid ?? child.pid!, signal);
      await eventually(`the control plane goes on after ${signal}`, 60_000, async () => (await stopped()).length === 0);
      await eventually('and answers', 60_000, async () => (await fetch(`${cloud.url}/health/ready`)).ok);
    }
  });
});
