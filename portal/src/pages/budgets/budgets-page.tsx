import { ActionIcon, Button, Group, Progress, Stack, Text } from '@mantine/core';
import type { Budget, Cluster } from '@robustmq/client';
import { IconPencil, IconPigMoney, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { budgetsQuery, moneyKey, subscriptionQuery } from '../../api/money.ts';
import { usePermitted } from '../../api/permission.ts';
import { clustersQuery } from '../../api/queries.ts';
import { api, useSession } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { Tag } from '../../ui/tag.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { BillingHeader } from '../billing/billing-nav.tsx';
import { moneyText } from '../billing/money.ts';
import { dayText } from '../billing/period.ts';
import { BudgetDialog } from './budget-dialog.tsx';
import { spentPercent } from './budget-form.ts';

const ACTION = { notify: 'tell', throttle: 'slow down' } as const;

function Spent({ budget }: { budget: Budget }) {
  const percent = spentPercent(budget);
  return (
    <Stack gap={4} miw={140}>
      <Text size="sm" className="amount">
        {moneyText(budget.spent)} of {moneyText(budget.amount)}
      </Text>
      <Progress
        value={Math.min(100, percent)}
        color={percent >= 100 ? 'red' : percent >= 80 ? 'yellow' : 'teal'}
        aria-label={`Spent of ${budget.name}`}
      />
    </Stack>
  );
}

const columnsOf = (clusters: readonly Cluster[]): readonly DataColumn<Budget>[] => [
  {
    id: 'name',
    header: 'Name',
    sortBy: (budget) => budget.name,
    cell: (budget) => (
      <Text fw={600} size="sm">
        {budget.name}
      </Text>
    ),
  },
  {
    id: 'for',
    header: 'For',
    cell: ({ clusterId }) =>
      clusterId === null ? 'All clusters' : (clusters.find(({ id }) => id === clusterId)?.name ?? 'A deleted cluster'),
  },
  { id: 'spent', header: 'Spent this month', sortBy: spentPercent, cell: (budget) => <Spent budget={budget} /> },
  {
    id: 'thresholds',
    header: 'Thresholds',
    cell: ({ thresholds, alerts }) => (
      <Group gap={4}>
        {thresholds.map(({ percent, action }) => {
          const fired = alerts.find((alert) => alert.percent === percent && alert.action === action);
          return (
            <Tag key={`${percent}${action}`} color={fired ? 'orange' : 'gray'}>
              {percent} %: {ACTION[action]}
              {fired && `, since ${dayText(fired.firedAt)}`}
            </Tag>
          );
        })}
      </Group>
    ),
  },
];

const changeColumn = (change: (budget: Budget) => void): DataColumn<Budget> => ({
  id: 'change',
  header: '',
  align: 'right',
  cell: (budget) => (
    <ActionIcon
      variant="subtle"
      color="gray"
      onClick={() => change(budget)}
      aria-label={`Change budget ${budget.name}`}
    >
      <IconPencil size={16} aria-hidden />
    </ActionIcon>
  ),
});

/** What may be spent, and what happens when it is. */
export function BudgetsPage() {
  const { tenantId } = useSession();
  const mayChange = usePermitted('billing:write');
  const queryClient = useQueryClient();
  const budgets = useQuery(budgetsQuery(tenantId));
  const clusters = useQuery(clustersQuery(tenantId)).data ?? [];
  const subscription = useQuery(subscriptionQuery(tenantId));
  const [editing, setEditing] = useState<{ budget: Budget | undefined }>();
  const removal = useConfirmed<Budget>({
    title: ({ name }) => `Remove budget ${name}?`,
    action: 'Remove budget',
    words: () => 'Nobody is told any more, and what it slowed down runs free again.',
    run: ({ id }) =>
      api.DELETE('/v1/tenants/{tenantId}/budgets/{budgetId}', { params: { path: { tenantId, budgetId: id } } }),
    done: ({ name }) => `Removed budget ${name}`,
    queryKey: moneyKey(tenantId),
  });
  const columns = [
    ...columnsOf(clusters),
    ...(mayChange ? [changeColumn((budget) => setEditing({ budget }))] : []),
    ...actionColumn(
      mayChange ? removal.ask : undefined,
      ({ name }) => `Remove budget ${name}`,
      <IconTrash size={16} aria-hidden />,
    ),
  ];
  return (
    <>
      <BillingHeader
        title="Budgets"
        description="What a month may cost. You are told, or clusters slow down; nothing is cut."
      />
      <ListPage
        label="Budgets"
        list={wholeList(budgets)}
        columns={columns}
        rowId={({ id }) => id}
        minWidth={720}
        description="Spending is counted before credits and taxes."
        actions={
          mayChange && (
            <Button
              data-main-action
              leftSection={<IconPlus size={16} aria-hidden />}
              onClick={() => setEditing({ budget: undefined })}
            >
              Create budget
            </Button>
          )
        }
        empty={{
          icon: <IconPigMoney size={28} />,
          title: 'No budgets yet',
          words: 'A budget tells you early when a month becomes dearer than you want.',
        }}
      />
      {editing && (
        <BudgetDialog
          tenantId={tenantId}
          currency={subscription.data?.currency ?? 'USD'}
          clusters={clusters}
          budget={editing.budget}
          opened
          onClose={() => setEditing(undefined)}
          onSaved={(budget) => {
            notice(`Saved budget ${budget.name}`);
            setEditing(undefined);
            void queryClient.invalidateQueries({ queryKey: moneyKey(tenantId) });
          }}
        />
      )}
      {removal.dialog}
    </>
  );
}
