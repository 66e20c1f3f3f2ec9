import type { Cluster } from '@robustmq/client';
import { SubPages } from '../../ui/sub-pages.tsx';

/** How the cluster behaves, what it was like before, and its life. */
export function SettingPages({ cluster }: { cluster: Cluster }) {
  const at = `/clusters/${cluster.id}/settings`;
  return (
    <SubPages
      label="Settings"
      pages={[
        { label: 'MQTT and Kafka', to: at },
        { label: 'Authentication', to: `${at}/authentication` },
        { label: 'Limits', to: `${at}/limits` },
        { label: 'Revisions', to: `${at}/revisions` },
        { label: 'Cluster', to: `${at}/cluster` },
      ]}
    />
  );
}
