import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Database } from '@robustmq/db';

/** How often versions raised by other processes are looked for, in milliseconds: one question for all agents held here. */
const LOOK_MS = 1_000;

/**
 * Tells whoever holds an agent's stream in this process that the agent's desired state has a new version: at once when it
 * was raised here, within a second when another process did.
 */
@Injectable()
export class AgentPokes implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #database: Database;
  readonly #holders = new Map<string, () => void>();
  /** agent → the version seen last */
  #versions = new Map<string, bigint>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look()
        // a database that is away is nothing to tell: the next look finds it all again
        .catch(() => undefined)
        .finally(() => (this.#looking = undefined));
    }, LOOK_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    if (this.#holders.size === 0) return;
    const versions = await this.#database.agents.desiredVersions([...this.#holders.keys()]);
    const before = this.#versions;
    this.#versions = versions;
    for (const [agentId, version] of versions) if (version !== before.get(agentId)) this.poke(agentId);
  }

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
