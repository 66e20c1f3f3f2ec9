import type { TopicRewrite } from '@robustmq/meta';
import { isFilter, isTopicName } from './topic-name.ts';

const MARK = /\{([1-9][0-9]?)\}/g;

/** The topic rewrites of one namespace: the first rule that matches is applied, once. */
export class TopicRewriter {
  readonly #publish: readonly TopicRewrite[];
  readonly #subscribe: readonly TopicRewrite[];

  constructor(rules: readonly TopicRewrite[]) {
    this.#publish = rules.filter(({ on }) => on !== 'subscribe');
    this.#subscribe = rules.filter(({ on }) => on !== 'publish');
  }
  /** What a published name becomes; null = it stays, or the rule would make something that is no name. */
  published(name: string): string | null {
    return rewrite(this.#publish, name, isTopicName);
  }
  /** The same for a filter without `$share/<group>/` and its like. */
  subscribed(filter: string): string | null {
    return rewrite(this.#subscribe, filter, isFilter);
  }
}

function rewrite(rules: readonly TopicRewrite[], text: string, isValid: (text: string) => boolean): string | null {
  for (const { from, to } of rules) {
    const captured = capture(from, text);
    if (captured === null) continue;
    const rewritten = to.replaceAll(MARK, (mark, index: string) => captured[Number(index) - 1] ?? mark);
    return rewritten !== text && isValid(rewritten) ? rewritten : null;
  }
  return null;
}

/** What the wildcards of a filter matched in a name, or in a filter that it covers; null = it does not match. */
export function capture(filter: string, text: string): readonly string[] | null {
  const wanted = filter.split('/');
  const given = text.split('/');
  const captured: string[] = [];
  // wildcards in the first level leave `$…` alone [MQTT-4.7.2-1]
  if (text.startsWith('$') && (wanted[0] === '#' || wanted[0] === '+')) return null;
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return [...captured, given.slice(i).join('/')];
    const other = given[i];
    if (other === undefined || other === '#' || (level !== '+' && level !== other)) return null;
    if (level === '+') captured.push(other);
  }
  return wanted.length === given.length ? captured : null;
}
