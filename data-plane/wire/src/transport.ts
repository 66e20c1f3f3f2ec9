/**
 * A byte stream between one client and one protocol server, whatever carries it (TCP, TLS, WebSocket, QUIC, the
 * simulator). `node` implements it; protocol rooms only use it, so they never touch a socket.
 */
export interface Transport {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly listener: ListenerInfo;
  /** TLS server name the client asked for, null without TLS or SNI. */
  readonly serverName: string | null;
  /**
   * DER of the certificate whose key the client proved to hold in the TLS handshake; null or absent = none. Nothing is
   * said about who issued it: the broker asks its cluster's authorities.
   */
  readonly clientCertificate?: Buffer | null;
  /** Bytes taken by `write` that the kernel has not taken yet. 0 after a `write` means the buffer may be reused. */
  readonly writableLength: number;
  /** Hands over bytes. The rule of the hot path is at most one call per transport and loop turn. */
  write(bytes: Buffer): void;
  /** Optional: `write` of each piece in order, handed to the kernel in one go. */
  writeAll?(pieces: readonly Buffer[]): void;
  /** Stops reading until `resume`; bytes already read are still handed to `onData`. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. */
  end(): void;
  /** Optional: `end` for a client that has said goodbye, so that nothing of it is waited for. */
  finish?(): void;
  /** Closes at once, dropping what was not sent. */
  destroy(): void;
}

/** Where a connection came in. */
export interface ListenerInfo {
  readonly name: string;
  readonly tls: boolean;
  /** The one namespace this port belongs to; null = the client must name it. */
  readonly namespace: string | null;
}

/** What a protocol connection gives back when it accepts a transport. */
export interface TransportHandler {
  /**
   * Bytes `[0, length)` of `chunk` have arrived. The buffer is shared by all connections and overwritten by the next
   * read: whatever must outlive the call is copied. With `readBuffer`, `chunk` is the buffer that was given.
   */
  onData(chunk: Buffer, length: number): void;
  /** Optional: where the next read should land, to assemble large requests in place. */
  readBuffer?(): Buffer;
  /** `writableLength` fell to 0 after having been above it. */
  onDrain(): void;
  /** The transport is gone; called exactly once. */
  onClose(error: Error | null): void;
}

/** Given to a listener: makes the handler of each new connection. */
export type Accept = (transport: Transport) => TransportHandler;
