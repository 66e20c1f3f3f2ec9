/** Bytes of JSON one answer may have; a page ends before it, so no list is too long to be looked at. */
export const VIEW_BYTES_MAX = 1_048_576;
/** What the frame around a page takes, and a last item that is counted too small. */
const FRAME_BYTES = 4_096;

/** A page of a list, as node-views.ts has it. */
export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}

/**
 * The items behind `after`, at most `limit` and at most VIEW_BYTES_MAX bytes. `keyOf` orders the list and finds the place
 * again, so a page stays right while items come and go.
 */
export function pageOf<S, T>(
  all: Iterable<S>,
  keyOf: (item: S) => string,
  { after, limit }: { after?: string | undefined; limit: number },
  show: (item: S) => T,
): Page<T> {
  const keyed = Array.from(all, (item) => ({ key: keyOf(item), item }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const behind = after === undefined ? keyed : keyed.filter(({ key }) => key > after);
  const items: T[] = [];
  let bytes = FRAME_BYTES;
  for (const [i, { item }] of behind.entries()) {
    const shown = show(item);
    bytes += Buffer.byteLength(JSON.stringify(shown)) + 1;
    if (items.length > 0 && (items.length >= limit || bytes > VIEW_BYTES_MAX))
      return { items, next: behind[i - 1]!.key };
    items.push(shown);
  }
  return { items, next: null };
}

/** A key that orders numbers as text does. */
export function numberKey(value: number): string {
  return String(value).padStart(16, '0');
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
/** null for never. */
export function isoTimeOrNull(ms: number): string | null {
  return Number.isFinite(ms) && ms < 8.64e15 ? isoTime(ms) : null;
}
