import { Group, Paper, Table, UnstyledButton, VisuallyHidden } from '@mantine/core';
import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react';
import {
  createSortedRowModel,
  rowSortingFeature,
  sortFn_alphanumeric,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import type { ReactNode } from 'react';

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric },
});

/** One column: what it sorts by (absent = not sortable) and what it shows. */
export interface DataColumn<T> {
  readonly id: string;
  readonly header: string;
  readonly sortBy?: (row: T) => string | number;
  readonly cell: (row: T) => ReactNode;
  readonly align?: 'right';
}

interface DataTableProps<T> {
  /** Names the table for screen readers. */
  readonly label: string;
  readonly columns: readonly DataColumn<T>[];
  readonly rows: readonly T[];
  readonly rowId: (row: T) => string;
  /** Below this width the table scrolls sideways in its own frame. */
  readonly minWidth?: number;
}

const ARIA_SORT = { asc: 'ascending', desc: 'descending' } as const;

function SortIcon({ direction }: { direction: 'asc' | 'desc' | false }) {
  if (direction === 'asc') return <IconArrowUp size={14} aria-hidden />;
  if (direction === 'desc') return <IconArrowDown size={14} aria-hidden />;
  return <IconArrowsSort size={14} aria-hidden opacity={0.5} />;
}

/** A table whose columns sort by a click or key on their heading. */
export function DataTable<T extends object>({ label, columns, rows, rowId, minWidth = 560 }: DataTableProps<T>) {
  const table = useTable({
    features,
    data: rows as T[],
    getRowId: rowId,
    columns: columns.map((column) => ({
      id: column.id,
      header: column.header,
      accessorFn: (row: T) => column.sortBy?.(row) ?? '',
      enableSorting: column.sortBy !== undefined,
    })),
  });
  const byId = new Map(columns.map((column) => [column.id, column]));
  return (
    <Paper>
      <Table.ScrollContainer minWidth={minWidth} type="native">
        <Table aria-label={label} highlightOnHover>
          <Table.Thead>
            {table.getHeaderGroups().map((group) => (
              <Table.Tr key={group.id}>
                {group.headers.map(({ id, column }) => {
                  const { header, align = 'left' } = byId.get(column.id)!;
                  const direction = column.getIsSorted();
                  const sort = column.getCanSort() ? (direction ? ARIA_SORT[direction] : 'none') : undefined;
                  return (
                    <Table.Th key={id} scope="col" ta={align} pos="relative" {...(sort ? { 'aria-sort': sort } : {})}>
                      {column.getCanSort() ? (
                        <UnstyledButton fz="sm" fw={600} mih={24} onClick={column.getToggleSortingHandler()}>
                          <Group gap={4} wrap="nowrap">
                            {header}
                            <SortIcon direction={direction} />
                          </Group>
                        </UnstyledButton>
                      ) : (
                        header || <VisuallyHidden>Actions</VisuallyHidden>
                      )}
                    </Table.Th>
                  );
                })}
              </Table.Tr>
            ))}
          </Table.Thead>
          <Table.Tbody>
            {table.getRowModel().rows.map((row) => (
              <Table.Tr key={row.id}>
                {columns.map((column) => (
                  <Table.Td key={column.id} ta={column.align ?? 'left'}>
                    {column.cell(row.original)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}
