import { bodyOf } from '@robustmq/client';
import { IconPin, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { clusterPath, liveKey, useLiveList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { SearchField } from '../../ui/search-field.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { messageColumns, type ShownMessage } from './message-columns.tsx';
import { useMessageDialog } from './message-dialog.tsx';
import { MessagePages } from './message-pages.tsx';

const ALL = '#';

/** Retained messages below an MQTT filter. */
export function RetainedPage() {
  const cluster = useCluster();
  const mayDelete = usePermitted('live:write');
  const [filter, setFilter] = useState(ALL);
  const list = useLiveList(cluster, ['retained', filter], (query) =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/retained', {
        params: { path: clusterPath(cluster), query: { ...query, filter } },
      }),
    ),
  );
  const message = useMessageDialog();
  const remove = useConfirmed<ShownMessage>({
    title: ({ topic }) => `Delete the retained message of ${topic}?`,
    action: 'Delete message',
    words: () => 'New subscribers no longer get it.',
    run: ({ topic }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/retained', {
        params: { path: clusterPath(cluster), query: { topic } },
      }),
    done: ({ topic }) => `Deleted the retained message of ${topic}`,
    queryKey: liveKey(cluster, 'retained'),
  });
  const icon = <IconTrash size={16} aria-hidden />;
  const label = ({ topic }: ShownMessage) => `Delete retained message of ${topic}`;
  return (
    <>
      <MessagePages cluster={cluster} />
      <ListPage
        label="Retained messages"
        list={list}
        columns={[
          ...messageColumns(message.show),
          ...actionColumn<ShownMessage>(mayDelete ? remove.ask : undefined, label, icon),
        ]}
        rowId={({ topic }) => topic}
        minWidth={760}
        description="The last retained message of each MQTT topic: what a new subscriber gets first."
        filters={
          <SearchField
            label="Topic filter"
            placeholder="sensors/+/temperature"
            onSearch={(text) => setFilter(text === '' ? ALL : text)}
          />
        }
        filtered={filter !== ALL}
        empty={{
          icon: <IconPin size={28} />,
          title: 'No retained messages',
          words: 'Messages that MQTT clients publish with the retain flag are kept here, one for each topic.',
        }}
      />
      {message.dialog}
      {remove.dialog}
    </>
  );
}
