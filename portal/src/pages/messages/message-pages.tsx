import type { Cluster } from '@robustmq/client';
import { SubPages } from '../../ui/sub-pages.tsx';

/** MQTT messages that are kept besides the topics' logs. */
export function MessagePages({ cluster }: { cluster: Cluster }) {
  const at = `/clusters/${cluster.id}/messages`;
  return (
    <SubPages
      label="Messages"
      pages={[
        { label: 'Retained', to: at },
        { label: 'Delayed', to: `${at}/delayed` },
      ]}
    />
  );
}
