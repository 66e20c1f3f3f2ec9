import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { claimPort, claimPorts } from './claimed-ports.ts';

const MODULE = new URL('./claimed-ports.ts', import.meta.url).href;

/** What another process gets when it claims `count` single ports and stays alive until all have claimed. */
async function claimElsewhere(count: number): Promise<number[]> {
  const script = `
    const { claimPort } = await import(${JSON.stringify(MODULE)});
    const ports = [];
    for (let i = 0; i < ${count}; i += 1) ports.push(await claimPort());
    console.log(JSON.stringify(ports));
    await new Promise((resolve) => setTimeout(resolve, 1_000));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  return JSON.parse(stdout) as number[];
}

describe('claimed ports', { timeout: 60_000 }, () => {
  it('never gives one port to two processes, however many ask at once', async () => {
    const mine = await Promise.all(Array.from({ length: 30 }, () => claimPort()));
    const others = await Promise.all([claimElsewhere(130), claimElsewhere(20), claimElsewhere(20)]);
    const all = [...mine, ...others.flat()];
    expect(new Set(all).size).toBe(all.length);
    expect(Math.max(...all)).toBeLessThan(32_768);
  });

  it('gives ports in a row that nobody listens on', async () => {
    const ports = await claimPorts(60);
    expect(ports).toEqual(Array.from({ length: 60 }, (_, i) => ports[0]! + i));
    for (const port of [ports[0]!, ports[59]!]) {
      const code = await new Promise((resolve) =>
        connect(port, '127.0.0.1').once('error', (error: NodeJS.ErrnoException) => resolve(error.code)),
      );
      expect(code).toBe('ECONNREFUSED');
    }
    await expect(claimPorts(100)).rejects.toThrow('more than the 99');
  });
});
