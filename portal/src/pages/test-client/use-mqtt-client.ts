import type { Cluster } from '@robustmq/client';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { MqttConnection, type ConnectionView } from './mqtt-connection.ts';

/** The page's connection to a cluster and what to show of it; ends with the page. */
export function useMqttClient(cluster: Cluster): ConnectionView & { readonly connection: MqttConnection } {
  const [connection] = useState(() => new MqttConnection(cluster));
  const view = useSyncExternalStore(connection.onChange, connection.view);
  useEffect(() => {
    window.addEventListener('pagehide', connection.release);
    return () => {
      window.removeEventListener('pagehide', connection.release);
      connection.release();
    };
  }, [connection]);
  return { ...view, connection };
}
