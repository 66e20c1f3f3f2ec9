import { Alert, Button, Group, List, Modal, Stack, Table, Text } from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { PlanChange, Quotas } from '@robustmq/contracts';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { clusterPath } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { useUpdateCluster } from './life-mutations.ts';
import { QUOTA_LABEL, QUOTA_NAMES, quotaText } from './quota-text.ts';

type Change = PlanChange;

/** The limits now and after, side by side. */
function PlanLimits({ now, then }: { now: Quotas; then: Quotas }) {
  return (
    <Table aria-label="Limits now and after" horizontalSpacing={0} verticalSpacing={4}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col">Limit</Table.Th>
          <Table.Th scope="col">Now</Table.Th>
          <Table.Th scope="col">After</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {QUOTA_NAMES.map((name) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" fw={400}>
              {QUOTA_LABEL[name]}
            </Table.Th>
            <Table.Td>{quotaText(name, now[name])}</Table.Td>
            <Table.Td>{quotaText(name, then[name])}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Misfits({ change }: { change: Change }) {
  if (change.fits) return null;
  return (
    <Alert color="orange" variant="light" role="alert" icon={<IconAlertTriangle aria-hidden />} title="It does not fit">
      <List size="sm">
        {change.misfits.map(({ pointer, detail }) => (
          <List.Item key={pointer + detail}>{detail}</List.Item>
        ))}
      </List>
    </Alert>
  );
}

interface PlanChangeDialogProps {
  readonly cluster: Cluster;
  readonly to: 'serverless' | 'dedicated';
  readonly onClose: () => void;
}

/** What another plan would mean for the cluster, what does not fit it, and changing to it. */
export function PlanChangeDialog({ cluster, to, onClose }: PlanChangeDialogProps) {
  const update = useUpdateCluster(cluster, ({ plan }) => `Changing the plan to ${plan}`);
  const dryRun = useQuery({
    queryKey: [cluster.tenantId, 'clusters', cluster.id, 'plan', to],
    queryFn: async () =>
      (await bodyOf(
        api.POST('/v1/tenants/{tenantId}/clusters/{clusterId}:plan', {
          params: { path: clusterPath(cluster) },
          body: { plan: to },
        }),
      )) as Change,
    gcTime: 0,
    retry: false,
  });
  return (
    <Modal opened onClose={onClose} title={`Change ${cluster.name} to ${to}?`}>
      <Stack>
        {dryRun.isPending && <LoadingState />}
        {dryRun.error && <ErrorState error={dryRun.error} retry={() => void dryRun.refetch()} />}
        {dryRun.data && (
          <>
            <Misfits change={dryRun.data} />
            <PlanLimits now={dryRun.data.quotas.now} then={dryRun.data.quotas.then} />
            <Text size="sm">Clients are disconnected for the change and find the cluster at its new addresses.</Text>
          </>
        )}
        {update.error && <ErrorState error={update.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            loading={update.isPending}
            disabled={dryRun.data?.fits !== true}
            onClick={() => update.mutate({ plan: to }, { onSuccess: onClose })}
          >
            Change plan
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
