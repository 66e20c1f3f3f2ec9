import { config, settled, TestNode } from '@robustmq/broker/testing';
import type { IConnectPacket, Packet } from 'mqtt-packet';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MqttServer } from './mqtt-server.ts';
import { FakeClient } from './testing/fake-client.ts';

vi.setConfig({ testTimeout: 60_000 });

/** A cluster that goes to another server: MQTT 5 §4.11, reason codes 0x9C and 0x9D. */
let node: TestNode;
let server: MqttServer;
beforeEach(async () => {
  node = await TestNode.start();
  server = new MqttServer({ broker: node.broker, runtime: node.runtime });
  await node.broker.applyNamespace(config());
});
async function join(version: 4 | 5 = 5): Promise<[FakeClient, Packet[]]> {
  const client = new FakeClient(server, { turn: () => undefined }, version);
  const connect = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: version,
    clientId: 'c',
    clean: true,
    keepalive: 0,
  };
  client.bytes(client.encode(connect as IConnectPacket));
  for (let i = 0; i < 3; i++) await settled(node);
  return [client, client.take()];
}
const elsewhere = (state: 'draining' | 'moved') =>
  node.broker.applyNamespace(config({ relocation: { state, mqtt: 'other.example:8883', kafka: null } }));

describe('a cluster that leaves the server', () => {
  it.each([
    ['draining', 0x9c],
    ['moved', 0x9d],
  ] as const)('%s: CONNACK and DISCONNECT with %i and the server reference', async (state, reasonCode) => {
    const [client, connack] = await join();
    expect(connack).toMatchObject([{ cmd: 'connack', reasonCode: 0 }]);
    await elsewhere(state);
    node.broker.sweep();
    await settled(node);
    await settled(node);
    const properties = { serverReference: 'other.example:8883' };
    expect(client.take()).toMatchObject([{ cmd: 'disconnect', reasonCode, properties }]);
    expect(client.closed).toBe('end');
    const [, refused] = await join();
    expect(refused).toMatchObject([{ cmd: 'connack', reasonCode, properties }]);
  });

  it('3.1.1: not available, and a publish to a cluster that is elsewhere ends the connection unacknowledged', async () => {
    const [client] = await join(4);
    await elsewhere('moved');
    client.bytes(
      client.encode({ cmd: 'publish', topic: 'a', payload: 'x', qos: 1, messageId: 1, dup: false, retain: false }),
    );
    await settled(node);
    expect(client.take()).toEqual([]);
    expect(client.closed).toBe('end');
    const [, refused] = await join(4);
    expect(refused).toMatchObject([{ cmd: 'connack', returnCode: 3 }]);
  });
});
