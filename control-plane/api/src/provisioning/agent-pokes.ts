import { Injectable } from '@nestjs/common';

/** Tells whoever holds an agent's stream in this process that the agent's desired state has a new version. */
@Injectable()
export class AgentPokes {
  readonly #holders = new Map<string, () => void>();

  /** Takes the agent over; answers the release, which leaves a newer holder alone. */
  hold(agentId: string, poked: () => void): () => void {
    this.#holders.set(agentId, poked);
    return () => {
      if (this.#holders.get(agentId) === poked) this.#holders.delete(agentId);
    };
  }

  /** A poke carries nothing and may be lost: its holder also looks by itself. */
  poke(agentId: string): void {
    this.#holders.get(agentId)?.();
  }

  /** True when this process holds the agent's stream. */
  holds(agentId: string): boolean {
    return this.#holders.has(agentId);
  }
}
