import { Alert, Button, Group as Row, Modal, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath, liveKey } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { resetTarget, topicsOf, type Group, type ResetTo } from './lag.ts';

const TARGETS = [
  { value: 'earliest', label: 'The oldest record' },
  { value: 'latest', label: 'The end: only new records' },
  { value: 'time', label: 'A time' },
  { value: 'offset', label: 'An offset, in every partition' },
];

function useReset(cluster: Cluster, group: Group, onDone: () => void) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: { topic: string; to: string | number }) =>
      bodyOf(
        api.PUT('/v1/tenants/{tenantId}/clusters/{clusterId}/groups/{groupName}/offsets', {
          params: { path: { ...clusterPath(cluster), groupName: group.name } },
          body,
        }),
      ),
    onSuccess: async ({ offsets }, { topic }) => {
      const where = offsets.map(({ partition, offset }) => `${partition} to ${offset}`).join(', ');
      notice(`Moved ${group.name} in ${topic}: ${where === '' ? 'nothing to move' : `partition ${where}`}`);
      onDone();
      await queryClient.invalidateQueries({ queryKey: liveKey(cluster, 'groups') });
    },
  });
}

interface ResetDialogProps {
  readonly cluster: Cluster;
  readonly group: Group;
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** Moves a group's offsets of one topic, after saying what that means. */
export function ResetDialog({ cluster, group, opened, onClose }: ResetDialogProps) {
  const topics = topicsOf(group);
  const [chosen, setTopic] = useState<string | null>(null);
  const [kind, setKind] = useState<ResetTo>('earliest');
  const [local, setLocal] = useState('');
  const [offset, setOffset] = useState<number | string>(0);
  const topic = chosen ?? topics[0] ?? '';
  const to = resetTarget(kind, local, offset);
  const reset = useReset(cluster, group, onClose);
  return (
    <Modal opened={opened} onClose={onClose} title={`Reset offsets of ${group.name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (to !== undefined && topic !== '') reset.mutate({ topic, to });
        }}
      >
        <Stack>
          {group.members.length > 0 && (
            <Alert color="yellow" variant="light" icon={<IconAlertTriangle aria-hidden />}>
              Stop its {group.members.length} member{group.members.length === 1 ? '' : 's'} first: the offsets of a
              group at work cannot be moved.
            </Alert>
          )}
          <Select label="Topic" data={topics} value={topic} onChange={setTopic} allowDeselect={false} />
          <Select
            label="Go on at"
            data={TARGETS}
            value={kind}
            onChange={(value) => setKind(value as ResetTo)}
            allowDeselect={false}
          />
          {kind === 'time' && (
            <TextInput
              type="datetime-local"
              label="Time"
              step={1}
              value={local}
              onChange={({ currentTarget }) => setLocal(currentTarget.value)}
            />
          )}
          {kind === 'offset' && (
            <NumberInput label="Offset" min={0} allowDecimal={false} value={offset} onChange={setOffset} />
          )}
          <Text size="sm" c="dimmed">
            Its consumers read from there on: going back repeats records, going ahead passes over them.
          </Text>
          {reset.error && <ErrorState error={reset.error} />}
          <Row justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button
              type="submit"
              color="red"
              loading={reset.isPending}
              disabled={to === undefined || topic === '' || group.members.length > 0}
            >
              Reset offsets
            </Button>
          </Row>
        </Stack>
      </form>
    </Modal>
  );
}
