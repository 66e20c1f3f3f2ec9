import { Injectable } from '@nestjs/common';
import { Database } from '@robustmq/db';
import { KeyRing } from '../auth/key-ring.ts';
import { openSettings } from '../clusters/settings-secrets.ts';
import { desiredState, type OpenSettings } from '../provisioning/desired-state.ts';
import type { StateUpdate } from './agent-frames.ts';

/** Makes the signed desired state of an agent. */
@Injectable()
export class AgentStates {
  readonly #database: Database;
  readonly #keys: KeyRing;
  constructor(database: Database, keys: KeyRing) {
    this.#database = database;
    this.#keys = keys;
  }

  /** The whole state when it is newer than `haveVersion`; undefined when the agent has the latest. */
  async newerThan(agentId: string, haveVersion: number): Promise<StateUpdate | undefined> {
    const agent = await this.#database.agents.agent(agentId);
    if (!agent || agent.desiredVersion <= BigInt(haveVersion)) return undefined;
    const placed = await this.#database.agents.placements(agentId);
    if (!placed) return undefined;
    const open: OpenSettings = (settings, clusterId) => openSettings(settings, this.#keys, clusterId);
    const desired = desiredState(agentId, placed.version, placed.clusters, { ...placed, open });
    const desiredJson = JSON.stringify(desired);
    return { version: Number(placed.version), desiredJson, signature: this.#keys.sign(desiredJson) };
  }
}
