import { Button, Group, Select, SimpleGrid, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { minorUnits } from '../budgets/budget-form.ts';
import type { OperatorClient } from './operator-client.ts';
import { Section } from './section.tsx';
import { midnightOf, tenantFault } from './tenant-form.ts';

const USD_DIGITS = 2;
const amountFault = (text: string) =>
  minorUnits(text, USD_DIGITS) === undefined ? 'Enter an amount like 25.00' : null;
const percentFault = (text: string) => (/^\d{1,3}(\.\d{1,4})?$/.test(text.trim()) ? null : 'Enter percents like 20');
const dayFault = (text: string) => (text === '' || midnightOf(text) ? null : 'Write it as 2026-12-31');
const typed = { autoComplete: 'off', spellCheck: false };

function Coupon({ client }: { client: OperatorClient }) {
  const form = useForm({
    initialValues: { code: '', title: '', kind: 'percent', value: '', months: '', redeemBy: '' },
    validate: {
      code: (value) => (value.trim() === '' ? 'Enter the code that people type' : null),
      title: (value) => (value.trim() === '' ? 'Enter what invoices are to say' : null),
      value: (value, { kind }) => (kind === 'percent' ? percentFault(value) : amountFault(value)),
      months: (value) => (/^\d{0,3}$/.test(value) ? null : 'Enter a number of months'),
      redeemBy: dayFault,
    },
  });
  const create = useMutation({
    mutationFn: ({ code, title, kind, value, months, redeemBy }: typeof form.values) =>
      client.post('billing/create-coupon', {
        ...{ code: code.trim(), title: title.trim() },
        ...(kind === 'percent' ? { percent: value.trim() } : { amountMinor: minorUnits(value, USD_DIGITS) }),
        ...(months === '' ? {} : { months: Number(months) }),
        ...(redeemBy === '' ? {} : { redeemBy: midnightOf(redeemBy) }),
      }),
    onSuccess: (_answer, { code }) => {
      notice(`Coupon ${code} can be redeemed`);
      form.reset();
    },
  });
  return (
    <Section title="Coupon" words="Whoever types the code on Plan and credits gets it, once for each tenant.">
      <form onSubmit={form.onSubmit((values) => create.mutate(values))} noValidate>
        <Stack>
          {create.error && <ErrorState error={create.error} />}
          <TextInput label="Code" placeholder="WELCOME20" {...typed} {...form.getInputProps('code')} />
          <TextInput label="Title on invoices" {...typed} {...form.getInputProps('title')} />
          <Group grow align="flex-start">
            <Select
              label="Takes off"
              data={[
                { value: 'percent', label: 'Percents of each bill' },
                { value: 'amount', label: 'USD, once' },
              ]}
              allowDeselect={false}
              {...form.getInputProps('kind')}
            />
            <TextInput label="How much" inputMode="decimal" {...typed} {...form.getInputProps('value')} />
          </Group>
          <Group grow align="flex-start">
            <TextInput label="For months" placeholder="For good" {...typed} {...form.getInputProps('months')} />
            <TextInput label="To be redeemed by" type="date" {...form.getInputProps('redeemBy')} />
          </Group>
          <Group justify="flex-end">
            <Button type="submit" loading={create.isPending}>
              Create coupon
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}

function Credit({ client }: { client: OperatorClient }) {
  const form = useForm({
    initialValues: { tenantId: '', title: '', amount: '', kind: 'promotion', expiresAt: '' },
    validate: {
      tenantId: tenantFault,
      title: (value) => (value.trim() === '' ? 'Enter what it is for' : null),
      amount: amountFault,
      expiresAt: dayFault,
    },
  });
  const grant = useMutation({
    mutationFn: ({ tenantId, title, amount, kind, expiresAt }: typeof form.values) =>
      client.post('billing/grant-credit', {
        ...{ tenantId: tenantId.trim(), title: title.trim(), amountMinor: minorUnits(amount, USD_DIGITS), kind },
        expiresAt: midnightOf(expiresAt) ?? null,
        // pressed twice, it is given once
        key: `portal:${tenantId.trim()}:${title.trim()}:${amount.trim()}`.slice(0, 100),
      }),
    onSuccess: (_answer, { amount }) => {
      notice(`Gave $${amount}`);
      form.reset();
    },
  });
  return (
    <Section title="Credit" words="Drawn on the tenant’s next invoices by itself, what expires first before the rest.">
      <form onSubmit={form.onSubmit((values) => grant.mutate(values))} noValidate>
        <Stack>
          {grant.error && <ErrorState error={grant.error} />}
          <TextInput label="Tenant id" {...typed} {...form.getInputProps('tenantId')} />
          <TextInput
            label="Title"
            description="The same one twice is given once"
            {...typed}
            {...form.getInputProps('title')}
          />
          <Group grow align="flex-start">
            <TextInput label="Amount in USD" inputMode="decimal" {...typed} {...form.getInputProps('amount')} />
            <Select
              label="Kind"
              data={[
                { value: 'promotion', label: 'Promotion' },
                { value: 'trial', label: 'Trial' },
                { value: 'prepaid', label: 'Prepaid' },
              ]}
              allowDeselect={false}
              {...form.getInputProps('kind')}
            />
            <TextInput label="Expires" type="date" {...form.getInputProps('expiresAt')} />
          </Group>
          <Group justify="flex-end">
            <Button type="submit" loading={grant.isPending}>
              Give credit
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}

/** Coupons that people redeem themselves, and credit that is given to one tenant. */
export function Grants({ client }: { client: OperatorClient }) {
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Coupon client={client} />
      <Credit client={client} />
    </SimpleGrid>
  );
}
