import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A way to PostgreSQL that dies at the n-th message of the client: whoever waits for any of its statements, a COMMIT
 * included, loses the connection there, as if its process had been killed at that await.
 */
export class CuttingProxy {
  #server: Server | undefined;
  #left = Infinity;
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;

  constructor(url: string) {
    this.#target = new URL(url);
  }

  /** The URL of the same database through this proxy. */
  async start(): Promise<string> {
    this.#server = createServer((client) => this.#join(client));
    await new Promise<void>((resolve) => this.#server!.listen(0, '127.0.0.1', resolve));
    const url = new URL(this.#target);
    url.hostname = '127.0.0.1';
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  /**
   * Lets `messages` more be answered and drops the answer to the next: what it asked for is done, and nobody hears of it.
   * To the database this is also a death before the message after that. Every later connection works.
   */
  cutAfter(messages: number): void {
    this.#left = messages;
  }

  /** Whether the cut that was asked for has happened. */
  get hasCut(): boolean {
    return this.#left === Infinity;
  }

  heal(): void {
    this.#left = Infinity;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }

  #join(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    let isLast = false;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (bytes) => {
      if (isLast) return;
      if (this.#left > 0) {
        this.#left -= 1;
        server.write(bytes);
        return;
      }
      this.#left = Infinity;
      isLast = true;
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      // the server has answered, so what was asked is done; nobody hears of it
      if (isLast) client.destroy();
      else client.write(bytes);
    });
  }
}
