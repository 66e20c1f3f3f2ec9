import { Alert, Badge, Group, Paper, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import type { Cluster } from '@robustmq/client';
import { IconAlertCircle, IconPlugConnected } from '@tabler/icons-react';
import { ButtonLink } from '../../ui/links.tsx';
import type { ReactNode } from 'react';
import { CopyField } from '../../ui/copy-field.tsx';
import { Time } from '../../ui/time.tsx';
import { useCluster } from './cluster-layout.tsx';
import { endpointLabels } from './endpoint-labels.ts';
import { bytesText, countText } from './quantity.ts';

/** The conditions in the order they come true. */
const CONDITIONS = [
  ['AgentConnected', 'Agent connected'],
  ['SpecApplied', 'Settings applied'],
  ['EndpointsReachable', 'Endpoints reachable'],
  ['Ready', 'Ready'],
] as const;
const STATUS_COLOR = { True: 'teal', False: 'orange', Unknown: 'gray' } as const;
const STATUS_TEXT = { True: 'Yes', False: 'Not yet', Unknown: 'Unknown' } as const;

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Paper p="lg" component="section" aria-label={title}>
      <Title order={2} size="h4" mb="md">
        {title}
      </Title>
      {children}
    </Paper>
  );
}

function Endpoints({ cluster }: { cluster: Cluster }) {
  const endpoints = endpointLabels(cluster.endpoints);
  if (endpoints.length === 0) return <Text c="dimmed">The addresses appear here as soon as the cluster is ready.</Text>;
  return (
    <Stack>
      {endpoints.map(({ label, url }) => (
        <CopyField key={label} label={label} value={url} />
      ))}
      <ButtonLink
        to="/clusters/$clusterId/connect"
        params={{ clusterId: cluster.id }}
        variant="light"
        leftSection={<IconPlugConnected size={16} aria-hidden />}
        style={{ alignSelf: 'flex-start' }}
      >
        How to connect
      </ButtonLink>
    </Stack>
  );
}

function Conditions({ cluster }: { cluster: Cluster }) {
  if (cluster.conditions.length === 0) return <Text c="dimmed">Nothing has been reported yet.</Text>;
  return (
    <Stack gap="sm" aria-live="polite">
      {CONDITIONS.flatMap(([type, label]) =>
        cluster.conditions.filter((condition) => condition.type === type).map((condition) => ({ ...condition, label })),
      ).map((condition) => (
        <Group key={condition.type} justify="space-between" align="flex-start" wrap="nowrap">
          <div style={{ minWidth: 0 }}>
            <Text size="sm" fw={500}>
              {condition.label}
            </Text>
            {condition.message !== '' && (
              <Text size="sm" c="dimmed">
                {condition.message}
              </Text>
            )}
          </div>
          <Badge variant="light" color={STATUS_COLOR[condition.status]} tt="none" radius="sm" style={{ flexShrink: 0 }}>
            {STATUS_TEXT[condition.status]}
          </Badge>
        </Group>
      ))}
    </Stack>
  );
}

function Facts({ cluster }: { cluster: Cluster }) {
  const { quotas } = cluster;
  const facts: readonly (readonly [string, ReactNode])[] = [
    [
      'Plan',
      <Text key="plan" span inherit tt="capitalize">
        {cluster.plan}
      </Text>,
    ],
    ['Region', cluster.region],
    ['Key', cluster.key],
    ['Created', <Time key="created" iso={cluster.createdAt} />],
    ['Connections', `up to ${countText(quotas.connectionsMax)}`],
    ['Data in', `up to ${bytesText(quotas.ingressBytesPerSecondMax)}/s`],
    ['Data out', `up to ${bytesText(quotas.egressBytesPerSecondMax)}/s`],
    ['Topics', `up to ${countText(quotas.topicsMax)}`],
    ['Storage', `up to ${bytesText(quotas.storageBytesMax)}`],
    ['Message size', `up to ${bytesText(quotas.messageSizeBytesMax)}`],
  ];
  return (
    <Table aria-label="Details and limits" horizontalSpacing={0} verticalSpacing={6}>
      <Table.Tbody>
        {facts.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" fw={400} c="dimmed">
              {name}
            </Table.Th>
            <Table.Td style={{ overflowWrap: 'anywhere' }}>{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** State, addresses and limits of one cluster. */
export function OverviewPage() {
  const cluster = useCluster();
  return (
    <Stack gap="lg">
      {cluster.lastError !== null && (
        <Alert
          color="red"
          variant="light"
          icon={<IconAlertCircle aria-hidden />}
          title="The last change failed"
          role="alert"
        >
          {cluster.lastError}
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Stack gap="lg">
          <Section title="Endpoints">
            <Endpoints cluster={cluster} />
          </Section>
          <Section title="State">
            <Conditions cluster={cluster} />
          </Section>
        </Stack>
        <Section title="Details and limits">
          <Facts cluster={cluster} />
        </Section>
      </SimpleGrid>
    </Stack>
  );
}
