import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { claimPort, claimPorts } from './claimed-ports.ts';

const MODULE = new URL('./claimed-ports.ts', import.meta.url).href;

/** Another process that claims `count` single ports and lives until `end`. */
function claimElsewhere(count: number): { ports: Promise<number[]>; end: () => void } {
  const script = `
    const { claimPort } = await import(${JSON.stringify(MODULE)});
    const ports = [];
    for (let i = 0; i < ${count}; i += 1) ports.push(await claimPort());
    console.log(JSON.stringify(ports));
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ports = once(child.stdout, 'data').then(([line]) => JSON.parse(String(line)) as number[]);
  return { ports, end: () => child.stdin.end() };
}

describe('claimed ports', { timeout: 60_000 }, () => {
  it('never gives one port to two processes, however many ask at once', async () => {
    const mine = await Promise.all(Array.from({ length: 30 }, () => claimPort()));
    const processes = [claimElsewhere(130), claimElsewhere(20), claimElsewhere(20)];
    const others = await Promise.all(processes.map(({ ports }) => ports));
    for (const { end } of processes) end();
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
