import { isFilter, isTopicName } from './topic-name.ts';

/*
 * Names that mean more than they say:
 *   $share/<group>/<filter>    one member of the group gets each message (MQTT 5 §4.8.2)
 *   $queue/<filter>            the same, the one group without a name
 *   $exclusive/<filter>        at most one subscriber at a time
 *   $delayed/<when>/<topic>    published later; <when> = seconds, or a Unix time in seconds
 */
const SHARE = '$share/';
const QUEUE = '$queue/';
const EXCLUSIVE = '$exclusive/';
const DELAYED = '$delayed/';
/** The group of `$queue/…`: no client can name it, since a group's name is not empty. */
export const QUEUE_GROUP = '';
/** Numbers above this are Unix times in seconds, others delays: 49 days. */
const DELAY_SECONDS_MAX = 4_294_967;

/** A subscription's filter taken apart. */
export interface ParsedFilter {
  /** Of a shared subscription; `QUEUE_GROUP` for `$queue/…`; null = not shared. */
  readonly group: string | null;
  readonly filter: string;
  readonly isExclusive: boolean;
}

/** null when the filter is not valid. `$share` needs a group without wildcards [MQTT-4.8.2-1, -2]. */
export function parseFilter(text: string): ParsedFilter | null {
  if (!text.startsWith('$')) return plain(text);
  if (text.startsWith(SHARE)) {
    const slash = text.indexOf('/', SHARE.length);
    if (slash <= SHARE.length) return null;
    const group = text.slice(SHARE.length, slash);
    const filter = text.slice(slash + 1);
    return !/[#+]/.test(group) && isFilter(filter) ? { group, filter, isExclusive: false } : null;
  }
  if (text.startsWith(QUEUE)) {
    const filter = text.slice(QUEUE.length);
    return isFilter(filter) ? { group: QUEUE_GROUP, filter, isExclusive: false } : null;
  }
  if (text.startsWith(EXCLUSIVE)) {
    const filter = text.slice(EXCLUSIVE.length);
    return isFilter(filter) ? { group: null, filter, isExclusive: true } : null;
  }
  return plain(text);
}

function plain(text: string): ParsedFilter | null {
  return isFilter(text) ? { group: null, filter: text, isExclusive: false } : null;
}

/** A `$delayed/…` topic name taken apart. */
export interface ParsedDelay {
  readonly dueMs: number;
  readonly topic: string;
}

/** undefined = not a delayed name; null = one that is not valid. */
export function parseDelayed(name: string, nowMs: number): ParsedDelay | null | undefined {
  if (!name.startsWith(DELAYED)) return undefined;
  const slash = name.indexOf('/', DELAYED.length);
  if (slash < 0) return null;
  const text = name.slice(DELAYED.length, slash);
  const topic = name.slice(slash + 1);
  if (!/^[0-9]{1,10}$/.test(text) || !isTopicName(topic) || topic.startsWith(DELAYED)) return null;
  const seconds = Number(text);
  const dueMs = seconds > DELAY_SECONDS_MAX ? seconds * 1000 : nowMs + seconds * 1000;
  return { dueMs, topic };
}

/** The name or filter that rules are about: without `$share/<group>/`, `$queue/`, `$exclusive/`, `$delayed/<when>/`. */
export function plainTopic(name: string): string {
  if (!name.startsWith('$')) return name;
  if (name.startsWith(DELAYED)) {
    const slash = name.indexOf('/', DELAYED.length);
    return slash < 0 ? name : name.slice(slash + 1);
  }
  return parseFilter(name)?.filter ?? name;
}
