import type { Connection } from '@robustmq/broker';
import type { Cancel } from '@robustmq/wire';
import { FAULTS } from './reason-codes.ts';
import type { FaultCode } from './reason-codes.ts';
import type { ServerContext } from './server-context.ts';

/** The connection as its throttle needs it. */
export interface Throttled {
  readonly context: ServerContext;
  readonly link: Connection;
  readonly open: boolean;
  pauseForQuota(): void;
  resumeWithinQuota(): void;
  note(code: string, detail: string): void;
  fail(code: FaultCode, detail: string): void;
}

/**
 * Byte rate quotas as one publisher feels them: it is not read from while the cluster owes, and ended with 0x96 when its
 * ingress would be owed for longer than `throttlePatienceMs`. What its messages cost the egress quota only delays it, at
 * most `egressPauseMsMax` at a time, for others may have used that up.
 */
export class Throttle {
  readonly #connection: Throttled;
  #cancel: Cancel | null = null;
  #pausedMs = 0;
  #noted = false;

  constructor(connection: Throttled) {
    this.#connection = connection;
  }

  /** Called after every chunk with publishes. */
  look(): void {
    if (this.#cancel === null) this.#decide();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #decide(): void {
    const { context, link } = this.#connection;
    const { throttlePatienceMs, egressPauseMsMax } = context.limits;
    const ingressMs = link.ingressDelayMs();
    // a pause for the egress ends whatever the next look says
    const egressMs = this.#pausedMs > 0 ? 0 : Math.min(link.egressDelayMs(), egressPauseMsMax);
    const delayMs = Math.max(ingressMs, egressMs);
    if (delayMs === 0) {
      if (this.#pausedMs > 0) this.#connection.resumeWithinQuota();
      this.#pausedMs = 0;
      return;
    }
    if (ingressMs > 0 && this.#pausedMs + ingressMs > throttlePatienceMs) {
      this.#connection.fail('message-rate-too-high', FAULTS['message-rate-too-high'].text);
      return;
    }
    this.#pause(Math.max(1, delayMs), ingressMs > 0);
  }

  #pause(delayMs: number, isIngress: boolean): void {
    if (this.#pausedMs === 0) this.#connection.pauseForQuota();
    this.#pausedMs += delayMs;
    if (isIngress && !this.#noted) {
      this.#noted = true;
      this.#connection.note('throttled', 'the cluster takes in more bytes than its quota allows: reads are delayed');
    }
    this.#cancel = this.#connection.context.runtime.after(delayMs, () => {
      this.#cancel = null;
      if (this.#connection.open) this.#decide();
    });
  }
}
