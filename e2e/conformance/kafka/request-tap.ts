import { connect, createServer, type Server, type Socket } from 'node:net';

const HEADER_BYTES = 14;
/** After its version 0 the tokens follow without headers (KIP-43). */
const SASL_HANDSHAKE = 17;
/** A client's name is what stands before this in its client id. */
const NAME_END = '/';

/** Stands between clients and a node, and notes which version of which API each client sent. */
export class RequestTap {
  /** Client → API key → versions. */
  readonly seen = new Map<string, Map<number, Set<number>>>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(nodePort: number) {
    this.#server = createServer((client) => {
      const node = connect(nodePort, '127.0.0.1');
      const cut = this.#cutter();
      client.on('data', (bytes: Buffer) => {
        cut(bytes);
        node.write(bytes);
      });
      node.on('data', (bytes: Buffer) => client.write(bytes));
      for (const [one, other] of [
        [client, node],
        [node, client],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  static async open(port: number, nodePort: number): Promise<RequestTap> {
    const tap = new RequestTap(nodePort);
    await new Promise<void>((resolve, reject) => {
      tap.#server.once('error', reject);
      tap.#server.listen(port, '127.0.0.1', resolve);
    });
    return tap;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts a stream into requests: size int32 · api_key int16 · api_version int16 · correlation_id int32 · client_id. */
  #cutter(): (bytes: Buffer) => void {
    let rest: Buffer = Buffer.alloc(0);
    let skip = 0;
    let bareTokens = 0;
    return (bytes) => {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      for (;;) {
        const skipped = Math.min(skip, rest.length);
        rest = rest.subarray(skipped);
        skip -= skipped;
        if (skip > 0 || rest.length < HEADER_BYTES) return;
        if (bareTokens > 0) {
          bareTokens--;
          skip = 4 + rest.readInt32BE(0);
          continue;
        }
        const nameSize = Math.max(0, rest.readInt16BE(12));
        if (rest.length < HEADER_BYTES + nameSize) return;
        const clientId = rest.toString('utf8', HEADER_BYTES, HEADER_BYTES + nameSize);
        this.#note(clientId, rest.readInt16BE(4), rest.readInt16BE(6));
        skip = 4 + rest.readInt32BE(0);
        const isBare = rest.readInt16BE(4) === SASL_HANDSHAKE && rest.readInt16BE(6) === 0;
        if (isBare) bareTokens = rest.toString('latin1', 0, skip).includes('SCRAM') ? 2 : 1;
      }
    };
  }

  #note(clientId: string, apiKey: number, version: number): void {
    const client = clientId.split(NAME_END)[0]!;
    const apis = this.seen.get(client) ?? new Map<number, Set<number>>();
    this.seen.set(client, apis);
    const versions = apis.get(apiKey) ?? new Set<number>();
    apis.set(apiKey, versions);
    versions.add(version);
  }
}
