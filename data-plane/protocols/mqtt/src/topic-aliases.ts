import type { PublishEncoder } from './publish-encoder.ts';

/** Topics so short that an alias saves next to nothing. */
const TOPIC_BYTES_MIN = 8;

/**
 * Aliases this server sets towards one MQTT 5 client, as many as both sides allow, given to the topics that come first
 * and kept to the end of the connection [MQTT-3.1.2-26]. Only for packets that are written at once: what waits may expire
 * or be dropped, and its alias would then never have been set.
 */
export class TopicAliases {
  readonly #max: number;
  readonly #byTopic = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Lets the encoder, which is ready but for this, use an alias where there is one. Forgotten by `clear`. */
  apply(encoder: PublishEncoder, packetSizeMax: number): void {
    const { topicStart, topicEnd } = encoder;
    if (topicEnd - topicStart < TOPIC_BYTES_MIN) return;
    // UTF-8 bytes as latin1: cheaper, and as unique
    const topic = encoder.topic.toString('latin1', topicStart, topicEnd);
    const known = this.#byTopic.get(topic);
    if (known !== undefined) {
      encoder.topicAlias = known;
      encoder.aliasIsSet = true;
      return;
    }
    if (this.#byTopic.size === this.#max) return;
    encoder.topicAlias = this.#byTopic.size + 1;
    if (encoder.size() > packetSizeMax) encoder.topicAlias = 0;
    else this.#byTopic.set(topic, encoder.topicAlias);
  }

  clear(encoder: PublishEncoder): void {
    encoder.topicAlias = 0;
    encoder.aliasIsSet = false;
  }
}
