import { beforeAll, describe, expect, inject, it } from 'vitest';
import { MosquittoSub, consume, kafkaOf, kcat, mosquittoPub, mqttOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, type TestCluster } from '../support/cloud.ts';
import { eventually } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));

describe('a new tenant’s first messages', () => {
  let profile: string;
  let cluster: TestCluster;

  beforeAll(async () => {
    profile = await newTenant(cloud);
    cluster = await newCluster(cloud, profile);
    await cloud.ctl('topic', 'create', 'sensors', '--cluster', cluster.name, '--profile', profile);
  });

  it('go from mosquitto_pub to kcat: topic sensors, key sensors/1/temp', async () => {
    const published = await mosquittoPub(cluster, ['-q', '1', '-t', 'sensors/1/temp', '-m', '21.5']);
    expect(published.stderr).toBe('');
    expect(published.code).toBe(0);
    const read = await kcat(cluster, ['-C', '-t', 'sensors', '-o', 'beginning', '-e', '-q', '-f', '%k|%s\n']);
    expect(read.stdout).toBe('sensors/1/temp|21.5\n');
  });

  it('go from kcat to mosquitto_sub, under the key that is a topic name', async () => {
    const sub = await MosquittoSub.open(cluster, ['-t', 'sensors/#', '-q', '1', '-F', '%t|%p']);
    const produced = await kcat(
      cluster,
      ['-P', '-t', 'sensors', '-K', '|'],
      'sensors/2/temp|19\nnot a topic of it|20\n',
    );
    expect(produced.code, produced.stderr).toBe(0);
    await sub.waitFor(2);
    sub.close();
    expect(sub.lines.slice().sort()).toEqual(['sensors/2/temp|19', 'sensors|20']);
  });

  it('keep MQTT 5 properties as Kafka headers, and back', async () => {
    const client = await mqttOf(cluster);
    await client.publishAsync('sensors/3/temp', Buffer.from('x'), {
      qos: 1,
      properties: {
        contentType: 'text/plain',
        responseTopic: 'answers/1',
        correlationData: Buffer.from('c-1'),
        userProperties: { unit: 'C', site: 'Zürich' },
      },
    });
    const records = await consume(cluster, 'sensors', 4);
    const record = records.find(({ key }) => key === 'sensors/3/temp')!;
    expect(record.headers).toMatchObject({
      unit: 'C',
      site: 'Zürich',
      'content-type': 'text/plain',
      'response-topic': 'answers/1',
      'correlation-data': 'c-1',
    });

    const got: { topic: string; properties: unknown }[] = [];
    client.on('message', (topic, _payload, packet) => got.push({ topic, properties: packet.properties }));
    await client.subscribeAsync('sensors/4/+', { qos: 1 });
    const producer = kafkaOf(cluster).producer();
    await producer.connect();
    await producer.send({
      topic: 'sensors',
      messages: [
        {
          key: 'sensors/4/temp',
          value: 'y',
          headers: { unit: 'K', 'content-type': 'text/plain', 'response-topic': 'r/1', 'correlation-data': 'c-2' },
        },
      ],
    });
    await producer.disconnect();
    await eventually('the record arrives over MQTT', 60_000, () => got.length === 1);
    expect(got[0]!.topic).toBe('sensors/4/temp');
    const properties = got[0]!.properties as {
      contentType: string;
      responseTopic: string;
      correlationData: Buffer;
      userProperties: Record<string, string>;
    };
    expect(properties.contentType).toBe('text/plain');
    expect(properties.responseTopic).toBe('r/1');
    expect(properties.correlationData.toString()).toBe('c-2');
    expect(properties.userProperties['unit']).toBe('K');
    await client.endAsync();
  });

  it('go through robust-ctl alone: pub, sub, produce, consume', async () => {
    const flags = ['--cluster', cluster.name, '--profile', profile];
    await cloud.ctl('topic', 'create', 'orders', ...flags);
    await cloud.ctl('pub', 'orders/1', ...flags, '-m', 'from mqtt', '-q', '1');
    const produced = await cloud.tryCtl('produce', 'orders', ...flags, '-m', 'from kafka', '--key', 'orders/2');
    expect(produced.code, produced.stderr).toBe(0);
    const consumed = await cloud.tryCtl('consume', 'orders', ...flags, '--from-beginning', '--count', '2');
    expect(consumed.code, consumed.stderr).toBe(0);
    expect(consumed.stdout).toContain('from mqtt');
    expect(consumed.stdout).toContain('from kafka');
    const sub = cloud.tryCtl('sub', 'orders/#', ...flags, '--count', '1');
    const pub = setInterval(() => void mosquittoPub(cluster, ['-t', 'orders/3', '-m', 'live']), 500);
    const received = await sub;
    clearInterval(pub);
    expect(received.stdout).toContain('live');
  });

  it('reach a WebSocket client', async () => {
    const client = await mqttOf(cluster, { webSocket: true, protocolVersion: 4 });
    const got: string[] = [];
    client.on('message', (_topic, payload) => got.push(payload.toString()));
    await client.subscribeAsync('web/#');
    await mosquittoPub(cluster, ['-t', 'web/1', '-m', 'hello']);
    await eventually('the message arrives over WebSocket', 60_000, () => got.length === 1);
    expect(got).toEqual(['hello']);
    await client.endAsync();
  });

  it('are refused with the protocol’s own error for a wrong password', async () => {
    const wrong = { ...cluster, password: 'wrong' };
    const mqttRefused = await mosquittoPub(wrong, ['-t', 'a', '-m', 'b']);
    expect(mqttRefused.code).not.toBe(0);
    expect(mqttRefused.stderr.toLowerCase()).toMatch(/not authori[sz]ed|bad user name/);
    const kafkaRefused = await kcat(wrong, ['-L', '-m', '5']);
    expect(kafkaRefused.code).not.toBe(0);
    expect(kafkaRefused.stderr).toMatch(/[Aa]uthentication/);
  });
});
