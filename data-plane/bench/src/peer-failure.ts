/** Longest wait for any one answer of a peer. */
export const ANSWER_MS_MAX = 30_000;

/** A peer did not do what every server of its protocol does. `reason` says what, without the peer's name. */
export class PeerFailure extends Error {
  readonly reason: string;
  /** True: the server did what it could and is well; it need not be started again. */
  readonly isSlowness: boolean;
  constructor(peer: string, reason: string, options?: ErrorOptions & { readonly isSlowness?: boolean }) {
    super(`${peer}: ${reason}`, options);
    this.reason = reason;
    this.isSlowness = options?.isSlowness ?? false;
  }
}

/** The failure of a peer that is silent. */
export const noAnswer = (peer: string, waitedMs: number): PeerFailure =>
  new PeerFailure(peer, `no answer in ${waitedMs / 1000} s`);
