import { Button, Group, Paper, Stack, Text, TextInput, Title } from '@mantine/core';
import { bodyOf, type Credit } from '@robustmq/client';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { creditsQuery, moneyKey } from '../../api/money.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { moneyText } from './money.ts';
import { dayText } from './period.ts';

const KIND = {
  promotion: 'Promotion',
  trial: 'Trial',
  coupon: 'Coupon',
  prepaid: 'Prepaid',
  refund: 'Refund',
} as const;

const COLUMNS: readonly DataColumn<Credit>[] = [
  { id: 'title', header: 'Credit', sortBy: (credit) => credit.title, cell: (credit) => credit.title },
  { id: 'kind', header: 'Kind', cell: (credit) => KIND[credit.kind] },
  { id: 'given', header: 'Given', align: 'right', cell: (credit) => moneyText(credit.amount) },
  { id: 'left', header: 'Left', align: 'right', cell: (credit) => moneyText(credit.remaining) },
  {
    id: 'expires',
    header: 'Expires',
    cell: (credit) => (credit.expiresAt === null ? 'Never' : dayText(credit.expiresAt)),
  },
];

function Redeem({ tenantId }: { tenantId: string }) {
  const queryClient = useQueryClient();
  const [code, setCode] = useState('');
  const redeem = useMutation({
    mutationFn: () =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/credits', { params: { path: { tenantId } }, body: { code: code.trim() } }),
      ),
    onSuccess: async ({ title }) => {
      notice(`Redeemed: ${title}`);
      setCode('');
      await queryClient.invalidateQueries({ queryKey: moneyKey(tenantId) });
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        redeem.mutate();
      }}
    >
      {redeem.error && <ErrorState mb="md" error={redeem.error} title="The coupon was not redeemed" />}
      <Group align="flex-end">
        <TextInput
          label="Coupon"
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
          maxLength={60}
          autoComplete="off"
          spellCheck={false}
        />
        <Button type="submit" variant="default" loading={redeem.isPending} disabled={code.trim() === ''}>
          Redeem
        </Button>
      </Group>
    </form>
  );
}

/** What is left of credits, and the way to a new one. */
export function Credits({ tenantId }: { tenantId: string }) {
  const mayChange = usePermitted('billing:write');
  const credits = useQuery(creditsQuery(tenantId));
  return (
    <section aria-label="Credits">
      <Title order={2} size="h4" mb="sm">
        Credits
      </Title>
      <Stack>
        {credits.isPending && <LoadingState rows={2} />}
        {credits.error && <ErrorState error={credits.error} retry={() => void credits.refetch()} />}
        {credits.data && (
          <Text size="sm">
            {moneyText(credits.data.balance)} left. Credits are drawn on invoices by themselves, those that expire first
            first.
          </Text>
        )}
        {credits.data && credits.data.items.length > 0 && (
          <DataTable label="Credits" columns={COLUMNS} rows={credits.data.items} rowId={({ id }) => id} />
        )}
        {mayChange && (
          <Paper p="md">
            <Redeem tenantId={tenantId} />
          </Paper>
        )}
      </Stack>
    </section>
  );
}
