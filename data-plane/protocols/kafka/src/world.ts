import type { Namespace, Partition, Topic } from '@robustmq/broker';
import type { Runtime } from '@robustmq/wire';
import { GroupCoordinator } from './groups/coordinator.ts';
import type { KafkaLimits } from './limits.ts';
import { ProducerStates } from './producer-states.ts';

/**
 * What this room keeps for one namespace: its groups and its idempotent producers. Found by namespace id only, so
 * groups of the same name in two clusters never meet.
 */
export class World {
  readonly namespace: Namespace;
  readonly groups: GroupCoordinator;
  readonly #limits: KafkaLimits;
  /** By topic id and partition index. */
  readonly #producers = new Map<string, ProducerStates[]>();

  constructor(namespace: Namespace, runtime: Runtime, limits: KafkaLimits) {
    this.namespace = namespace;
    this.#limits = limits;
    this.groups = new GroupCoordinator(namespace, runtime, limits);
  }

  producersOf(topic: Topic, partition: Partition): ProducerStates {
    let ofTopic = this.#producers.get(topic.idHex);
    if (ofTopic === undefined) this.#producers.set(topic.idHex, (ofTopic = []));
    return (ofTopic[partition.index] ??= new ProducerStates(this.#limits.producersPerPartitionMax));
  }

  /** The topic is gone. */
  forgetTopic(idHex: string): void {
    this.#producers.delete(idHex);
  }

  close(): void {
    this.groups.close();
    this.#producers.clear();
  }
}
