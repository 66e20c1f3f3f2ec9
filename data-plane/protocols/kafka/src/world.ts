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
  readonly #runtime: Runtime;
  /** By topic id and partition index. */
  readonly #producers = new Map<string, ProducerStates[]>();

  constructor(namespace: Namespace, runtime: Runtime, limits: KafkaLimits) {
    this.namespace = namespace;
    this.#limits = limits;
    this.#runtime = runtime;
    this.groups = new GroupCoordinator(namespace, runtime, limits);
  }

  producersOf(topic: Topic, partition: Partition): ProducerStates {
    let ofTopic = this.#producers.get(topic.idHex);
    if (ofTopic === undefined) this.#producers.set(topic.idHex, (ofTopic = []));
    let states = ofTopic[partition.index];
    if (states === undefined) {
      states = ofTopic[partition.index] = new ProducerStates(this.#limits.producersPerPartitionMax);
      // what a crash took of a topic in memory is a gap in the sequence that nobody can be blamed for
      if (topic.durability === 'flushed') states.load(partition, (error) => this.#loadFailed(topic, partition, error));
    }
    return states;
  }

  #loadFailed(topic: Topic, { index }: Partition, error: unknown): void {
    this.#runtime.log.warn({ error, topic: topic.name, partition: index }, 'kafka: producers were not all found');
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
