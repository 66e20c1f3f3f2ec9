import { BlockList, isIPv6, type Socket } from 'node:net';
import type { Runtime } from '@robustmq/wire';
import { plainAddress } from './listener.ts';
import { parseProxyHeader, PROXY_HEADER_BYTES_MAX, type ProxySource } from './proxy-header.ts';

/** A proxy sends its header with its first packet. */
const HEADER_TIMEOUT_MS = 5_000;

/**
 * Takes the PROXY protocol header off new connections of trusted proxies and remembers where their clients are.
 * Connections of anybody else are closed: a client that could speak for itself could also lie about its address.
 */
export class ProxyGate {
  readonly #trusted = new BlockList();
  readonly #runtime: Runtime;
  readonly #name: string;
  /** By the proxy's own address and port, which no two open connections share. */
  readonly #sources = new Map<string, ProxySource>();

  /** `trusted`: addresses and CIDR blocks. Throws ERR_INVALID_ADDRESS or a range error for one that is none. */
  constructor(name: string, trusted: readonly string[], runtime: Runtime) {
    this.#name = name;
    this.#runtime = runtime;
    for (const block of trusted) {
      const [address = '', bits] = block.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(bits), family);
    }
  }

  /** Where the client behind `socket` is: what its proxy said, else the peer itself. */
  sourceOf(socket: Socket): ProxySource {
    const peer = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 };
    return this.#sources.get(keyOf(peer)) ?? peer;
  }

  /** Reads the header of `socket` and then calls `next`; what follows the header is still to be read. */
  admit(socket: Socket, next: (socket: Socket) => void): void {
    const peer = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 };
    socket.on('error', ignore);
    if (!this.#trusted.check(peer.address, isIPv6(peer.address) ? 'ipv6' : 'ipv4'))
      return this.#refuse(socket, peer, 'not a trusted proxy');
    let held: Buffer = Buffer.alloc(0);
    const cancel = this.#runtime.after(HEADER_TIMEOUT_MS, () => this.#refuse(socket, peer, 'header too slow'));
    const gone = () => cancel();
    const onReadable = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const header = parseProxyHeader(held);
      if (header.kind === 'incomplete' && held.length < PROXY_HEADER_BYTES_MAX) return;
      cancel();
      socket.off('readable', onReadable).off('close', gone);
      if (header.kind !== 'header') {
        return this.#refuse(socket, peer, header.kind === 'malformed' ? header.reason : 'header too long');
      }
      if (header.source !== null) this.#remember(socket, peer, header.source);
      if (held.length > header.length) socket.unshift(held.subarray(header.length));
      next(socket);
    };
    socket.on('close', gone).on('readable', onReadable);
  }

  #remember(socket: Socket, peer: ProxySource, source: ProxySource): void {
    const key = keyOf(peer);
    this.#sources.set(key, source);
    socket.once('close', () => {
      if (this.#sources.get(key) === source) this.#sources.delete(key);
    });
  }
  #refuse(socket: Socket, peer: ProxySource, reason: string): void {
    this.#runtime.log.debug(
      { listener: this.#name, remoteAddress: peer.address, reason },
      'proxied connection refused',
    );
    socket.destroy();
  }
}

const keyOf = ({ address, port }: ProxySource): string => `${address}|${port}`;
function ignore(): void {}
