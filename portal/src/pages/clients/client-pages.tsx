import type { Cluster } from '@robustmq/client';
import { SubPages } from '../../ui/sub-pages.tsx';

/** Who is connected, and the sessions that outlive connections. */
export function ClientPages({ cluster }: { cluster: Cluster }) {
  const at = `/clusters/${cluster.id}/clients`;
  return (
    <SubPages
      label="Clients"
      pages={[
        { label: 'Connected', to: at },
        { label: 'MQTT sessions', to: `${at}/sessions` },
      ]}
    />
  );
}
