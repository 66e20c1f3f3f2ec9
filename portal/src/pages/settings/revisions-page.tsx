import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { allItems, bodyOf } from '@robustmq/client';
import type { SettingsChange } from '@robustmq/contracts';
import { IconHistory } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath, wholeList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { membersQuery } from '../../api/queries.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { Time } from '../../ui/time.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { ApplyDialog, settingsKey } from './apply-dialog.tsx';
import { ChangesTable } from './changes-table.tsx';
import { SettingPages } from './setting-pages.tsx';

interface Revision {
  readonly revision: number;
  readonly at: string;
  readonly author: { readonly type: 'user' | 'api-key' | 'system'; readonly id: string };
  readonly reason: string;
  readonly changes: SettingsChange[];
}

const LIMIT = 100;
const AT = '/v1/tenants/{tenantId}/clusters/{clusterId}/settings/revisions';
const AUTHOR = { user: 'A member', 'api-key': 'An API key', system: 'The system' } as const;

const columnsOf = (emails: ReadonlyMap<string, string>): readonly DataColumn<Revision>[] => [
  { id: 'revision', header: 'Revision', sortBy: (r) => r.revision, cell: (r) => r.revision },
  { id: 'at', header: 'When', sortBy: (r) => r.at, cell: (r) => <Time iso={r.at} /> },
  {
    id: 'author',
    header: 'Who',
    cell: ({ author }) => (
      <>
        <Text size="sm">{AUTHOR[author.type]}</Text>
        <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          {emails.get(author.id) ?? author.id}
        </Text>
      </>
    ),
  },
  { id: 'reason', header: 'How', sortBy: (r) => r.reason, cell: (r) => r.reason },
  { id: 'changes', header: 'Changes', align: 'right', sortBy: (r) => r.changes.length, cell: (r) => r.changes.length },
];

const actionsColumn = (
  onShow: (revision: Revision) => void,
  onRollback: ((revision: Revision) => void) | undefined,
  newest: number,
): DataColumn<Revision> => ({
  id: 'actions',
  header: '',
  align: 'right',
  cell: (revision) => (
    <Group gap="xs" wrap="nowrap" justify="flex-end">
      <Button
        size="xs"
        variant="default"
        onClick={() => onShow(revision)}
        aria-label={`Show changes of revision ${revision.revision}`}
      >
        Changes
      </Button>
      {onRollback && revision.revision !== newest && (
        <Button
          size="xs"
          variant="light"
          onClick={() => onRollback(revision)}
          aria-label={`Go back to revision ${revision.revision}`}
        >
          Go back
        </Button>
      )}
    </Group>
  ),
});

/** Who changed which settings, and going back to any of them. */
export function RevisionsPage() {
  const cluster = useCluster();
  const mayChange = usePermitted('settings:write');
  const [shown, setShown] = useState<Revision>();
  const [target, setTarget] = useState<Revision>();
  const [rolling, setRolling] = useState(false);
  const revisions = useQuery({
    queryKey: settingsKey(cluster, 'revisions'),
    queryFn: () =>
      allItems((cursor) => {
        const query = { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) };
        return bodyOf(api.GET(AT, { params: { path: clusterPath(cluster), query } }));
      }),
  });
  const rollback = (revision: Revision) => {
    setTarget(revision);
    setRolling(true);
  };
  const members = useQuery(membersQuery(cluster.tenantId));
  const emails = new Map(members.data?.map((member) => [member.userId, member.email]));
  const newest = Math.max(0, ...(revisions.data ?? []).map(({ revision }) => revision));
  const onRollback = mayChange ? rollback : undefined;
  return (
    <>
      <SettingPages cluster={cluster} />
      <ListPage<Revision>
        label="Revisions"
        list={wholeList(revisions)}
        columns={[...columnsOf(emails), actionsColumn(setShown, onRollback, newest)]}
        rowId={({ revision }) => String(revision)}
        minWidth={920}
        description="Every change of settings, ACL rules and blacklist, the newest first."
        empty={{
          icon: <IconHistory size={28} />,
          title: 'Nobody has changed anything',
          words: 'Each change of the settings, the ACL rules or the blacklist makes a revision.',
        }}
      />
      <Modal
        opened={shown !== undefined}
        onClose={() => setShown(undefined)}
        title={`Revision ${shown?.revision ?? ''}`}
        size="lg"
      >
        <Stack>{shown && <ChangesTable changes={shown.changes} />}</Stack>
      </Modal>
      <ApplyDialog
        cluster={cluster}
        opened={rolling}
        title={`Go back to revision ${target?.revision ?? ''}?`}
        action="Go back"
        write={(dryRun) =>
          bodyOf(
            api.POST(`${AT}/{revision}/rollback`, {
              params: {
                path: { ...clusterPath(cluster), revision: target?.revision ?? 0 },
                query: { dry_run: dryRun },
                header: { 'If-Match': `"${newest}"` },
              },
            }),
          )
        }
        onClose={() => setRolling(false)}
      />
    </>
  );
}
