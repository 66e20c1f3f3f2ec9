import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/**
 * True when process `pid` is alive and its command line names `configPath`. A pid alone proves nothing after a crash:
 * the system gives old numbers to new processes, and those must never be signalled.
 */
export async function isNodeProcess(pid: number, configPath: string): Promise<boolean> {
  try {
    if (process.platform === 'linux') {
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8');
      return commandLine.split('\0').includes(configPath);
    }
    const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]);
    return stdout.includes(configPath);
  } catch {
    return false;
  }
}
