import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openFileStore, openSession, takeAll, TestNode } from './testing/test-node.ts';

const ACKNOWLEDGED_MIN = 500;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'robustmq kill '));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Publishes from `serial` on in a process of its own until it is killed; returns what it said was acknowledged. */
async function publishAndKill(serial: number): Promise<number[]> {
  const script = join(import.meta.dirname, 'testing', 'publish-until-killed.ts');
  const child = spawn(process.execPath, [script, directory, String(serial)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const closed = once(child, 'close');
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (text.split('\n').length > ACKNOWLEDGED_MIN) child.kill('SIGKILL');
  });
  await closed;
  return text.slice(0, text.lastIndexOf('\n')).split('\n').map(Number);
}

it('kill -9 loses nothing that was acknowledged, round after round', async () => {
  const acknowledged: number[] = [];
  for (let round = 0; round < 3; round++) {
    const more = await publishAndKill(round * 1_000_000);
    expect(more.length).toBeGreaterThan(ACKNOWLEDGED_MIN - 2);
    acknowledged.push(...more);
    const node = await TestNode.start(await openFileStore(directory));
    const { session, present } = openSession(node, 'sleeper', { expirySeconds: 3600 });
    expect(present).toBe(true);
    const payloads = new Set((await takeAll(session)).map((entry) => entry.message!.payload.toString()));
    expect(acknowledged.filter((serial) => !payloads.has(`m${serial};`))).toEqual([]);
    expect(node.namespace().topics.get('sensors')!.partitions[0]!.endOffset).toBeGreaterThan(
      acknowledged.length / 2 - 1,
    );
    await node.broker.stop();
    await node.meta.close();
    await node.journal.close();
  }
}, 60_000);
