import { Button, Group, Modal, SegmentedControl, Select, Stack, Switch, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster } from '@robustmq/client';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { clusterPath, liveKey } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { bodyOfForm, headersOf, NEW_RECORD, type RecordValues } from './record-form.ts';

const FIELDS = ['key', 'value', 'headers', 'partition'];

interface ProduceDialogProps {
  readonly cluster: Cluster;
  readonly topicName: string;
  readonly partitions: number;
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** Writes one record into the topic, as a producer would. */
export function ProduceDialog({ cluster, topicName, partitions, opened, onClose }: ProduceDialogProps) {
  const queryClient = useQueryClient();
  const form = useForm<RecordValues>({
    initialValues: NEW_RECORD,
    validate: {
      headers: (value) => {
        const headers = headersOf(value);
        return typeof headers === 'string' ? headers : null;
      },
    },
  });
  const produce = useMutation({
    mutationFn: (values: RecordValues) => {
      const headers = headersOf(values.headers);
      return bodyOf(
        api.POST('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}/records', {
          params: { path: { ...clusterPath(cluster), topicName } },
          body: bodyOfForm(values, typeof headers === 'string' ? [] : headers),
        }),
      );
    },
    onSuccess: async ({ partition, offset }) => {
      notice(`Written to partition ${partition} at offset ${offset}`);
      onClose();
      await queryClient.invalidateQueries({ queryKey: liveKey(cluster) });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, FIELDS)),
  });
  const typed = { autoComplete: 'off', spellCheck: false };
  return (
    <Modal opened={opened} onClose={onClose} title={`Produce a test record to ${topicName}`}>
      <form onSubmit={form.onSubmit((values) => produce.mutate(values))} noValidate>
        <Stack>
          {produce.error && <ErrorState error={produce.error} />}
          <SegmentedControl
            aria-label="Written as"
            data={[
              { value: 'text', label: 'Text' },
              { value: 'hex', label: 'Hex' },
              { value: 'base64', label: 'Base64' },
            ]}
            {...form.getInputProps('encoding')}
          />
          <TextInput label="Key" placeholder="None" {...typed} {...form.getInputProps('key')} />
          <Textarea
            label="Value"
            autosize
            minRows={3}
            maxRows={10}
            data-autofocus
            disabled={form.values.tombstone}
            spellCheck={false}
            {...form.getInputProps('value')}
          />
          <Switch
            label="No value"
            description="Deletes the key in a compacted topic"
            {...form.getInputProps('tombstone', { type: 'checkbox' })}
          />
          <Textarea
            label="Headers"
            description="One a line, name: value"
            placeholder="trace: abc-123"
            autosize
            minRows={1}
            maxRows={6}
            spellCheck={false}
            {...form.getInputProps('headers')}
          />
          <Select
            label="Partition"
            data={[
              { value: '', label: 'By the key' },
              ...Array.from({ length: partitions }, (_, partition) => String(partition)),
            ]}
            allowDeselect={false}
            {...form.getInputProps('partition')}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={produce.isPending}>
              Produce record
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
