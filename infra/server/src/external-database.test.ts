import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claimPorts } from '@robustmq/contracts/testing';
import { startPostgres, type RunningPostgres } from '@robustmq/db';
import { afterAll, beforeAll, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

let scratch: string;
let ports: number[];
let external: RunningPostgres;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'robustmq external '));
  ports = await claimPorts(6);
  external = await startPostgres({
    dir: join(scratch, 'pg'),
    port: ports[5]!,
    password: "of one's own",
    durable: false,
  });
});
afterAll(async () => {
  await external.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** Runs a control plane on the external database until `use` is done; resolves to its exit code. */
async function withControlPlane(home: string, use: (url: string) => Promise<void>): Promise<number | null> {
  const [http, agent, mqtt, mqttWs, kafka] = ports.map(String);
  const child = spawn(process.execPath, [MAIN, 'control-plane'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      DATABASE_URL: external.url('clouds'),
      ROBUSTMQ_HOME: join(scratch, home),
      ...{ ROBUSTMQ_HTTP_PORT: http, ROBUSTMQ_AGENT_PORT: agent, ROBUSTMQ_MQTT_PORT: mqtt },
      ...{ ROBUSTMQ_MQTT_WS_PORT: mqttWs, ROBUSTMQ_KAFKA_PORT: kafka },
    },
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let said = '';
  const ready = new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        said += String(bytes);
        if (said.includes('is ready.')) resolve();
      });
    }
    void exit.then((code) => reject(new Error(`it ended with ${code}: ${said}`)));
  });
  try {
    await ready;
    await use(`http://127.0.0.1:${http}`);
  } finally {
    child.kill('SIGTERM');
    await exit;
  }
  return exit;
}

const post = (url: string, body: object): Promise<Response> =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

it('keeps everything in the PostgreSQL that DATABASE_URL names, starts none of its own and leaves that one running', async () => {
  const login = { email: 'you@example.test', password: 'at least 10 characters' };
  const first = await withControlPlane('first', async (url) => {
    expect((await post(`${url}/v1/auth/signup`, { ...login, tenantName: 'Acme' })).status).toBe(201);
  });
  expect(first).toBe(0);
  expect(existsSync(join(scratch, 'first/postgres'))).toBe(false);
  // a machine that knows nothing but the URL finds it all again
  const second = await withControlPlane('second', async (url) => {
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    expect((await post(`${url}/v1/auth/login`, login)).status).toBeLessThan(300);
  });
  expect(second).toBe(0);
  expect(process.kill(external.pid, 0)).toBe(true);
});
