import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { CloudUnderTest, newCluster, newTenant, portOf, type TestCluster } from '../../support/cloud.ts';
import { eventually } from '../../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
let cluster: TestCluster;
const open: WebSocket[] = [];
beforeAll(async () => {
  cluster = await newCluster(cloud, await newTenant(cloud, 'mqtt-websocket'));
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

interface Dialled {
  readonly socket: WebSocket;
  /** Everything the server sent, one after the other. */
  bytes(): Buffer;
  readonly closed: () => boolean;
}

/** A WebSocket without a library of MQTT: frames as they are. */
function dial(protocols: string[]): Promise<Dialled> {
  const socket = new WebSocket(`ws://127.0.0.1:${portOf(cluster.endpoints.mqttWs)}/mqtt`, protocols);
  socket.binaryType = 'arraybuffer';
  open.push(socket);
  let got: Buffer = Buffer.alloc(0);
  let closed = false;
  socket.addEventListener('message', ({ data }) => {
    if (!(data instanceof ArrayBuffer)) throw new Error('a text frame of the server');
    got = Buffer.concat([got, Buffer.from(data)]);
  });
  socket.addEventListener('close', () => (closed = true));
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve({ socket, bytes: () => got, closed: () => closed }));
    socket.addEventListener('error', () => reject(new Error('the upgrade was refused')));
  });
}

function packet(first: number, ...parts: (Buffer | string)[]): Buffer {
  const fields = parts.map((part) => {
    if (typeof part !== 'string') return part;
    return Buffer.concat([Buffer.of(part.length >> 8, part.length & 255), Buffer.from(part)]);
  });
  const body = Buffer.concat(fields);
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return Buffer.concat([Buffer.of(first, ...length), body]);
}
const connect = (): Buffer => packet(0x10, 'MQTT', Buffer.of(4, 0xc2, 0, 60), '', cluster.username, cluster.password);
const subscribe = packet(0x82, Buffer.of(0, 1), 'ws/frames', Buffer.of(0));
const publish = packet(0x30, 'ws/frames', Buffer.from('hello'));
const CONNACK = '20020000';
const SUBACK = '9003000100';

describe('MQTT over WebSocket', () => {
  it('[MQTT-6.0.0-4] [MQTT3-6.0.0-4] the subprotocol mqtt is selected', async () => {
    const { socket } = await dial(['other', 'mqtt']);
    expect(socket.protocol).toBe('mqtt');
  });

  it('[MQTT-6.0.0-2] [MQTT3-6.0.0-2] packets are joined and split over frames', async () => {
    const together = await dial(['mqtt']);
    together.socket.send(Buffer.concat([connect(), subscribe, publish]));
    const expected = CONNACK + SUBACK + publish.toString('hex');
    await eventually('all answers', 60_000, () => together.bytes().toString('hex') === expected);
    const apart = await dial(['mqtt']);
    for (const byte of Buffer.concat([connect(), subscribe])) apart.socket.send(Uint8Array.of(byte));
    await eventually('all answers', 60_000, () => apart.bytes().toString('hex') === CONNACK + SUBACK);
    expect(apart.closed()).toBe(false);
  });

  it('[MQTT-6.0.0-1] [MQTT3-6.0.0-1] a text frame ends the connection', async () => {
    const { socket, bytes, closed } = await dial(['mqtt']);
    socket.send(new Uint8Array(connect()));
    await eventually('CONNACK', 60_000, () => bytes().toString('hex') === CONNACK);
    socket.send('text');
    await eventually('the end', 60_000, closed);
  });
});
