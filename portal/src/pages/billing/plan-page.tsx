import { Button, Group, Paper, Radio, SimpleGrid, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Price, type Subscription } from '@robustmq/client';
import { IconExternalLink } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { moneyKey, subscriptionQuery } from '../../api/money.ts';
import { usePermitted } from '../../api/permission.ts';
import { pricesQuery } from '../../api/queries.ts';
import { api, useSession } from '../../api/session.ts';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { Fact } from '../../ui/fact.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { BillingHeader } from './billing-nav.tsx';
import { Credits } from './credits.tsx';
import { planPriceText, priceText } from './money.ts';
import { dayText } from './period.ts';
import { StandingAlert } from './standing.tsx';

const STANDING = {
  good: { text: 'Good', color: 'teal' },
  past_due: { text: 'Past due', color: 'yellow' },
  restricted: { text: 'Restricted', color: 'orange' },
  suspended: { text: 'Suspended', color: 'red' },
} as const;
const PLAN = { serverless: 'Serverless', dedicated: 'Dedicated', byoc: 'Your own machine' } as const;
const GATEWAY = { offline: 'By invoice', stripe: 'By card, through Stripe' } as const;

type Change = { support: string } | { buyer: NonNullable<Subscription['buyer']> };

function useSubscriptionChange(tenantId: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: Change) =>
      bodyOf(api.PATCH('/v1/tenants/{tenantId}/subscription', { params: { path: { tenantId } }, body })),
    onSuccess: async () => {
      notice('Saved');
      await queryClient.invalidateQueries({ queryKey: moneyKey(tenantId) });
    },
  });
}

function Support({ tenantId, subscription }: { tenantId: string; subscription: Subscription }) {
  const mayChange = usePermitted('billing:write');
  const change = useSubscriptionChange(tenantId);
  return (
    <Paper p="lg" component="section" aria-label="Support">
      <Title order={2} size="h4" mb="sm">
        Support
      </Title>
      {change.error && <ErrorState mb="md" error={change.error} />}
      <Radio.Group
        label="Level"
        description="Changes count from now on, to the second."
        value={change.isPending && 'support' in change.variables ? change.variables.support : subscription.support}
        onChange={(support) => change.mutate({ support })}
      >
        <Stack gap="xs" mt="sm">
          {subscription.supportChoices.map(({ choice, title, periodPrice }) => (
            <Radio
              key={choice}
              value={choice}
              disabled={!mayChange || change.isPending}
              label={`${title}: ${
                Number(periodPrice) === 0 ? 'free' : `${priceText(periodPrice, subscription.currency)} a month`
              }`}
            />
          ))}
        </Stack>
      </Radio.Group>
    </Paper>
  );
}

function Buyer({ tenantId, subscription }: { tenantId: string; subscription: Subscription }) {
  const mayChange = usePermitted('billing:write');
  const change = useSubscriptionChange(tenantId);
  const { name = '', address = [], taxId = '', email = '' } = subscription.buyer;
  const form = useForm({ initialValues: { name, address: address.join('\n'), taxId, email } });
  const submit = form.onSubmit((values) =>
    change.mutate({
      buyer: { ...values, address: values.address.split('\n').flatMap((line) => line.trim() || []) },
    }),
  );
  return (
    <Paper p="lg" component="section" aria-label="Who is billed">
      <Title order={2} size="h4" mb="sm">
        Who is billed
      </Title>
      <form onSubmit={submit} noValidate>
        <Stack>
          {change.error && <ErrorState error={change.error} />}
          <TextInput label="Name" maxLength={200} readOnly={!mayChange} {...form.getInputProps('name')} />
          <Textarea
            label="Address"
            description="Printed as it stands, at most eight lines"
            autosize
            minRows={3}
            maxRows={8}
            readOnly={!mayChange}
            {...form.getInputProps('address')}
          />
          <TextInput label="Tax id" maxLength={60} readOnly={!mayChange} {...form.getInputProps('taxId')} />
          <TextInput
            label="E-mail for invoices"
            type="email"
            maxLength={254}
            readOnly={!mayChange}
            {...form.getInputProps('email')}
          />
          {mayChange && (
            <Group justify="flex-end">
              <Button type="submit" loading={change.isPending} disabled={!form.isDirty()}>
                Save
              </Button>
            </Group>
          )}
        </Stack>
      </form>
    </Paper>
  );
}

function PaymentPortal({ tenantId }: { tenantId: string }) {
  const open = useMutation({
    mutationFn: () => bodyOf(api.POST('/v1/tenants/{tenantId}/payment-portal', { params: { path: { tenantId } } })),
    onSuccess: ({ url }) => location.assign(url),
  });
  return (
    <>
      {open.error && <ErrorState mb="md" error={open.error} />}
      <Button
        variant="default"
        loading={open.isPending}
        leftSection={<IconExternalLink size={16} aria-hidden />}
        onClick={() => open.mutate()}
      >
        Cards and tax ids
      </Button>
    </>
  );
}

const PRICE_COLUMNS: readonly DataColumn<Price>[] = [
  { id: 'plan', header: 'Plan', sortBy: (price) => PLAN[price.plan], cell: (price) => PLAN[price.plan] },
  { id: 'price', header: 'Price', sortBy: (price) => price.title, cell: planPriceText },
  {
    id: 'exact',
    header: 'As it is rated',
    cell: (price) => (
      <Text size="sm" c="dimmed" className="amount">
        {priceText(price.unitPrice, price.currency)} / {price.unit}
      </Text>
    ),
  },
];

/** How the account stands, what it subscribed to, its credits, and what everything costs. */
export function PlanPage() {
  const { tenantId } = useSession();
  const mayChange = usePermitted('billing:write');
  const query = useQuery(subscriptionQuery(tenantId));
  const prices = useQuery(pricesQuery);
  const subscription = query.data;
  return (
    <>
      <BillingHeader
        title="Plan and credits"
        description="How the account stands, who is billed, and what things cost."
        actions={mayChange && subscription?.gateway === 'stripe' && <PaymentPortal tenantId={tenantId} />}
      />
      {query.isPending && <LoadingState rows={6} />}
      {query.error && <ErrorState error={query.error} retry={() => void query.refetch()} />}
      {subscription && (
        <Stack gap="lg">
          <StandingAlert subscription={subscription} />
          <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
            <Fact label="Standing">
              <Tag color={STANDING[subscription.standing].color}>{STANDING[subscription.standing].text}</Tag>
            </Fact>
            <Fact label="Payment">{GATEWAY[subscription.gateway]}</Fact>
            <Fact label="Commitment a month">
              {subscription.commitment === null ? 'None' : priceText(subscription.commitment, subscription.currency)}
            </Fact>
            <Fact label="Trial">
              {subscription.trialEndsAt === null ? 'None' : `Until ${dayText(subscription.trialEndsAt)}`}
            </Fact>
          </SimpleGrid>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <Support tenantId={tenantId} subscription={subscription} />
            <Buyer key={tenantId} tenantId={tenantId} subscription={subscription} />
          </SimpleGrid>
          <Credits tenantId={tenantId} />
          <section aria-label="Prices">
            <Title order={2} size="h4" mb="sm">
              Prices
            </Title>
            {prices.isPending && <LoadingState />}
            {prices.error && <ErrorState error={prices.error} retry={() => void prices.refetch()} />}
            {prices.data && (
              <DataTable
                label="Prices"
                columns={PRICE_COLUMNS}
                rows={prices.data.items}
                rowId={(price) => `${price.plan} ${price.meter} ${price.currency}`}
                minWidth={640}
              />
            )}
          </section>
        </Stack>
      )}
    </>
  );
}
