import { Stack, Title } from '@mantine/core';
import type { Cluster } from '@robustmq/client';
import { AnchorLink } from '../../ui/links.tsx';
import { SubPages } from '../../ui/sub-pages.tsx';

/** Name and pages of one topic. */
export function TopicHeading({ cluster, topicName }: { cluster: Cluster; topicName: string }) {
  const at = `/clusters/${cluster.id}/topics/${encodeURIComponent(topicName)}`;
  return (
    <Stack gap="xs">
      <AnchorLink to="/clusters/$clusterId/topics" params={{ clusterId: cluster.id }} size="sm">
        All topics
      </AnchorLink>
      <Title order={2} size="h3" style={{ overflowWrap: 'anywhere' }}>
        {topicName}
      </Title>
      <SubPages
        label={`Topic ${topicName}`}
        pages={[
          { label: 'Configuration and partitions', to: at },
          { label: 'Browse messages', to: `${at}/records` },
        ]}
      />
    </Stack>
  );
}
