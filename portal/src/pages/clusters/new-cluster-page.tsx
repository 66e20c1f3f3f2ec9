import { Button, Group, List, Paper, Radio, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Price } from '@robustmq/client';
import { ClusterName, DEFAULT_QUOTAS } from '@robustmq/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { pricesQuery } from '../../api/queries.ts';
import { planPriceText } from '../billing/money.ts';
import { ButtonLink } from '../../ui/links.tsx';
import { api, useSession } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { bytesText, countText } from './quantity.ts';

type Plan = 'serverless' | 'dedicated';

const PLANS: readonly { plan: Plan; title: string; summary: string; price: string }[] = [
  {
    plan: 'serverless',
    title: 'Serverless',
    summary: 'Shares a node with others, isolated from them. Best for most.',
    price: 'Pay for data in and out, connection time and storage. Nothing while idle.',
  },
  {
    plan: 'dedicated',
    title: 'Dedicated',
    summary: 'A node process and data directory of its own, with higher limits.',
    price: 'Pay for the node by the second, and for data, connections and storage.',
  },
];

/** A plan's prices as people compare them; those that are 0 are told as free. */
function PlanPrices({ plan, prices }: { plan: Plan; prices: readonly Price[] }) {
  const own = prices.filter(
    (price) => price.plan === plan && !(plan === 'serverless' && price.meter === 'node_seconds'),
  );
  return (
    <List size="sm" spacing={2} aria-label={`Prices of ${plan}`}>
      {own.map((price) => (
        <List.Item key={price.meter}>{planPriceText(price)}</List.Item>
      ))}
    </List>
  );
}

function PlanCard({ plan, title, summary, price, prices }: (typeof PLANS)[number] & { prices: readonly Price[] }) {
  const quotas = DEFAULT_QUOTAS[plan];
  return (
    <Radio.Card value={plan} p="md" className="plan-card" aria-label={`${title} plan`}>
      <Group wrap="nowrap" align="flex-start">
        <Radio.Indicator mt={2} />
        <Stack gap={6}>
          <Text fw={600}>{title}</Text>
          <Text size="sm" c="dimmed">
            {summary}
          </Text>
          <Text size="sm">{price}</Text>
          <PlanPrices plan={plan} prices={prices} />
          <List size="sm" spacing={2} c="dimmed">
            <List.Item>{countText(quotas.connectionsMax)} connections</List.Item>
            <List.Item>
              {bytesText(quotas.ingressBytesPerSecondMax)}/s in, {bytesText(quotas.egressBytesPerSecondMax)}/s out
            </List.Item>
            <List.Item>
              {countText(quotas.topicsMax)} topics, {countText(quotas.partitionsMax)} partitions
            </List.Item>
            <List.Item>{bytesText(quotas.storageBytesMax)} storage</List.Item>
            <List.Item>Messages up to {bytesText(quotas.messageSizeBytesMax)}</List.Item>
          </List>
        </Stack>
      </Group>
    </Radio.Card>
  );
}

/** Name and plan of a new cluster. */
export function NewClusterPage() {
  const { tenantId } = useSession();
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  // a help for choosing: the page works without it
  const prices = useQuery(pricesQuery);
  const form = useForm<{ name: string; plan: Plan }>({
    initialValues: { name: '', plan: 'serverless' },
    validate: { name: (value) => ClusterName.safeParse(value).error?.issues[0]?.message ?? null },
  });
  const create = useMutation({
    mutationFn: (body: { name: string; plan: Plan }) =>
      bodyOf(api.POST('/v1/tenants/{tenantId}/clusters', { params: { path: { tenantId } }, body })),
    onSuccess: async (cluster) => {
      queryClient.setQueryData([tenantId, 'clusters', cluster.id], cluster);
      await navigate({ to: '/clusters/$clusterId', params: { clusterId: cluster.id } });
      await queryClient.invalidateQueries({ queryKey: [tenantId, 'clusters'] });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['name', 'plan'])),
  });
  return (
    <>
      <PageHeader title="Create cluster" description="Ready in seconds. You can delete it at any time." />
      <Paper p="lg" maw="52rem">
        <form onSubmit={form.onSubmit((values) => create.mutate(values))} noValidate>
          <Stack gap="lg">
            {create.error && <ErrorState error={create.error} />}
            <TextInput
              label="Name"
              description="2 to 40 lower-case letters, digits and dashes, starting with a letter"
              placeholder="orders"
              autoFocus
              autoComplete="off"
              spellCheck={false}
              maw="24rem"
              {...form.getInputProps('name')}
            />
            <Radio.Group label="Plan" {...form.getInputProps('plan')}>
              <SimpleGrid cols={{ base: 1, sm: 2 }} mt="xs">
                {PLANS.map((plan) => (
                  <PlanCard key={plan.plan} {...plan} prices={prices.data?.items ?? []} />
                ))}
              </SimpleGrid>
            </Radio.Group>
            <Group justify="flex-end">
              <ButtonLink variant="default" to="/clusters">
                Cancel
              </ButtonLink>
              <Button type="submit" loading={create.isPending}>
                Create cluster
              </Button>
            </Group>
          </Stack>
        </form>
      </Paper>
    </>
  );
}
