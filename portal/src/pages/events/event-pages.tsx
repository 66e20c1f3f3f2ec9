import type { Cluster } from '@robustmq/client';
import { SubPages } from '../../ui/sub-pages.tsx';

/** What went wrong between clients and the cluster. */
export function EventPages({ cluster }: { cluster: Cluster }) {
  const at = `/clusters/${cluster.id}/events`;
  return (
    <SubPages
      label="Events"
      pages={[
        { label: 'Client events', to: at },
        { label: 'Slow subscribers', to: `${at}/slow-subscribers` },
      ]}
    />
  );
}
