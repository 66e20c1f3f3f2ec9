import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '@robustmq/db/testing';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { queueSuite } from '../testing/queue-suite.ts';

const installed = spawnSync('redis-server', ['--version']).status === 0;

if (installed) {
  let server: ChildProcess;
  let url = '';
  beforeAll(async () => {
    const port = await freePort();
    url = `redis://127.0.0.1:${port}`;
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    server = spawn('redis-server', [...args, '--maxmemory-policy', 'noeviction'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const chunk of server.stdout!) {
      said += String(chunk);
      if (said.includes('Ready to accept connections')) break;
    }
  });
  afterAll(async () => {
    if (server.exitCode === null) {
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
  });
  queueSuite('Redis', () => ({ redisUrl: url }));
} else {
  describe('the reconcile queue on Redis', () => {
    it.skip('is not tested: redis-server is not installed', () => undefined);
  });
}
