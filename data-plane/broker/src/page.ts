/** What a list is asked for: `limit` items behind `after`, the `next` of the page before. */
export interface PageQuery {
  readonly after?: string | undefined;
  readonly limit: number;
}
export interface Page<T> {
  readonly items: readonly T[];
  /** null = the last page. */
  readonly next: string | null;
}

/**
 * One page of items in the order of their keys, which must differ. Looks at each item once and sorts no more than a page,
 * so a page of a long list costs one pass and little memory.
 */
export function pageOf<T>(items: Iterable<T>, keyOf: (item: T) => string, { after, limit }: PageQuery): Page<T> {
  const keys: string[] = [];
  const found: T[] = [];
  for (const item of items) {
    const key = keyOf(item);
    if (after !== undefined && key <= after) continue;
    if (keys.length > limit && key >= keys.at(-1)!) continue;
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    keys.splice(low, 0, key);
    found.splice(low, 0, item);
    // one more than a page says whether there is another
    if (keys.length > limit + 1) {
      keys.pop();
      found.pop();
    }
  }
  if (found.length <= limit) return { items: found, next: null };
  return { items: found.slice(0, limit), next: keys[limit - 1]! };
}
