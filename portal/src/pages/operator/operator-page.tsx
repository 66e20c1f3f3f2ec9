import { Box, Button, Group, Paper, PasswordInput, ScrollArea, Stack, Tabs, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { Logo } from '../../ui/logo.tsx';
import { PageHeader } from '../../ui/page-header.tsx';
import { SchemeToggle } from '../../ui/shell.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { Fleet } from './fleet.tsx';
import { Grants } from './grants.tsx';
import { HeldInvoices } from './held-invoices.tsx';
import { operatorClient, type OperatorClient } from './operator-client.ts';
import { Outbox } from './outbox.tsx';
import { Prices } from './prices.tsx';
import { QuotaOverrides } from './quota-overrides.tsx';
import { Releases } from './releases.tsx';
import { Reports } from './reports.tsx';
import { Sandbox } from './sandbox.tsx';

function TokenForm({ onToken }: { onToken: (token: string) => void }) {
  const [token, setToken] = useState('');
  const open = useMutation({
    mutationFn: () => operatorClient(token.trim()).get('billing/held'),
    onSuccess: () => onToken(token.trim()),
  });
  return (
    <Paper p="lg" maw={480}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          open.mutate();
        }}
      >
        <Stack>
          {open.error && <ErrorState error={open.error} />}
          <PasswordInput
            label="Operator token"
            description="Forgotten when this page is left"
            value={token}
            onChange={(event) => setToken(event.currentTarget.value)}
            autoComplete="off"
            autoFocus
          />
          <Button type="submit" loading={open.isPending} disabled={token.trim() === ''}>
            Open
          </Button>
        </Stack>
      </form>
    </Paper>
  );
}

const ROOMS = [
  { value: 'invoices', label: 'Invoices', room: HeldInvoices },
  { value: 'reports', label: 'Reconciliation and revenue', room: Reports },
  { value: 'prices', label: 'Prices', room: Prices },
  { value: 'grants', label: 'Coupons and credit', room: Grants },
  { value: 'limits', label: 'Limits', room: QuotaOverrides },
  { value: 'sandbox', label: 'Sandbox', room: Sandbox },
  { value: 'fleet', label: 'Fleet', room: Fleet },
  { value: 'releases', label: 'Releases', room: Releases },
  { value: 'mails', label: 'Mails', room: Outbox },
] as const;

function Rooms({ client }: { client: OperatorClient }) {
  return (
    <Tabs defaultValue="invoices" keepMounted={false}>
      <ScrollArea type="never" mb="md">
        <Tabs.List aria-label="Operator" style={{ flexWrap: 'nowrap' }}>
          {ROOMS.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
      </ScrollArea>
      {ROOMS.map(({ value, room: Room }) => (
        <Tabs.Panel key={value} value={value}>
          <Room client={client} />
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}

/** Money for whoever runs the platform; nobody's tenant, so outside of the shell and behind a token of its own. */
export function OperatorPage() {
  const [token, setToken] = useState<string>();
  const client = useMemo(() => (token === undefined ? undefined : operatorClient(token)), [token]);
  return (
    <Box mih="100vh">
      <Group component="header" justify="space-between" p="md">
        <Logo />
        <SchemeToggle />
      </Group>
      <Box component="main" px="md" pb="xl" maw="72rem" mx="auto">
        <PageHeader
          title="Operator"
          description="The money of all tenants, their limits, and the machines that serve them."
          actions={
            client && (
              <Button variant="default" onClick={() => setToken(undefined)}>
                Forget the token
              </Button>
            )
          }
        />
        {client ? <Rooms client={client} /> : <TokenForm onToken={setToken} />}
        {!client && (
          <Text size="sm" c="dimmed" mt="md">
            It is in the platform’s secrets, and is none of a tenant’s keys.
          </Text>
        )}
      </Box>
    </Box>
  );
}
