import type { LiveItem } from '@robustmq/contracts';

/** A consumer group as the node shows it. */
export type Group = LiveItem<'groups'>;

/** Records the group has not read yet, over all its partitions. */
export const lagOf = (group: Group): number => group.offsets.reduce((sum, { lag }) => sum + lag, 0);

/** The topics it has offsets of, in order. */
export const topicsOf = (group: Group): string[] => [...new Set(group.offsets.map(({ topic }) => topic))].sort();

/** Its offsets by topic and partition. */
export const offsetsOf = ({ offsets }: Group): Group['offsets'] =>
  [...offsets].sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));

/** Partitions named at most; more are counted. */
const NAMED_PARTITIONS_MAX = 6;

/** What a member reads: "orders 0, 2" for each topic, or how many partitions where they are many. */
export function assignedText({ partitions, assigned = [] }: Group['members'][number]): string {
  if (assigned.length === 0 || assigned.length > NAMED_PARTITIONS_MAX) return String(partitions);
  const topics = Map.groupBy(assigned, ({ topic }) => topic);
  return [...topics].map(([topic, of]) => `${topic} ${of.map(({ partition }) => partition).join(', ')}`).join('; ');
}

/** Where offsets can be moved to. */
export type ResetTo = 'earliest' | 'latest' | 'time' | 'offset';

/**
 * The `to` of a reset request; undefined when what was typed is no time or offset. `local` is the text of a
 * `datetime-local` field, in the reader's zone.
 */
export function resetTarget(kind: ResetTo, local: string, offset: number | string): string | number | undefined {
  if (kind === 'earliest' || kind === 'latest') return kind;
  if (kind === 'offset')
    return typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined;
  return isoOfLocal(local);
}

/** A `datetime-local` field's text as an instant; undefined when it is none. */
export function isoOfLocal(local: string): string | undefined {
  const time = new Date(local);
  return local === '' || Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
