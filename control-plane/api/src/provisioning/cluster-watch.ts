import { Injectable } from '@nestjs/common';

interface Waiter {
  readonly generation: number;
  readonly resolve: (served: boolean) => void;
}

/** Lets a request wait until the agent has applied what it asked for. */
@Injectable()
export class ClusterWatch {
  readonly #waiters = new Map<string, Set<Waiter>>();

  /** True once the generation is observed, false when that takes longer than `timeoutMs`. */
  applied(clusterId: string, generation: number, timeoutMs: number): Promise<boolean> {
    return new Promise((done) => {
      const set = this.#waiters.get(clusterId) ?? new Set<Waiter>();
      this.#waiters.set(clusterId, set);
      const finish = (served: boolean): void => {
        clearTimeout(timer);
        set.delete(waiter);
        if (set.size === 0 && this.#waiters.get(clusterId) === set) this.#waiters.delete(clusterId);
        done(served);
      };
      const waiter: Waiter = { generation, resolve: finish };
      const timer = setTimeout(() => finish(false), timeoutMs);
      set.add(waiter);
    });
  }

  /** Called after the commit that recorded the observation. */
  observed(clusterId: string, observedGeneration: number): void {
    for (const waiter of [...(this.#waiters.get(clusterId) ?? [])]) {
      if (waiter.generation <= observedGeneration) waiter.resolve(true);
    }
  }
}
