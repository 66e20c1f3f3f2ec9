import { Button, Code, Select, Text } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { Operation } from '@robustmq/contracts';
import { IconHistory } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { ListState } from '../../api/live.ts';
import { api, useSession } from '../../api/session.ts';
import { undo } from '../../api/undo.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { AuditPages } from '../audit/audit-nav.tsx';

const PAGE_ROWS = 50;
const RUNNING_POLL_MS = 2_000;
const STATUS = {
  running: { color: 'blue', text: 'Under way' },
  done: { color: 'teal', text: 'Done' },
  failed: { color: 'red', text: 'Failed' },
  undone: { color: 'gray', text: 'Taken back' },
} as const;

/** Whether an operation can be taken back at a time. */
export const isUndoable = ({ undoUntil, status }: Pick<Operation, 'undoUntil' | 'status'>, nowMs: number): boolean =>
  status !== 'undone' && undoUntil !== null && Date.parse(undoUntil) > nowMs;

const COLUMNS: readonly DataColumn<Operation>[] = [
  { id: 'at', header: 'Time', cell: ({ startedAt }) => <Time iso={startedAt} /> },
  { id: 'kind', header: 'What', cell: ({ kind }) => <Code>{kind}</Code> },
  {
    id: 'target',
    header: 'On',
    cell: ({ target }) => (
      <>
        {target.type}
        <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          {target.id}
        </Text>
      </>
    ),
  },
  {
    id: 'status',
    header: 'State',
    cell: ({ status, error }) => (
      <>
        <Tag color={STATUS[status].color}>{STATUS[status].text}</Tag>
        {error !== null && (
          <Text size="xs" c="dimmed">
            {error}
          </Text>
        )}
      </>
    ),
  },
  {
    id: 'until',
    header: 'Can be undone until',
    cell: (operation) =>
      isUndoable(operation, Date.now()) && operation.undoUntil !== null ? <Time iso={operation.undoUntil} /> : '–',
  },
];

function useOperations(tenantId: string, undoable: boolean): ListState<Operation> {
  const list = useInfiniteQuery({
    queryKey: [tenantId, 'operations', undoable],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/operations', {
          params: {
            path: { tenantId },
            query: {
              limit: PAGE_ROWS,
              ...(undoable ? { undoable: 'true' as const } : {}),
              ...(pageParam === undefined ? {} : { cursor: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: (page) => page.nextCursor,
    refetchInterval: ({ state }) =>
      state.data?.pages.some(({ items }) => items.some(({ status }) => status === 'running')) ? RUNNING_POLL_MS : false,
  });
  return {
    rows: list.data?.pages.flatMap(({ items }) => items as Operation[]),
    error: list.error,
    refetch: () => void list.refetch(),
    more: list.hasNextPage ? () => void list.fetchNextPage() : undefined,
    loadingMore: list.isFetchingNextPage,
  };
}

/** What was set going, how far it is, and taking it back. */
export function OperationsPage() {
  const { tenantId } = useSession();
  const [undoable, setUndoable] = useState(false);
  const list = useOperations(tenantId, undoable);
  const takeBack = useMutation({
    mutationFn: (operation: Operation) => undo(operation.id),
    onSuccess: () => notice('Taken back'),
  });
  const undoColumn: DataColumn<Operation> = {
    id: 'undo',
    header: '',
    align: 'right',
    cell: (operation) =>
      isUndoable(operation, Date.now()) && (
        <Button
          size="compact-sm"
          variant="light"
          loading={takeBack.isPending && takeBack.variables.id === operation.id}
          onClick={() => takeBack.mutate(operation)}
          aria-label={`Undo ${operation.kind} of ${operation.target.id}`}
        >
          Undo
        </Button>
      ),
  };
  return (
    <>
      <AuditPages />
      <PageHeader title="Operations" />
      {takeBack.error && <ErrorState error={takeBack.error} title="It was not taken back" mb="md" />}
      <ListPage
        label="Operations"
        list={list}
        columns={[...COLUMNS, undoColumn]}
        rowId={({ id }) => id}
        minWidth={760}
        description="Writes that take a while or can be taken back, newest first; kept for 30 days."
        filtered={undoable}
        filters={
          <Select
            label="Show"
            data={[
              { value: 'all', label: 'All' },
              { value: 'undoable', label: 'What can be undone now' },
            ]}
            value={undoable ? 'undoable' : 'all'}
            onChange={(value) => setUndoable(value === 'undoable')}
            allowDeselect={false}
            maw="16rem"
          />
        }
        empty={{
          icon: <IconHistory size={28} />,
          title: 'Nothing yet',
          words:
            'Deletions and changes of settings appear here, with a button that takes them back while that is possible.',
        }}
      />
    </>
  );
}
