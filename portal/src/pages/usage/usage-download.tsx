import { Button, Group, Menu } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { bodyOf, type Cluster, type Usage } from '@robustmq/client';
import { IconChevronDown, IconDownload } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { api } from '../../api/session.ts';
import { saveAnswer, saveFile } from '../../ui/save-file.ts';
import { wordsOf } from '../../ui/states.tsx';
import { csvOf } from './csv.ts';

/** What the chart shows, as CSV made here: the API has no file of single minutes. */
function saveShown(usage: Usage, clusters: readonly Cluster[]): void {
  const nameOf = new Map(clusters.map((cluster) => [cluster.id, cluster.name]));
  const rows = usage.windows.map((w) => [
    w.start,
    nameOf.get(w.clusterId) ?? '',
    w.clusterId,
    w.protocol,
    w.meter,
    w.quantity,
  ]);
  const text = csvOf([['start', 'cluster', 'cluster_id', 'protocol', 'meter', 'quantity'], ...rows]);
  saveFile(`usage-${usage.from.slice(0, 10)}-${usage.to.slice(0, 10)}.csv`, 'text/csv;charset=utf-8', text);
}

interface Export {
  readonly granularity: 'hour' | 'day' | 'month';
  readonly format: 'csv' | 'json';
}
const EXPORTS = (['hour', 'day', 'month'] as const).flatMap((granularity) =>
  (['csv', 'json'] as const).map((format) => ({ granularity, format })),
);

interface UsageDownloadProps {
  readonly tenantId: string;
  readonly clusterId: string | undefined;
  /** What is shown; undefined while there is nothing. */
  readonly usage: Usage | undefined;
  readonly clusters: readonly Cluster[];
}

/** What is shown as a file, or the same time per hour, day or month. */
export function UsageDownload({ tenantId, clusterId, usage, clusters }: UsageDownloadProps) {
  const download = useMutation({
    mutationFn: (wanted: Export) =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/usage/export', {
          params: {
            path: { tenantId },
            query: { ...wanted, from: usage!.from, to: usage!.to, ...(clusterId === undefined ? {} : { clusterId }) },
          },
        }),
      ),
    onSuccess: saveAnswer,
    onError: (error) => {
      const { title, detail } = wordsOf(error);
      notifications.show({ color: 'red', title, message: detail, role: 'alert' });
    },
  });
  return (
    <Group gap="xs">
      <Button
        variant="default"
        leftSection={<IconDownload size={16} aria-hidden />}
        disabled={!usage}
        onClick={() => usage && saveShown(usage, clusters)}
      >
        Download CSV
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            variant="default"
            disabled={!usage}
            loading={download.isPending}
            rightSection={<IconChevronDown size={14} aria-hidden />}
          >
            More files
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {EXPORTS.map((wanted) => (
            <Menu.Item key={`${wanted.granularity} ${wanted.format}`} onClick={() => download.mutate(wanted)}>
              Per {wanted.granularity}, {wanted.format.toUpperCase()}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
