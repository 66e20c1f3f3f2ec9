import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAgentConfig, type AgentConfig } from './agent-config.ts';
import { Agent } from './agent.ts';
import { LINK_TIMING } from './control-link.ts';
import { FakeControlPlane } from './testing/fake-control-plane.ts';
import { clusterId, eventually, freePorts, namespaceSpec, scratchDirectory, testLog } from './testing/fixtures.ts';

const NODE_MAIN = fileURLToPath(new URL('../../node/src/main.mjs', import.meta.url));
const FAST = { ...LINK_TIMING, leaseMs: 50, silenceMs: 2_000, pollMs: 50, reconnectFirstMs: 20, reconnectMaxMs: 200 };

describe('TLS listeners of a real node', { timeout: 180_000 }, () => {
  let control: FakeControlPlane;
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  let agent: Agent | undefined;
  let config: AgentConfig;
  const sockets: TLSSocket[] = [];

  beforeEach(async () => {
    scratch = await scratchDirectory();
    control = new FakeControlPlane();
    await control.start();
    const [plain, secure] = [await freePorts(), await freePorts()];
    config = {
      dir: join(scratch.dir, 'agent'),
      link: `http://127.0.0.1:${control.port}`,
      joinToken: control.joinToken,
      bind: '127.0.0.1',
      publicHost: 'localhost',
      domain: 'example.test',
      sharedPorts: {
        ...plain,
        ...{ mqtts: secure.mqtt, mqttsAlias: secure.mqttWs, kafkaTls: secure.kafka, mqttWss: secure.amqp },
      },
      nodeMainPath: NODE_MAIN,
      usageWindowMs: 1_000,
    };
  });
  afterEach(async () => {
    sockets.splice(0).forEach((socket) => socket.destroy());
    await agent?.close(true);
    control.stop();
    await scratch.remove();
  });

  it('show each cluster its own certificate of the machine’s authority, are reported, and the clusters can be looked into', async () => {
    control.desire([namespaceSpec(1, 1, undefined, 'shop'), namespaceSpec(2, 1, undefined, 'bank')]);
    agent = new Agent(config, testLog, FAST);
    await agent.start();
    const isReady = (n: number) => () =>
      control.statuses.some((one) => one.clusterId === clusterId(n) && one.phase === 'ready' && one.endpointsReachable);
    await eventually('cluster 1', isReady(1), () => control.statuses);
    await eventually('cluster 2', isReady(2), () => control.statuses);
    const { mqtts, mqttsAlias, mqttWss, kafkaTls } = config.sharedPorts;
    expect(control.endpoints).toMatchObject({ mqtts, mqttWss, kafkaTls, domain: 'example.test' });

    expect(await control.ask(clusterId(1), 'topics')).toMatchObject({
      ...{ replyJson: '{"items":[],"next":null}', errorJson: '' },
    });
    const codes = await Promise.all(
      [
        control.ask(clusterId(1), 'nothing'),
        control.ask(clusterId(1), 'topics', { limit: 0 }),
        control.ask(clusterId(77), 'topics'),
      ].map(async (reply) => (JSON.parse((await reply).errorJson) as { code: string }).code),
    );
    expect(codes).toEqual(['not-found', 'validation-failed', 'not-found']);
    const many = await Promise.all(Array.from({ length: 90 }, () => control.ask(clusterId(2), 'clients')));
    expect(many.every(({ replyJson, errorJson }) => (replyJson === '') !== (errorJson === ''))).toBe(true);

    const ca = await readFile(join(config.dir, 'tls', 'ca.cert.pem'));
    for (const port of [mqtts!, mqttsAlias!, mqttWss!, kafkaTls!]) {
      for (const servername of ['shop.example.test', 'bank.example.test', 'shop.localhost', 'localhost']) {
        const socket = connect({ host: '127.0.0.1', port, ca, servername });
        sockets.push(socket);
        await once(socket, 'secureConnect');
        const shown = socket.getPeerCertificate().subject.CN;
        expect(shown).toBe(
          servername === 'localhost' ? 'localhost' : servername.replace('.localhost', '.example.test'),
        );
      }
    }
    expect((await readdir(join(config.dir, 'tls', 'namespaces'))).sort()).toEqual(
      ['bank', 'shop'].flatMap((key) => [`${key}.cert.pem`, `${key}.key.pem`]),
    );
  });
});

describe('ports over TLS', () => {
  const portsOf = (env: NodeJS.ProcessEnv) => readAgentConfig(env).sharedPorts;
  it('are the usual ones beside the usual plain ones', () => {
    expect(portsOf({})).toMatchObject({ mqtts: 8883, mqttsAlias: 1884, mqttWss: 8084, kafkaTls: 9093, mqttQuic: 0 });
  });
  it('are chosen, or not opened, where the plain ones were moved', () => {
    const moved = { ROBUSTMQ_MQTT_PORT: '1993', ROBUSTMQ_MQTT_WS_PORT: '8993', ROBUSTMQ_KAFKA_PORT: '9992' };
    expect(portsOf(moved)).toMatchObject({ mqtts: 0, mqttsAlias: 0, mqttWss: 0, kafkaTls: 0 });
    expect(portsOf({ ...moved, ROBUSTMQ_MQTTS_PORT: '8993' })).toMatchObject({ mqtts: 8993 });
    expect(portsOf({ ROBUSTMQ_MQTTS_PORT: '0' })).toMatchObject({ mqtts: 0 });
  });
  it('want certificate and key together', () => {
    expect(() => readAgentConfig({ ROBUSTMQ_TLS_CERT_FILE: 'a.pem' })).toThrow(/set both or neither/);
  });
});
