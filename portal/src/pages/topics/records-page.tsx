import {
  Button,
  Code,
  Group,
  Modal,
  NumberInput,
  Paper,
  Select,
  Stack,
  Text,
  TextInput,
  UnstyledButton,
} from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { NodeViewReply } from '@robustmq/contracts';
import { IconFileSearch, IconPencilPlus } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { clusterPath, liveKey } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { bytesText } from '../clusters/quantity.ts';
import { bytesOfBase64, payloadText, previewOf } from '../messages/payload.ts';
import { NamedValues, PayloadView } from '../messages/payload-view.tsx';
import { olderThan, recordsFrom, RECORDS_LIMIT, type RecordsFrom, type Seek, type SeekKind } from './seek.ts';
import { tiersQuery, type Partition } from './tiers-query.ts';
import { ProduceDialog } from './produce-dialog.tsx';
import { TopicHeading } from './topic-heading.tsx';

type Shown = NodeViewReply<'records'>['items'][number];

const route = getRouteApi('/inside/clusters/$clusterId/topics/$topicName/records');
const NEWEST: Seek = { partition: 0, kind: 'newest', offset: '', local: '', key: '' };
const VALUE_BYTES_MAX = 65_536;
const KINDS = [
  { value: 'newest', label: 'The newest' },
  { value: 'oldest', label: 'The oldest' },
  { value: 'offset', label: 'An offset' },
  { value: 'time', label: 'A time' },
  { value: 'key', label: 'A key' },
];

const sizeOf = (base64: string | null): number => (base64 === null ? 0 : bytesOfBase64(base64).length);
/** `sizeBytes` of a record counts its key and headers too; a value shorter than was asked for is whole. */
const valueSizeOf = ({ value, sizeBytes }: Shown): number => {
  const size = sizeOf(value);
  return size < VALUE_BYTES_MAX ? size : sizeBytes;
};
const textOf = (base64: string | null): string =>
  base64 === null ? 'null' : payloadText(bytesOfBase64(base64), 'text');

const columnsOf = (show: (record: Shown) => void): readonly DataColumn<Shown>[] => [
  {
    id: 'offset',
    header: 'Offset',
    sortBy: (record) => record.offset,
    cell: (record) => (
      <UnstyledButton onClick={() => show(record)} aria-label={`View record ${record.offset}`}>
        <Code style={{ textDecoration: 'underline' }}>{record.offset}</Code>
      </UnstyledButton>
    ),
  },
  {
    id: 'time',
    header: 'Time',
    sortBy: (record) => record.timestamp,
    cell: ({ timestamp }) => <Time iso={timestamp} />,
  },
  {
    id: 'key',
    header: 'Key',
    sortBy: (record) => record.key ?? '',
    cell: ({ key }) => (key === null ? '–' : <Code>{previewOf(key, sizeOf(key))}</Code>),
  },
  {
    id: 'value',
    header: 'Value',
    cell: (record) => (
      <span style={{ fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 'var(--mantine-font-size-xs)' }}>
        {record.value === null ? 'deleted (no value)' : previewOf(record.value, valueSizeOf(record))}
      </span>
    ),
  },
  { id: 'headers', header: 'Headers', align: 'right', cell: ({ headers }) => headers.length },
  { id: 'size', header: 'Size', align: 'right', sortBy: (r) => r.sizeBytes, cell: (r) => bytesText(r.sizeBytes) },
];

function RecordDialog({ record, onClose }: { record: Shown | undefined; onClose: () => void }) {
  return (
    <Modal
      opened={record !== undefined}
      onClose={onClose}
      title={record ? `Partition ${record.partition}, offset ${record.offset}` : ''}
      size="lg"
    >
      {record && (
        <Stack>
          <Text size="sm" c="dimmed">
            {bytesText(record.sizeBytes)}, <Time iso={record.timestamp} />
          </Text>
          {record.key !== null && <PayloadView label="Key" base64={record.key} sizeBytes={sizeOf(record.key)} />}
          {record.value === null ? (
            <Text size="sm">It has no value: in a compacted topic it deletes its key.</Text>
          ) : (
            <PayloadView label="Value" base64={record.value} sizeBytes={valueSizeOf(record)} />
          )}
          <NamedValues
            label="Headers"
            values={record.headers.map(({ name, value }) => [name, textOf(value)] as const)}
          />
        </Stack>
      )}
    </Modal>
  );
}

/** The one field a seek needs besides its kind. */
function SeekField({ seek, change }: { seek: Seek; change: (part: Partial<Seek>) => void }) {
  if (seek.kind === 'offset') {
    const { offset } = seek;
    return (
      <NumberInput
        label="Offset"
        min={0}
        allowDecimal={false}
        value={offset}
        onChange={(value) => change({ offset: value })}
        w={160}
      />
    );
  }
  if (seek.kind === 'time') {
    return (
      <TextInput
        type="datetime-local"
        label="Time"
        step={1}
        value={seek.local}
        onChange={({ currentTarget }) => change({ local: currentTarget.value })}
        w={220}
      />
    );
  }
  if (seek.kind !== 'key') return null;
  return (
    <TextInput
      label="Key"
      value={seek.key}
      onChange={({ currentTarget }) => change({ key: currentTarget.value })}
      autoComplete="off"
      spellCheck={false}
      w={200}
    />
  );
}

interface SeekFormProps {
  readonly partitions: readonly Partition[];
  readonly onSeek: (from: RecordsFrom) => void;
}

function SeekForm({ partitions, onSeek }: SeekFormProps) {
  const [seek, setSeek] = useState(NEWEST);
  const change = (part: Partial<Seek>) => setSeek((before) => ({ ...before, ...part }));
  const end = partitions.find(({ partition }) => partition === seek.partition)?.endOffset ?? 0;
  const from = recordsFrom(seek, end);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (from) onSeek(from);
  };
  return (
    <Paper p="md" component="section" aria-label="Where to begin">
      <form onSubmit={submit}>
        <Group align="flex-end">
          <Select
            label="Partition"
            data={partitions.map(({ partition }) => String(partition))}
            value={String(seek.partition)}
            onChange={(value) => change({ partition: Number(value) })}
            allowDeselect={false}
            w={110}
          />
          <Select
            label="Begin at"
            data={KINDS}
            value={seek.kind}
            onChange={(value) => change({ kind: value as SeekKind })}
            allowDeselect={false}
            w={160}
          />
          <SeekField seek={seek} change={change} />
          <Button type="submit" disabled={from === undefined}>
            Show
          </Button>
        </Group>
        {seek.kind === 'key' && (
          <Text size="sm" c="dimmed" mt="xs">
            Finds the last record of a key in a compacted topic.
          </Text>
        )}
      </form>
    </Paper>
  );
}

interface BrowserProps {
  readonly cluster: Cluster;
  readonly topicName: string;
  readonly partitions: readonly Partition[];
}

function Browser({ cluster, topicName, partitions }: BrowserProps) {
  const [from, setFrom] = useState<RecordsFrom>(
    () => recordsFrom(NEWEST, partitions[0]?.endOffset ?? 0) ?? { partition: 0 },
  );
  const [record, setRecord] = useState<Shown>();
  const records = useQuery({
    queryKey: liveKey(cluster, 'records', topicName, from),
    queryFn: () =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}/records', {
          params: {
            path: { ...clusterPath(cluster), topicName },
            query: { ...from, limit: RECORDS_LIMIT, valueBytesMax: VALUE_BYTES_MAX },
          },
        }),
      ),
    placeholderData: keepPreviousData,
  });
  const partition = partitions.find((each) => each.partition === from.partition);
  const items = records.data?.items;
  const first = items?.[0]?.offset ?? records.data?.nextOffset ?? 0;
  const older = olderThan(from.partition, first, partition?.startOffset ?? 0);
  const next = records.data?.nextOffset;
  return (
    <Stack>
      <SeekForm
        partitions={partitions}
        onSeek={(sought) => {
          setFrom(sought);
          // the same place again: what was written since is looked for
          void records.refetch();
        }}
      />
      <ListPage
        label="Records"
        list={{ rows: items, error: records.error, refetch: () => void records.refetch() }}
        columns={columnsOf(setRecord)}
        rowId={({ offset }) => String(offset)}
        minWidth={760}
        filtered={partition !== undefined && partition.endOffset > partition.startOffset}
        description={`Partition ${from.partition} has offsets ${partition?.startOffset ?? 0} to ${partition?.endOffset ?? 0}.`}
        empty={{
          icon: <IconFileSearch size={28} />,
          title: 'No records in this partition',
          words: 'Produce with a Kafka client, publish to its MQTT topics, or produce a test record here.',
        }}
      />
      <Group justify="center">
        <Button variant="default" disabled={!older} onClick={() => older && setFrom(older)}>
          Older
        </Button>
        <Button
          variant="default"
          disabled={next === undefined || next >= (partition?.endOffset ?? 0)}
          onClick={() => next !== undefined && setFrom({ partition: from.partition, fromOffset: next })}
        >
          Newer
        </Button>
      </Group>
      <RecordDialog record={record} onClose={() => setRecord(undefined)} />
    </Stack>
  );
}

/** The records of a topic, from an offset, a time or a key. */
export function RecordsPage() {
  const cluster = useCluster();
  const { topicName } = route.useParams();
  const mayRead = usePermitted('record:read');
  const mayWrite = usePermitted('record:write');
  // the turn makes each opening a form of its own
  const [producing, setProducing] = useState(0);
  const [opened, setOpened] = useState(false);
  const tiers = useQuery(tiersQuery(cluster, topicName));
  return (
    <Stack>
      <TopicHeading cluster={cluster} topicName={topicName} />
      {mayWrite && tiers.data && (
        <Group>
          <Button
            variant="default"
            leftSection={<IconPencilPlus size={16} aria-hidden />}
            onClick={() => {
              setProducing((turn) => turn + 1);
              setOpened(true);
            }}
          >
            Produce test record
          </Button>
        </Group>
      )}
      {!mayRead && <Text c="dimmed">Your role does not let you read messages.</Text>}
      {mayRead && tiers.error && <ErrorState error={tiers.error} retry={() => void tiers.refetch()} />}
      {mayRead && tiers.isPending && <LoadingState />}
      {mayRead && tiers.data && <Browser cluster={cluster} topicName={topicName} partitions={tiers.data.partitions} />}
      {mayWrite && (
        <ProduceDialog
          key={producing}
          cluster={cluster}
          topicName={topicName}
          partitions={tiers.data?.partitions.length ?? 1}
          opened={opened}
          onClose={() => setOpened(false)}
        />
      )}
    </Stack>
  );
}
