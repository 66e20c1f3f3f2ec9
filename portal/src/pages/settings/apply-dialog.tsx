import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import type { SettingsChange, SettingsWritten } from '@robustmq/contracts';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import type { Cluster } from '@robustmq/client';
import { notice } from '../../ui/notice.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { ChangesTable } from './changes-table.tsx';

/** Where settings and their revisions are cached. */
export const settingsKey = (cluster: Cluster, ...rest: readonly unknown[]) => [
  ...[cluster.tenantId, 'clusters', cluster.id, 'settings'],
  ...rest,
];

type Written = Pick<SettingsWritten, 'revision'> & { changes: SettingsChange[] };

interface ApplyDialogProps {
  readonly cluster: Cluster;
  readonly opened: boolean;
  readonly title: string;
  readonly action: string;
  /** Asks the API to write, or only to say what would be written. */
  readonly write: (dryRun: 'true' | 'false') => Promise<Written>;
  readonly onClose: () => void;
}

/** Shows what a write would change (a dry run of the API), and writes it. */
export function ApplyDialog({ cluster, opened, title, action, write, onClose }: ApplyDialogProps) {
  const queryClient = useQueryClient();
  const dryRun = useMutation({ mutationFn: () => write('true') });
  const apply = useMutation({
    mutationFn: () => write('false'),
    onSuccess: async ({ revision }) => {
      notice(`Revision ${revision} is on its way to the node`);
      onClose();
      await queryClient.invalidateQueries({ queryKey: settingsKey(cluster) });
    },
  });
  const { mutate } = dryRun;
  const { reset } = apply;
  useEffect(() => {
    if (!opened) return;
    reset();
    mutate();
  }, [opened, mutate, reset]);
  return (
    <Modal opened={opened} onClose={onClose} title={title} size="lg">
      <Stack>
        {dryRun.isPending && <LoadingState rows={2} />}
        {dryRun.error && <ErrorState error={dryRun.error} />}
        {dryRun.data && (
          <>
            <Text size="sm" c="dimmed">
              Checked: this would be revision {dryRun.data.revision}. It is applied without a restart.
            </Text>
            <ChangesTable changes={dryRun.data.changes} />
          </>
        )}
        {apply.error && <ErrorState error={apply.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            onClick={() => apply.mutate()}
            loading={apply.isPending}
            disabled={!dryRun.data || dryRun.data.changes.length === 0}
          >
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
