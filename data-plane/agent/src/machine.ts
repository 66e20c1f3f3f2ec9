import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import type { AgentObserved } from '@robustmq/contracts/data-plane';

type Machine = Omit<AgentObserved, 'nodes' | 'release'>;

/** What this machine has and has left; `dir` is on the disk that counts. */
export async function observeMachine(dir: string): Promise<Machine> {
  const { bsize, blocks, bavail } = await statfs(dir);
  return {
    cpus: availableParallelism(),
    loadAverage: loadavg()[0]!,
    memoryBytes: totalmem(),
    memoryFreeBytes: await availableMemory(),
    diskBytes: bsize * blocks,
    diskFreeBytes: bsize * bavail,
  };
}

/** What could be had without swapping: caches count as free (proc(5), MemAvailable). */
async function availableMemory(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

/** Resident memory of a process in bytes; null where the system does not tell. */
export async function memoryOf(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(text)?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}
