import { BatchBuilder, objectsOf } from '@robustmq/journal';
import type { Connection } from '@robustmq/broker';
import { namespaceOf, type Process, type SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

/** The namespace that comes and goes. */
export const CHURNED_NAMESPACE = 'churned';
const ID = CHURNED_NAMESPACE;
const TOPIC = 't';
const PAUSE_MS_MAX = 400;
const PADDING_BYTES = [10, 800, 3_000] as const;

/** What the agent was told last of its namespace. */
type Stage = 'absent' | 'unknown' | 'present';

/**
 * Plays an agent that makes a namespace, has something stored in it, removes it with all it holds, and begins again; a
 * step whose answer a crash took is made again with the next process.
 */
export class NamespaceChurn {
  readonly #world: World;
  readonly #node: SimulatedNode;
  #stage: Stage = 'absent';
  #isRemoving = false;
  #isBusy = false;
  #isStopped = false;
  /** Records acknowledged since the namespace was made. */
  #stored = 0;

  constructor(world: World, node: SimulatedNode) {
    this.#world = world;
    this.#node = node;
  }
  get isQuiet(): boolean {
    return !this.#isStopped || !this.#isBusy;
  }
  start(): void {
    this.#world.after(this.#world.chance.between(0, PAUSE_MS_MAX), () => void this.#next());
  }
  stop(): void {
    this.#isStopped = true;
  }

  /** A namespace whose making or removal was acknowledged stays made or removed, over crashes too. */
  namespacesStayAsAcknowledged(): void {
    const process = this.#node.up;
    if (process === null || this.#isBusy || this.#stage === 'unknown') return;
    const isThere = process.broker!.byId(ID) !== undefined;
    if (isThere !== (this.#stage === 'present')) {
      this.#world.violated('namespaces-survive', `${ID} is ${this.#stage} and ${isThere ? 'is' : 'is not'} there`);
    }
    const left = process.journal!.list().filter((name) => name.startsWith(prefixOf(ID)));
    if (this.#stage === 'absent' && left.length > 0) {
      this.#world.violated('removed-namespaces-leave-nothing', left.join(', '));
    }
    const stable = process.broker!.byId(ID)?.topics.get(TOPIC)?.partitions[0]?.stableOffset ?? 0;
    if (this.#stage === 'present' && stable < this.#stored) {
      this.#world.violated('namespaces-survive', `${this.#stored} records of ${ID} are acknowledged, ${stable} there`);
    }
  }
  /** At the end: object storage has nothing of a namespace that is gone. */
  async leavesNoObject(): Promise<void> {
    if (this.#stage !== 'absent') return;
    const keys = await this.#node.objectKeys(objectsOf(prefixOf(ID)));
    if (keys.length > 0) this.#world.violated('removed-namespaces-leave-nothing', keys.join(', '));
  }

  async #next(): Promise<void> {
    const process = this.#node.up;
    if (process !== null && !this.#isBusy && !this.#isStopped) {
      this.#isBusy = true;
      // A process that died never answers; the next one is asked.
      this.#node.whenGone(process, () => (this.#isBusy = false));
      try {
        await this.#step(process);
      } catch (error) {
        this.#world.trace(`agent: ${ID}: ${String(error)}`);
      }
      if (process === this.#node.up) this.#isBusy = false;
    }
    if (process === this.#node.up || this.#node.up === null) this.start();
  }
  async #step(process: Process): Promise<void> {
    const broker = process.broker!;
    if (this.#isRemoving || (this.#stage === 'present' && this.#stored > 0 && this.#world.chance.is(0.3))) {
      this.#isRemoving = true;
      this.#stage = 'unknown';
      await broker.removeNamespace(ID);
      if (process !== this.#node.up) return;
      this.#isRemoving = false;
      this.#stage = 'absent';
      this.#stored = 0;
      return this.#world.trace(`agent: ${ID} is removed`);
    }
    if (this.#stage !== 'present') {
      this.#stage = 'unknown';
      await broker.applyNamespace(namespaceOf(ID, [{ name: TOPIC, partitions: 1 }]));
      if (process !== this.#node.up) return;
      this.#stage = 'present';
      return this.#world.trace(`agent: ${ID} is made`);
    }
    await this.#write(process);
  }
  async #write(process: Process): Promise<void> {
    const namespace = process.broker!.byId(ID)!;
    const connection = namespace.connect({
      ...{ protocol: 'kafka', principal: 'anonymous', clientId: ID, remoteAddress: '127.0.0.1' },
      disconnect() {},
    });
    if ('refused' in connection) return;
    const builder = new BatchBuilder();
    builder.add(null, Buffer.alloc(this.#world.chance.pick(PADDING_BYTES), 'x'), null, 1);
    const batch = builder.build();
    const partition = namespace.topics.get(TOPIC)!.partitions[0]!;
    const claim = await partition.prepare!(batch, connection as Connection);
    const appended = process === this.#node.up ? partition.append(batch, connection as Connection, claim) : null;
    if (appended === null || 'refused' in appended) return;
    await appended.commit.promise();
    if (process === this.#node.up) this.#stored = Math.max(this.#stored, appended.baseOffset + 1);
  }
}

/** What the names of all streams of a namespace begin with. */
function prefixOf(id: string): string {
  return `ns${id.length}:${id}`;
}
