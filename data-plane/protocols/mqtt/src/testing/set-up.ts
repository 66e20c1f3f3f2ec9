import type { IConnectPacket } from 'mqtt-packet';
import type { MqttLimits } from '../limits.ts';
import { MqttServer } from '../mqtt-server.ts';
import { FakeBroker } from './fake-broker.ts';
import { FakeClient } from './fake-client.ts';
import { FakeRuntime } from './fake-runtime.ts';

export interface Join extends Partial<IConnectPacket> {
  readonly version?: 3 | 4 | 5;
}

/** A server with a broker double, and a way to let clients in. */
export function setUp(limits: Partial<MqttLimits> = {}) {
  const runtime = new FakeRuntime();
  const broker = new FakeBroker();
  const server = new MqttServer({ broker, runtime, limits });
  let clients = 0;
  /** A client that has not sent CONNECT. */
  const dial = (version: 3 | 4 | 5 = 4): FakeClient => new FakeClient(server, runtime, version);
  const connectPacket = ({ version = 4, ...rest }: Join): IConnectPacket => ({
    cmd: 'connect',
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: version,
    clientId: `client-${++clients}`,
    clean: true,
    keepalive: 0,
    ...rest,
  });
  /** A connected client; its CONNACK is in `connack`, what follows it is to be taken. */
  const join = (options: Join = {}) => {
    const client = dial(options.version);
    const [connack, ...rest] = client.send(connectPacket(options));
    client.received = rest;
    if (connack?.cmd !== 'connack' || (connack.returnCode ?? 0) !== 0 || (connack.reasonCode ?? 0) !== 0) {
      throw new Error(`not let in: ${JSON.stringify(connack)}`);
    }
    return Object.assign(client, { connack });
  };
  return { runtime, broker, server, dial, connectPacket, join };
}
