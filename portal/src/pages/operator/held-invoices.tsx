import { Alert, Button, Group, Paper, Select, Stack, Text, TextInput, Title } from '@mantine/core';
import { IconFileCheck } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { moneyText } from '../billing/money.ts';
import { holdText, InvoiceState } from '../invoices/invoice-state.tsx';
import type { HeldInvoice, OperatorClient } from './operator-client.ts';
import { UUID } from './tenant-form.ts';

const KEY = ['operator', 'held'] as const;
const ACTIONS = [
  { value: 'mark-paid', label: 'Mark paid', words: 'The money has come in: books the payment and lifts a suspension.' },
  { value: 'release', label: 'Release from hold', words: 'A person has looked: the draft is issued as it is.' },
  { value: 'void', label: 'Void', words: 'The invoice never was: it is booked back and nobody owes it.' },
] as const;
type Action = (typeof ACTIONS)[number];

/** Acts on one invoice of one tenant, given by their ids. */
function ActOnInvoice({ client }: { client: OperatorClient }) {
  const queryClient = useQueryClient();
  const [tenantId, setTenantId] = useState('');
  const [invoiceId, setInvoiceId] = useState('');
  const [name, setName] = useState<Action['value']>('mark-paid');
  const [asking, setAsking] = useState(false);
  const action = ACTIONS.find(({ value }) => value === name)!;
  const act = useMutation({
    mutationFn: () => client.post(`billing/${name}`, { tenantId: tenantId.trim(), invoiceId: invoiceId.trim() }),
    onSuccess: async () => {
      notice(`${action.label}: done`);
      setAsking(false);
      setInvoiceId('');
      await queryClient.invalidateQueries({ queryKey: KEY });
    },
  });
  return (
    <Paper p="lg" component="section" aria-label="Act on an invoice">
      <Title order={2} size="h4" mb="sm">
        Act on an invoice
      </Title>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setAsking(true);
        }}
      >
        <Group align="flex-end">
          <TextInput
            label="Tenant id"
            value={tenantId}
            onChange={(event) => setTenantId(event.currentTarget.value)}
            w={{ base: '100%', sm: 320 }}
            autoComplete="off"
            spellCheck={false}
          />
          <TextInput
            label="Invoice id"
            value={invoiceId}
            onChange={(event) => setInvoiceId(event.currentTarget.value)}
            w={{ base: '100%', sm: 320 }}
            autoComplete="off"
            spellCheck={false}
          />
          <Select
            label="Action"
            data={ACTIONS.map(({ value, label }) => ({ value, label }))}
            value={name}
            onChange={(value) => setName((value as Action['value'] | null) ?? 'mark-paid')}
            allowDeselect={false}
          />
          <Button type="submit" disabled={!UUID.test(tenantId.trim()) || !UUID.test(invoiceId.trim())}>
            Go on
          </Button>
        </Group>
      </form>
      <ConfirmDialog
        opened={asking}
        title={`${action.label}?`}
        action={action.label}
        pending={act.isPending}
        error={act.error}
        onConfirm={() => act.mutate()}
        onClose={() => {
          act.reset();
          setAsking(false);
        }}
      >
        {action.words}
      </ConfirmDialog>
    </Paper>
  );
}

/** Invoices that want a person, and what can be done with any invoice. */
export function HeldInvoices({ client }: { client: OperatorClient }) {
  const held = useQuery({
    queryKey: KEY,
    queryFn: async () => (await client.get<{ items: HeldInvoice[] }>('billing/held')).items,
    gcTime: 0,
  });
  return (
    <Stack gap="lg">
      <ListPage
        label="Invoices that want a person"
        list={wholeList(held)}
        columns={[
          { id: 'tenant', header: 'Tenant', cell: (one) => <Text size="sm">{one.tenantId}</Text> },
          { id: 'invoice', header: 'Invoice', cell: (one) => one.number ?? one.id },
          { id: 'state', header: 'State', cell: (one) => <InvoiceState status={one.status} /> },
          {
            id: 'why',
            header: 'Why',
            cell: (one) => one.gatewayError ?? (one.holdReason === null ? '–' : holdText(one.holdReason)),
          },
          { id: 'total', header: 'Total', align: 'right', cell: (one) => moneyText(one.total) },
        ]}
        rowId={({ id }) => id}
        minWidth={820}
        description="Held back by a gap or an anomaly, or refused by the payment provider."
        empty={{
          icon: <IconFileCheck size={28} />,
          title: 'No invoice wants you',
          words: 'None is held back, and the payment provider took all of them.',
        }}
      />
      <ActOnInvoice client={client} />
      <Alert variant="light" color="blue">
        Everything done here is in the audit log of the tenant that it concerns.
      </Alert>
    </Stack>
  );
}
