import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPort } from '@robustmq/contracts/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkPorts, prepareHome, takeLock } from './preflight.ts';
import { readSettings } from './settings.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'robustmq-preflight-'));
  prepareHome(home);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('takeLock', () => {
  it('refuses while a living process holds it, with its pid', () => {
    const lock = takeLock(home);
    expect(lock.wasAbandoned).toBe(false);
    expect(() => takeLock(home)).toThrow(`already runs on ${home} (process ${process.pid})`);
    lock.release();
    takeLock(home).release();
  });

  it('takes over from a process that died, and from another that got its pid', () => {
    writeFileSync(join(home, 'run/launcher.lock'), '4194303 1');
    expect(takeLock(home).wasAbandoned).toBe(true);
    writeFileSync(join(home, 'run/launcher.lock'), `${process.pid} 1`);
    expect(takeLock(home).wasAbandoned).toBe(true);
    expect(readFileSync(join(home, 'run/launcher.lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} \\d+$`));
  });
});

describe('checkPorts', () => {
  it('names the port, what it is for and the variable', async () => {
    const port = await claimPort();
    const settings = readSettings({
      ROBUSTMQ_MQTT_PORT: String(port),
      ROBUSTMQ_HTTP_PORT: String(await claimPort()),
    });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const others = new Set([settings.httpPort, settings.agentPort, settings.mqttWsPort, settings.kafkaPort]);
    await expect(checkPorts(settings, false, others)).rejects.toThrow(
      `Port ${port} (MQTT) is in use: stop the program that has it, or set ROBUSTMQ_MQTT_PORT`,
    );
    await expect(checkPorts(settings, false, new Set([...others, port]))).resolves.toBeUndefined();
    await new Promise((resolve) => server.close(resolve));
  });
});
