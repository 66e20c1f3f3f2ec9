import type { Cluster } from '@robustmq/client';
import { keepPreviousData, useInfiniteQuery, type UseQueryResult } from '@tanstack/react-query';

/** A list as `ListPage` shows it: what was read so far, and how to read on. */
export interface ListState<T> {
  /** Undefined until the first answer. */
  readonly rows: readonly T[] | undefined;
  readonly error: unknown;
  readonly refetch: () => void;
  /** Absent = all of it is here. */
  readonly more?: (() => void) | undefined;
  readonly loadingMore?: boolean;
}

/** A list that is read whole. */
export const wholeList = <T>({ data, error, refetch }: UseQueryResult<T[]>): ListState<T> => ({
  rows: data,
  error,
  refetch: () => void refetch(),
});

interface Page<T> {
  readonly items: T[];
  readonly nextCursor?: string | undefined;
}

/** Rows asked for at a time. */
const PAGE_ROWS = 100;
const POLL_MS = 5_000;
/** Whoever has read on so far is reading: the list no longer changes under them. */
const POLLED_PAGES_MAX = 2;

export const clusterPath = (cluster: Cluster) => ({ tenantId: cluster.tenantId, clusterId: cluster.id });

/** The cache key of one live view of a cluster; its beginning is that of all of them. */
export const liveKey = (cluster: Cluster, ...view: readonly unknown[]): readonly unknown[] => [
  cluster.tenantId,
  'clusters',
  cluster.id,
  'live',
  ...view,
];

/** A live view, page after page; read again every few seconds while only its beginning is shown. */
export function useLiveList<T>(
  cluster: Cluster,
  view: readonly unknown[],
  page: (query: { limit: number; cursor?: string }) => Promise<Page<T>>,
  options: { readonly enabled?: boolean; readonly poll?: boolean } = {},
): ListState<T> {
  const list = useInfiniteQuery({
    queryKey: liveKey(cluster, ...view),
    queryFn: ({ pageParam }) => page({ limit: PAGE_ROWS, ...(pageParam === undefined ? {} : { cursor: pageParam }) }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.nextCursor,
    placeholderData: keepPreviousData,
    enabled: options.enabled ?? true,
    refetchInterval: ({ state }) =>
      options.poll !== false && (state.data?.pages.length ?? 0) <= POLLED_PAGES_MAX ? POLL_MS : false,
  });
  return {
    rows: list.data?.pages.flatMap(({ items }) => items),
    error: list.error,
    refetch: () => void list.refetch(),
    more: list.hasNextPage ? () => void list.fetchNextPage() : undefined,
    loadingMore: list.isFetchingNextPage,
  };
}
