import type { Namespace } from '@robustmq/broker';
import type { Runtime } from '@robustmq/wire';
import { PatternError, TopicPattern } from './topic-pattern.ts';

/** Names are matched again after this long, or later where it takes long: all patterns together get a hundredth of the time. */
const REFRESH_MS = 10_000;
const SHARE = 100;
/** A pattern nobody asked for this long is forgotten. */
const IDLE_MS = 120_000;

interface Matched {
  readonly pattern: TopicPattern;
  names: readonly string[];
  /** Monotonic. */
  nextMs: number;
  usedMs: number;
}

/** The topics of a namespace by the patterns its groups subscribe to (KIP-848), without a thought to who may see them. */
export class MatchedTopics {
  readonly #namespace: Namespace;
  readonly #runtime: Runtime;
  readonly #patternsMax: number;
  readonly #matched = new Map<string, Matched>();

  constructor(namespace: Namespace, runtime: Runtime, patternsMax: number) {
    this.#namespace = namespace;
    this.#runtime = runtime;
    this.#patternsMax = patternsMax;
  }

  /** Why a pattern cannot be subscribed to, in a sentence; null = it can. */
  fault(pattern: string): string | null {
    if (this.#matched.has(pattern)) return null;
    try {
      this.#make(pattern);
      return null;
    } catch (error) {
      if (error instanceof PatternError) return error.message;
      throw error;
    }
  }

  /** Names of topics that match, sorted; as they were at most 10 s ago, or longer where there are very many. */
  names(pattern: string): readonly string[] {
    const nowMs = this.#runtime.monotonicMs();
    const matched = this.#matched.get(pattern) ?? this.#make(pattern);
    matched.usedMs = nowMs;
    if (nowMs >= matched.nextMs) {
      const names = this.#namespace.topics.list().map(({ name }) => name);
      matched.names = names.filter((name) => matched.pattern.matches(name)).sort();
      const tookMs = this.#runtime.monotonicMs() - nowMs;
      matched.nextMs = nowMs + Math.max(REFRESH_MS, tookMs * SHARE * this.#matched.size);
    }
    return matched.names;
  }

  /** Throws PatternError, also when there are too many. */
  #make(pattern: string): Matched {
    const compiled = new TopicPattern(pattern);
    const nowMs = this.#runtime.monotonicMs();
    if (this.#matched.size >= this.#patternsMax) {
      for (const [text, { usedMs }] of this.#matched) if (nowMs - usedMs > IDLE_MS) this.#matched.delete(text);
      if (this.#matched.size >= this.#patternsMax) {
        throw new PatternError(`a cluster has at most ${this.#patternsMax} patterns`);
      }
    }
    const matched: Matched = { pattern: compiled, names: [], nextMs: -Infinity, usedMs: nowMs };
    this.#matched.set(pattern, matched);
    return matched;
  }
}
