import type { Cluster } from '@robustmq/client';
import { SubPages } from '../../ui/sub-pages.tsx';

/** What clients prove with who they are. */
export function CredentialPages({ cluster }: { cluster: Cluster }) {
  const at = `/clusters/${cluster.id}/credentials`;
  return (
    <SubPages
      label="Credentials"
      pages={[
        { label: 'Passwords', to: at },
        { label: 'Certificates', to: `${at}/certificates` },
      ]}
    />
  );
}
