import { ActionIcon } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { isUndoable, operationOf } from '../api/undo.ts';
import { ConfirmDialog } from './confirm-dialog.tsx';
import type { DataColumn } from './data-table.tsx';
import { notice } from './notice.ts';
import { undoNotice } from './undo-notice.tsx';

interface Confirmed<T> {
  readonly title: (row: T) => string;
  /** Label of the red button. */
  readonly action: string;
  /** What will be lost. */
  readonly words: (row: T) => ReactNode;
  /** Must be typed before the button works. */
  readonly typed?: (row: T) => string;
  readonly run: (row: T) => Promise<unknown>;
  readonly done: (row: T) => string;
  /** Of the lists that are read again. */
  readonly queryKey: readonly unknown[];
  readonly afterwards?: () => void;
}

/** An action that asks first: `ask(row)` opens `dialog`, which is to be put on the page. */
export function useConfirmed<T>(what: Confirmed<T>): { ask: (row: T) => void; dialog: ReactNode } {
  const queryClient = useQueryClient();
  const [row, setRow] = useState<T>();
  const [opened, setOpened] = useState(false);
  const run = useMutation({
    mutationFn: what.run,
    onSuccess: async (answer, done) => {
      const message = what.done(done);
      const operationId = operationOf(answer);
      setOpened(false);
      what.afterwards?.();
      if (operationId !== undefined && (await isUndoable(operationId))) undoNotice(message, operationId);
      else notice(message);
      await queryClient.invalidateQueries({ queryKey: what.queryKey });
    },
  });
  const dialog = row !== undefined && (
    <ConfirmDialog
      // what was typed for one row is nothing for the next
      key={what.title(row)}
      opened={opened}
      title={what.title(row)}
      action={what.action}
      {...(what.typed ? { typed: what.typed(row) } : {})}
      pending={run.isPending}
      error={run.error}
      onConfirm={() => run.mutate(row)}
      onClose={() => {
        run.reset();
        setOpened(false);
      }}
    >
      {what.words(row)}
    </ConfirmDialog>
  );
  const ask = (asked: T) => {
    setRow(() => asked);
    setOpened(true);
  };
  return { ask, dialog };
}

/** The last column: one red icon that asks. */
export const actionColumn = <T,>(
  ask: ((row: T) => void) | undefined,
  label: (row: T) => string,
  icon: ReactNode,
): readonly DataColumn<T>[] =>
  ask
    ? [
        {
          id: 'actions',
          header: '',
          align: 'right',
          cell: (row) => (
            <ActionIcon variant="subtle" color="red" onClick={() => ask(row)} aria-label={label(row)}>
              {icon}
            </ActionIcon>
          ),
        },
      ]
    : [];
