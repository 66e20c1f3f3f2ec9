/** Longest wait for any one answer of a peer. */
export const ANSWER_MS_MAX = 30_000;

/** A peer did not do what every server of its protocol does. `reason` says what, without the peer's name. */
export class PeerFailure extends Error {
  readonly reason: string;
  constructor(peer: string, reason: string, options?: ErrorOptions) {
    super(`${peer}: ${reason}`, options);
    this.reason = reason;
  }
}

/** The failure of a peer that is silent. */
export const noAnswer = (peer: string, waitedMs: number): PeerFailure =>
  new PeerFailure(peer, `no answer in ${waitedMs / 1000} s`);
