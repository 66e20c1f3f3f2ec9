import { ActionIcon, Badge, Button, Code, Group, Select, Text } from '@mantine/core';
import { allItems, bodyOf, type Cluster } from '@robustmq/client';
import type { AclRule } from '@robustmq/contracts';
import { IconPencil, IconPlus, IconShieldLock, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { AccessPages } from './access-pages.tsx';
import { aclKey, RuleDialog } from './acl-rule-dialog.tsx';
import { PATTERNS, RESOURCES, ruleText } from './acl-rule-form.ts';

const LIMIT = 200;
const AT = '/v1/tenants/{tenantId}/clusters/{clusterId}/acl-rules';

const COLUMNS: readonly DataColumn<AclRule>[] = [
  {
    id: 'effect',
    header: 'Effect',
    sortBy: (rule) => rule.effect,
    cell: ({ effect }) => (
      <Badge variant="light" color={effect === 'allow' ? 'teal' : 'red'} tt="capitalize" radius="sm">
        {effect}
      </Badge>
    ),
  },
  {
    id: 'principal',
    header: 'Who',
    sortBy: (rule) => rule.principal,
    cell: ({ principal }) => (principal === '*' ? 'Everybody' : <Code>{principal}</Code>),
  },
  { id: 'actions', header: 'May', cell: ({ actions }) => actions.join(', ') },
  {
    id: 'pattern',
    header: 'On',
    sortBy: (rule) => rule.pattern,
    cell: ({ resource, patternType, pattern }) => (
      <Text size="sm">
        {RESOURCES[resource]}: {PATTERNS[patternType]} <Code>{pattern}</Code>
      </Text>
    ),
  },
  {
    id: 'where',
    header: 'Only',
    cell: ({ protocols = [], addresses = [] }) =>
      [...protocols.map((protocol) => protocol.toUpperCase()), ...addresses].join(', ') || '–',
  },
];

const editColumn = (onEdit: (rule: AclRule) => void, onRemove: (rule: AclRule) => void): DataColumn<AclRule> => ({
  id: 'actions-of-row',
  header: '',
  align: 'right',
  cell: (rule) => (
    <Group gap={4} wrap="nowrap" justify="flex-end">
      <ActionIcon variant="subtle" onClick={() => onEdit(rule)} aria-label={`Change rule: ${ruleText(rule)}`}>
        <IconPencil size={16} aria-hidden />
      </ActionIcon>
      <ActionIcon
        variant="subtle"
        color="red"
        onClick={() => onRemove(rule)}
        aria-label={`Delete rule: ${ruleText(rule)}`}
      >
        <IconTrash size={16} aria-hidden />
      </ActionIcon>
    </Group>
  ),
});

/** What happens where no rule matches; a setting, so it makes a revision. */
function WhenNoRuleMatches({ cluster, value, mayChange }: { cluster: Cluster; value: string; mayChange: boolean }) {
  const queryClient = useQueryClient();
  const save = useMutation({
    mutationFn: (whenNoRuleMatches: string) =>
      bodyOf(
        api.PATCH('/v1/tenants/{tenantId}/clusters/{clusterId}/settings', {
          params: { path: clusterPath(cluster) },
          body: { acl: { whenNoRuleMatches } },
        }),
      ),
    onSuccess: async () => {
      notice('Changed what happens where no rule matches');
      await queryClient.invalidateQueries({ queryKey: aclKey(cluster) });
    },
  });
  return (
    <>
      <Select
        label="Where no rule matches"
        data={[
          { value: 'allow', label: 'Allow' },
          { value: 'deny', label: 'Deny' },
        ]}
        value={value}
        onChange={(next) => next !== null && next !== value && save.mutate(next)}
        allowDeselect={false}
        disabled={!mayChange || save.isPending}
        maw="24rem"
      />
      {save.error && <ErrorState error={save.error} />}
    </>
  );
}

/** The cluster's rules and what happens where none of them matches. */
const aclQuery = (cluster: Cluster) => ({
  queryKey: aclKey(cluster),
  queryFn: async () => {
    let whenNoRuleMatches = 'allow';
    const rules = await allItems(async (cursor) => {
      const query = { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) };
      const page = await bodyOf(api.GET(AT, { params: { path: clusterPath(cluster), query } }));
      whenNoRuleMatches = page.whenNoRuleMatches;
      return page;
    });
    return { rules: rules as AclRule[], whenNoRuleMatches };
  },
});

/** Who may do what, on all protocols. */
export function AclRulesPage() {
  const cluster = useCluster();
  const mayChange = usePermitted('settings:write');
  // the turn makes each opening a form of its own
  const [editing, setEditing] = useState<{ readonly rule: AclRule | undefined; readonly turn: number }>();
  const [opened, setOpened] = useState(false);
  const acl = useQuery(aclQuery(cluster));
  const remove = useConfirmed<AclRule>({
    title: () => 'Delete this rule?',
    action: 'Delete rule',
    words: (rule) => ruleText(rule),
    run: ({ id }) => api.DELETE(`${AT}/{ruleId}`, { params: { path: { ...clusterPath(cluster), ruleId: id } } }),
    done: () => 'Deleted the rule',
    queryKey: aclKey(cluster),
  });
  const open = (rule?: AclRule) => {
    setEditing((before) => ({ rule, turn: (before?.turn ?? 0) + 1 }));
    setOpened(true);
  };
  return (
    <>
      <AccessPages cluster={cluster} />
      {acl.data && (
        <Group mb="md">
          <WhenNoRuleMatches cluster={cluster} value={acl.data.whenNoRuleMatches} mayChange={mayChange} />
        </Group>
      )}
      <ListPage
        label="ACL rules"
        list={{ rows: acl.data?.rules, error: acl.error, refetch: () => void acl.refetch() }}
        columns={mayChange ? [...COLUMNS, editColumn(open, remove.ask)] : COLUMNS}
        rowId={({ id }) => id}
        minWidth={760}
        description="Rules are asked in no order: a deny that matches beats every allow."
        actions={
          mayChange && (
            <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => open()}>
              Add rule
            </Button>
          )
        }
        empty={{
          icon: <IconShieldLock size={28} />,
          title: 'No rules',
          words: 'Say which credential may read and write which topics and groups, over every protocol.',
        }}
      />
      <RuleDialog
        key={editing?.turn ?? 0}
        cluster={cluster}
        rule={editing?.rule}
        opened={opened}
        onClose={() => setOpened(false)}
      />
      {remove.dialog}
    </>
  );
}
