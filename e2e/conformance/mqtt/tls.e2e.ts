import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CloudUnderTest, newCluster, newTenant, portOf, type TestCluster } from '../../support/cloud.ts';
import { eventually, run, start, type Finished } from '../../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const clusters: TestCluster[] = [];
let folder: string;
/** Whether this machine lets a process have a /etc/hosts of its own; without, stock clients only know `localhost`. */
let hasNames = false;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-tls-'));
  const tenant = await newTenant(cloud, 'tls');
  clusters.push(await newCluster(cloud, tenant), await newCluster(cloud, tenant));
  hasNames = (await run('unshare', ['-rm', 'true'])).code === 0;
  const names = ['localhost', 'nobody.localhost', ...clusters.map(nameOf)];
  writeFileSync(join(folder, 'hosts'), `127.0.0.1 ${names.join(' ')}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The name of a cluster that its certificate carries; no resolver of the machine need know it. */
const nameOf = ({ username }: TestCluster): string => `${username.split('@')[1]!}.localhost`;
const hostOf = (cluster: TestCluster): string => (hasNames ? nameOf(cluster) : 'localhost');
const portOfTls = (name: 'mqtts' | 'mqttWss' | 'kafkaTls'): number => portOf(clusters[0]!.endpoints[name]!);

/** A command line that sees a /etc/hosts of its own with the names of the clusters. */
function named(command: string, args: readonly string[]): [string, string[]] {
  if (!hasNames) return [command, [...args]];
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  return ['unshare', ['-rm', 'sh', '-c', script, join(folder, 'hosts'), command, ...args]];
}
const stock = (command: string, args: readonly string[], input?: string): Promise<Finished> =>
  run(...named(command, args), { timeoutMs: 60_000, ...(input === undefined ? {} : { input }) });

const mosquitto = (host: string, login: TestCluster): string[] => [
  ...['-h', host, '-p', String(portOfTls('mqtts')), '--cafile', cloud.authorityFile],
  ...['-u', login.username, '-P', login.password],
];
const kcat = (host: string, login: TestCluster, args: readonly string[], input?: string): Promise<Finished> => {
  const settings = [
    ...['security.protocol=SASL_SSL', `ssl.ca.location=${cloud.authorityFile}`],
    ...['sasl.mechanism=PLAIN', `sasl.username=${login.username}`, `sasl.password=${login.password}`],
  ];
  const broker = ['-b', `${host}:${portOfTls('kafkaTls')}`];
  return stock('kcat', [...broker, ...settings.flatMap((setting) => ['-X', setting]), ...args], input);
};

describe('the shared node over TLS', () => {
  it('tells mosquitto_pub and mosquitto_sub of two clusters apart by the name they ask for', async () => {
    for (const [i, cluster] of clusters.entries()) {
      const sub = [...mosquitto(hostOf(cluster), cluster), '-d', '-t', 'tls/#', '-C', '1', '-F', '%t %p'];
      const child = start(...named('stdbuf', ['-oL', 'mosquitto_sub', ...sub]), { stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout!, child.stderr!])
        stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
      await eventually(`a subscription: ${output}`, 60_000, () => output.includes('received SUBACK'));
      const pub = await stock('mosquitto_pub', [
        ...mosquitto(hostOf(cluster), cluster),
        ...['-q', '1', '-t', 'tls/a', '-m', `to ${i}`],
      ]);
      expect(pub.code, pub.stderr).toBe(0);
      await eventually(`the message: ${output}`, 60_000, () => output.includes(`tls/a to ${i}`));
      await eventually('the end', 60_000, () => child.exitCode !== null);
      expect(output).not.toContain(`to ${1 - i}`);
    }
  });

  it('lets kcat produce and consume in each of them', async () => {
    for (const [i, cluster] of clusters.entries()) {
      const name = hostOf(cluster);
      const produced = await kcat(name, cluster, ['-P', '-t', 'tls-records'], `record ${i}\n`);
      expect(produced.code, produced.stderr).toBe(0);
      const read = await kcat(name, cluster, ['-C', '-t', 'tls-records', '-o', 'beginning', '-e', '-q']);
      expect(read.stdout.trim(), read.stderr).toBe(`record ${i}`);
    }
  });

  it('refuses a login of one cluster under the name of another, and clients refuse a name that is nobody’s', async () => {
    const [first, second] = clusters as [TestCluster, TestCluster];
    const publish = ['-q', '1', '-t', 'tls/a', '-m', 'stray'];
    const asFirst = {
      username: first.username,
      password: first.password,
      protocolVersion: 5,
      reconnectPeriod: 0,
    } as const;
    const byName = { ...asFirst, ca: readFileSync(cloud.authorityFile), servername: nameOf(second) };
    const astray = mqtt.connectAsync(`mqtts://127.0.0.1:${portOfTls('mqtts')}`, byName as mqtt.IClientOptions);
    await expect(astray).rejects.toMatchObject({ code: 0x87 });
    if (!hasNames) return;
    const stray = await stock('mosquitto_pub', [...mosquitto(nameOf(second), first), '-V', '5', ...publish]);
    expect(stray.code).not.toBe(0);
    expect(stray.stderr + stray.stdout).toMatch(/not authori[sz]ed|bad user ?name or password/i);
    const strayRecord = await kcat(nameOf(second), first, ['-L', '-m', '5']);
    expect(strayRecord.code).not.toBe(0);
    expect(strayRecord.stderr).toMatch(/authentication/i);

    const nobody = await stock('mosquitto_pub', [...mosquitto('nobody.localhost', first), ...publish]);
    expect(nobody.code).not.toBe(0);
    expect(nobody.stderr).toMatch(/verify|TLS/i);
    const plain = await stock('mosquitto_pub', [
      ...['-h', 'localhost', '-p', String(portOfTls('mqtts')), '-u', first.username, '-P', first.password],
      ...publish,
    ]);
    expect(plain.code).not.toBe(0);
  });

  it('shows each cluster its own certificate', async () => {
    const ca = readFileSync(cloud.authorityFile);
    for (const cluster of clusters) {
      for (const port of [portOfTls('mqtts'), portOfTls('mqttWss'), portOfTls('kafkaTls')]) {
        const socket = connect({ host: '127.0.0.1', port, ca, servername: nameOf(cluster) });
        const shown = await new Promise<string>((resolve, reject) => {
          socket.once('error', reject);
          socket.once('secureConnect', () => resolve(socket.getPeerCertificate().subjectaltname ?? ''));
        });
        socket.destroy();
        expect(shown).toContain(`DNS:${nameOf(cluster)}`);
      }
    }
  });

  it('speaks MQTT over secure WebSockets', async () => {
    const [cluster] = clusters as [TestCluster];
    const client = await mqtt.connectAsync(`wss://localhost:${portOfTls('mqttWss')}/mqtt`, {
      ...{ username: cluster.username, password: cluster.password, protocolVersion: 5, reconnectPeriod: 0 },
      ca: readFileSync(cloud.authorityFile),
    });
    const got = new Promise((resolve) => client.once('message', (topic, payload) => resolve(`${topic} ${payload}`)));
    await client.subscribeAsync('tls/wss');
    await client.publishAsync('tls/wss', 'over wss', { qos: 1 });
    expect(await got).toBe('tls/wss over wss');
    await client.endAsync();
  });
});

describe('a cluster that lets certificates in', () => {
  /** Makes `<name>.pem` and `<name>.key`: an authority, or a client's certificate of one. */
  async function certificate(name: string, authority?: string): Promise<void> {
    const at = (file: string): string => join(folder, file);
    const signed = authority === undefined ? [] : ['-CA', at(`${authority}.pem`), '-CAkey', at(`${authority}.key`)];
    const made = await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', ...signed],
      ...['-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)],
      ...(authority === undefined ? [] : ['-addext', 'basicConstraints=critical,CA:FALSE']),
      ...(authority === undefined ? [] : ['-addext', 'extendedKeyUsage=clientAuth']),
    ]);
    expect(made.code, made.stderr).toBe(0);
  }
  const pair = (name: string) => ({
    cert: readFileSync(join(folder, `${name}.pem`)),
    key: readFileSync(join(folder, `${name}.key`)),
  });

  it('knows MQTT and Kafka clients by them alone, and strangers by none', async () => {
    const tenant = await newTenant(cloud, 'x509');
    const cluster = await newCluster(cloud, tenant);
    writeFileSync(join(folder, 'hosts'), `127.0.0.1 localhost ${nameOf(cluster)}\n`);
    for (const authority of ['ours', 'theirs']) await certificate(authority);
    await certificate('device', 'ours');
    await certificate('stranger', 'theirs');
    const authoritiesPem = pair('ours').cert.toString();
    const settings = JSON.stringify({ authoritiesPem });
    await cloud.ctl('config', 'set', 'authentication.x509', settings, '--cluster', cluster.name, '--profile', tenant);
    const connect = (name: string) =>
      mqtt.connectAsync(`mqtts://127.0.0.1:${portOfTls('mqtts')}`, {
        ...{ ...pair(name), ca: readFileSync(cloud.authorityFile), servername: nameOf(cluster) },
        ...{ protocolVersion: 5, reconnectPeriod: 0 },
      } as mqtt.IClientOptions);
    const device = await eventually('the setting is applied', 60_000, () => connect('device'));
    await device.publishAsync('x509', 'by mqtt', { qos: 1 });
    await device.endAsync();
    await expect(connect('stranger')).rejects.toMatchObject({ code: expect.any(Number) as number });
    if (!hasNames) return;

    const files = (name: string): string[] => [
      ...['-X', `ssl.certificate.location=${join(folder, `${name}.pem`)}`],
      ...['-X', `ssl.key.location=${join(folder, `${name}.key`)}`],
    ];
    const records = (name: string, args: string[], input?: string): Promise<Finished> => {
      const broker = ['-b', `${nameOf(cluster)}:${portOfTls('kafkaTls')}`, '-X', 'security.protocol=SSL'];
      return stock('kcat', [...broker, '-X', `ssl.ca.location=${cloud.authorityFile}`, ...files(name), ...args], input);
    };
    const produced = await records('device', ['-P', '-t', 'x509-records'], 'by kafka\n');
    expect(produced.code, produced.stderr).toBe(0);
    const read = await records('device', ['-C', '-t', 'x509-records', '-o', 'beginning', '-e', '-q']);
    expect(read.stdout.trim(), read.stderr).toBe('by kafka');
    expect((await records('stranger', ['-L', '-m', '5'])).code).not.toBe(0);
  });
});

describe('a node of its own', () => {
  it('has listeners over TLS, and their addresses are shown', async () => {
    const cluster = await newCluster(cloud, await newTenant(cloud, 'tls-own'), 'dedicated');
    const { mqtts, mqttWss, kafkaTls } = cluster.endpoints;
    expect([mqtts, mqttWss, kafkaTls]).toEqual([
      expect.stringMatching(/^mqtts:\/\/localhost:\d+$/),
      expect.stringMatching(/^wss:\/\/localhost:\d+$/),
      expect.stringMatching(/^kafka\+ssl:\/\/localhost:\d+$/),
    ]);
    const pub = await run('mosquitto_pub', [
      ...['-h', 'localhost', '-p', String(portOf(mqtts!)), '--cafile', cloud.authorityFile],
      ...['-u', cluster.username, '-P', cluster.password, '-q', '1', '-t', 'own', '-m', 'tls'],
    ]);
    expect(pub.code, pub.stderr).toBe(0);
  });
});

describe('npm start', () => {
  it('names a port over TLS that is in use, and the variable that changes it', async () => {
    const other = await CloudUnderTest.make();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(other.ports.mqttWss, '127.0.0.1', resolve));
    const child = other.launch();
    const code = await new Promise((resolve) => child.once('exit', resolve));
    server.close();
    expect(code).toBe(1);
    expect(other.output).toContain(
      `robust-server: Port ${other.ports.mqttWss} (MQTT over WebSocket and TLS) is in use`,
    );
    expect(other.output).toContain('ROBUSTMQ_MQTT_WSS_PORT');
    await other.dispose();
  });
});
