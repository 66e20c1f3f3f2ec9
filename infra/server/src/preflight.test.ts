import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPort } from '@robustmq/contracts/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkPorts, prepareHome, takeLock } from './preflight.ts';
import { NODE_PORTS, readSettings } from './settings.ts';

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
    const { httpPort, agentPort, mqttWsPort, mqttWssPort, kafkaPort, kafkaTlsPort } = settings;
    const others = new Set([httpPort, agentPort, mqttWsPort, mqttWssPort, kafkaPort, kafkaTlsPort]);
    await expect(checkPorts(settings, false, others)).rejects.toThrow(
      `Port ${port} (MQTT) is in use: stop the program that has it, or set ROBUSTMQ_MQTT_PORT`,
    );
    await expect(checkPorts(settings, false, new Set([...others, port]))).resolves.toBeUndefined();
    const secure = readSettings({ ROBUSTMQ_MQTT_PORT: '1993', ROBUSTMQ_MQTTS_PORT: String(port) });
    await expect(checkPorts(secure, false, new Set([...others, 1993]))).rejects.toThrow(
      `Port ${port} (MQTT over TLS) is in use: stop the program that has it, or set ROBUSTMQ_MQTTS_PORT`,
    );
    await new Promise((resolve) => server.close(resolve));
  });

  it('looks at QUIC where it is: among the UDP ports', async () => {
    const port = await claimPort();
    const settings = readSettings({ ROBUSTMQ_MQTT_PORT: '1993', ROBUSTMQ_MQTT_QUIC_PORT: String(port) });
    const others = new Set(NODE_PORTS.map((name) => settings[name]).filter((one) => one !== port));
    const except = new Set([...others, settings.httpPort, settings.agentPort]);
    await expect(checkPorts(settings, false, except)).resolves.toBeUndefined();
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
    await expect(checkPorts(settings, false, except)).rejects.toThrow(`Port ${port} (MQTT over QUIC) is in use`);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  });
});
