import { Button, Group, Paper, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { ListState } from '../api/live.ts';
import { DataTable, type DataColumn } from './data-table.tsx';
import { EmptyState, ErrorState, LoadingState } from './states.tsx';

interface ListPageProps<T> {
  /** Names the table for screen readers. */
  readonly label: string;
  readonly list: ListState<T>;
  readonly columns: readonly DataColumn<T>[];
  readonly rowId: (row: T) => string;
  readonly minWidth?: number;
  /** One line above the table: what is listed. */
  readonly description: ReactNode;
  readonly actions?: ReactNode;
  readonly filters?: ReactNode;
  /** True while a filter narrows the list: then an empty one only means that nothing matches. */
  readonly filtered?: boolean;
  readonly empty: { readonly icon: ReactNode; readonly title: string; readonly words: ReactNode };
}

/** A list of things with all its states: loading, refused, empty, nothing that matches, and more to read. */
export function ListPage<T extends object>(props: ListPageProps<T>) {
  const { label, list, columns, rowId, minWidth, description, actions, filters, filtered = false, empty } = props;
  const none = list.rows?.length === 0;
  const nothingYet = none && !filtered;
  return (
    <Stack>
      {!nothingYet && (
        <Group justify="space-between">
          <Text c="dimmed" style={{ flex: '1 1 16rem' }}>
            {description}
          </Text>
          {actions}
        </Group>
      )}
      {!nothingYet && filters}
      {list.error !== null && list.error !== undefined && <ErrorState error={list.error} retry={list.refetch} />}
      {!list.rows && !list.error && <LoadingState />}
      {nothingYet && (
        <EmptyState icon={empty.icon} title={empty.title} action={actions}>
          {empty.words}
        </EmptyState>
      )}
      {none && filtered && (
        <Paper p="xl" role="status">
          <Text c="dimmed" ta="center">
            Nothing matches.
          </Text>
        </Paper>
      )}
      {list.rows && !none && (
        <DataTable
          label={label}
          columns={columns}
          rows={list.rows}
          rowId={rowId}
          {...(minWidth === undefined ? {} : { minWidth })}
        />
      )}
      {list.more && (
        <Group justify="center">
          <Button variant="default" loading={list.loadingMore ?? false} onClick={list.more}>
            Show more
          </Button>
        </Group>
      )}
    </Stack>
  );
}
