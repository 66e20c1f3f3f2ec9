import { readFileSync } from 'node:fs';
import { createHmac, randomFillSync } from 'node:crypto';
import { afterEach, expect, it, vi } from 'vitest';
import { SILENT_LOG, type Transport, type TransportHandler } from '@robustmq/wire';
import { systemRuntime } from '../runtime.ts';
import { loadQuic, QuicListener } from './quic.ts';

vi.setConfig({ testTimeout: 60_000 });

const pem = (name: string): string => readFileSync(new URL(`../testing/tls/${name}`, import.meta.url), 'utf8');
const isInstalled = await loadQuic().then(
  () => true,
  () => false,
);
let listener: QuicListener | null = null;
afterEach(() => {
  listener?.stopAccepting();
  listener?.destroyConnections();
  listener = null;
});

async function serve(accept: (transport: Transport) => TransportHandler): Promise<number> {
  listener = await QuicListener.make(
    {
      address: { name: 'mqttQuic', host: '127.0.0.1', port: 0 },
      info: { name: 'mqttQuic', tls: true, namespace: null },
      accept,
      runtime: systemRuntime(SILENT_LOG),
      connectionsMax: 10,
    },
    () => ({ cert: pem('node.cert.pem'), key: pem('node.key.pem') }),
  );
  return listener.open();
}

it('is refused with what to do where the library is not installed', async () => {
  if (isInstalled) return expect(await loadQuic()).toHaveProperty('QUICServer');
  await expect(serve(() => ({ onData() {}, onDrain() {}, onClose() {} }))).rejects.toMatchObject({
    code: 'not-supported',
    message: expect.stringContaining('npm install @matrixai/quic') as string,
  });
});

interface Client {
  readonly connection: { newStream(): { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> } };
  destroy(options: object): Promise<void>;
}

it.skipIf(!isInstalled)(
  'carries bytes both ways and tells the ends of a connection (needs npm install @matrixai/quic)',
  async () => {
    const closes: (Error | null)[] = [];
    const port = await serve((transport) => ({
      onData: (chunk, length) => transport.write(Buffer.from(chunk.subarray(0, length))),
      onDrain() {},
      onClose: (error) => closes.push(error),
    }));
    const library = (await loadQuic()) as unknown as {
      QUICClient: { createQUICClient(options: object): Promise<Client> };
    };
    const connect = (alpn: string) =>
      library.QUICClient.createQUICClient({
        host: '127.0.0.1',
        port,
        localHost: '127.0.0.1',
        serverName: 'localhost',
        crypto: {
          ops: {
            randomBytes: (data: ArrayBuffer) => Promise.resolve(void randomFillSync(new Uint8Array(data))),
            sign: (key: ArrayBuffer, data: ArrayBuffer) =>
              Promise.resolve(createHmac('sha256', Buffer.from(key)).update(Buffer.from(data)).digest()),
          },
        },
        config: { ca: pem('authority.cert.pem'), verifyPeer: true, applicationProtos: [alpn] },
      });
    await expect(connect('http/1.1')).rejects.toThrow();
    const client = await connect('mqtt');
    const stream = client.connection.newStream();
    const writer = stream.writable.getWriter();
    const sent = Buffer.alloc(300_000, 'x');
    void writer.write(sent);
    const reader = stream.readable.getReader();
    let received = 0;
    while (received < sent.length) {
      const { value, done } = await reader.read();
      if (done) break;
      received += value.length;
    }
    expect(received).toBe(sent.length);
    expect(listener!.connections).toBe(1);
    await client.destroy({ force: true });
    await vi.waitFor(() => expect(closes).toHaveLength(1), { timeout: 30_000 });
    expect(listener!.connections).toBe(0);
  },
);
