import type { Cluster } from '@robustmq/client';
import { SubPages } from '../../ui/sub-pages.tsx';

/** Who may do what, and who is kept out. */
export function AccessPages({ cluster }: { cluster: Cluster }) {
  const at = `/clusters/${cluster.id}/access`;
  return (
    <SubPages
      label="Access"
      pages={[
        { label: 'ACL rules', to: at },
        { label: 'Blacklist', to: `${at}/blacklist` },
        { label: 'Bans in force', to: `${at}/bans` },
        { label: 'Allowed addresses', to: `${at}/addresses` },
        { label: 'Explain', to: `${at}/explain` },
      ]}
    />
  );
}
