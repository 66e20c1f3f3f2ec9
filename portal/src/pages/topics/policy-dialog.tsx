import { Button, Group, Modal, NumberInput, Select, SimpleGrid, Stack, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster, type Topic } from '@robustmq/client';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { clusterPath } from '../../api/live.ts';
import { topicsQuery } from '../../api/queries.ts';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { CLEANUP, policyChange, policyOf, retentionOptions, type PolicyValues } from './topic-policy.ts';

const PARTITIONS_MAX = 256;

function useUpdateTopic(cluster: Cluster, topic: Topic, onDone: () => void, onRefused: (error: Error) => void) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (values: PolicyValues) =>
      bodyOf(
        api.PATCH('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}', {
          params: { path: { ...clusterPath(cluster), topicName: topic.name } },
          body: policyChange(topic, values),
        }),
      ),
    onSuccess: async () => {
      notice(`Changed topic ${topic.name}`);
      onDone();
      await queryClient.invalidateQueries({ queryKey: topicsQuery(cluster.tenantId, cluster.id).queryKey });
    },
    onError: onRefused,
  });
}

interface PolicyDialogProps {
  readonly cluster: Cluster;
  readonly topic: Topic;
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** Changes how long and where a topic's records are kept, and adds partitions. */
export function PolicyDialog({ cluster, topic, opened, onClose }: PolicyDialogProps) {
  const form = useForm<PolicyValues>({
    initialValues: policyOf(topic),
    validate: {
      partitions: (value) =>
        Number.isInteger(value) && value >= topic.partitions && value <= PARTITIONS_MAX
          ? null
          : `Use ${topic.partitions} to ${PARTITIONS_MAX}: partitions only grow`,
    },
  });
  const update = useUpdateTopic(cluster, topic, onClose, (error) =>
    form.setErrors(formErrorsOf(error, ['partitions', 'cleanup', 'retentionMs'])),
  );
  const unchanged = Object.keys(policyChange(topic, form.values)).length === 0;
  const amount = (name: 'retentionGib' | 'hotMib' | 'coldAfterHours' | 'coldAfterGib', label: string) => (
    <NumberInput label={label} placeholder="No limit" min={0} decimalScale={3} {...form.getInputProps(name)} />
  );
  return (
    <Modal opened={opened} onClose={onClose} title={`Change topic ${topic.name}`}>
      <form onSubmit={form.onSubmit((values) => update.mutate(values))} noValidate>
        <Stack>
          {update.error && <ErrorState error={update.error} />}
          <NumberInput
            label="Partitions"
            description="They only grow; records of a key may go to another partition from then on"
            min={topic.partitions}
            max={PARTITIONS_MAX}
            allowDecimal={false}
            {...form.getInputProps('partitions')}
          />
          <Select
            label="Keep messages"
            data={retentionOptions(form.values.retentionMs)}
            allowDeselect={false}
            {...form.getInputProps('retentionMs')}
          />
          {amount('retentionGib', 'Keep at most, GiB in each partition')}
          <Select label="Clean-up" data={CLEANUP} allowDeselect={false} {...form.getInputProps('cleanup')} />
          <Text size="sm" fw={600}>
            Tiers
          </Text>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            {amount('hotMib', 'Hot, in memory: MiB')}
            {amount('coldAfterHours', 'To object storage after, hours')}
            {amount('coldAfterGib', 'To object storage beyond, GiB')}
          </SimpleGrid>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={update.isPending} disabled={unchanged}>
              Save changes
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
