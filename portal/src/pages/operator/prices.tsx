import { Alert, Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { Meter, Plan } from '@robustmq/contracts';
import { IconCoin, IconPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { decimalText, moneyText, priceText } from '../billing/money.ts';
import { dayText } from '../billing/period.ts';
import { METER_LABEL } from '../usage/meter-text.ts';
import type { OperatorClient, PricePreview, PriceVersion } from './operator-client.ts';

const KEY = ['operator', 'prices'] as const;
const DECIMAL = /^\d{1,12}(\.\d{1,18})?$/;

interface PriceForm {
  plan: string;
  meter: string;
  unitPrice: string;
  included: string;
  validFrom: string;
}

const bodyOfForm = (values: PriceForm) => ({
  ...{ plan: values.plan, meter: values.meter, unitPrice: values.unitPrice.trim(), included: values.included.trim() },
  ...{ model: 'per_unit', currency: 'USD', validFrom: `${values.validFrom}T00:00:00Z` },
});

function PreviewOf({ preview }: { preview: PricePreview }) {
  const money = (amount: string) => moneyText({ amount, currency: preview.currency });
  return (
    <Alert color="blue" variant="light" role="status" title="What it would have meant last month">
      {money(preview.before)} became {money(preview.after)}, over {preview.tenants.length} tenants that used it.
    </Alert>
  );
}

const nextMonth = (): string => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)).toISOString().slice(0, 10);
};

interface PriceDialogProps {
  readonly client: OperatorClient;
  readonly opened: boolean;
  readonly onClose: () => void;
}

function PriceDialog({ client, opened, onClose }: PriceDialogProps) {
  const queryClient = useQueryClient();
  const form = useForm<PriceForm>({
    initialValues: { plan: 'serverless', meter: 'ingress_bytes', unitPrice: '', included: '0', validFrom: nextMonth() },
    validate: {
      unitPrice: (value) => (DECIMAL.test(value.trim()) ? null : 'Enter a decimal like 0.06'),
      included: (value) => (DECIMAL.test(value.trim()) ? null : 'Enter a decimal like 1'),
      validFrom: (value) => (/^\d{4}-\d{2}-\d{2}$/.test(value) ? null : 'Write it as 2026-12-01'),
    },
    onValuesChange: () => preview.reset(),
  });
  const preview = useMutation({
    mutationFn: (values: PriceForm) => client.post<PricePreview>('billing/preview-price', bodyOfForm(values)),
  });
  const publish = useMutation({
    mutationFn: (values: PriceForm) => client.post('billing/publish-price', bodyOfForm(values)),
    onSuccess: async () => {
      notice('Published');
      preview.reset();
      onClose();
      await queryClient.invalidateQueries({ queryKey: KEY });
    },
  });
  return (
    <Modal opened={opened} onClose={onClose} title="New price">
      <form onSubmit={form.onSubmit((values) => (preview.data ? publish : preview).mutate(values))} noValidate>
        <Stack>
          {(publish.error ?? preview.error) && <ErrorState error={publish.error ?? preview.error} />}
          <Select label="Plan" data={Plan.options} allowDeselect={false} {...form.getInputProps('plan')} />
          <Select
            label="Meter"
            data={Meter.options.map((value) => ({ value, label: METER_LABEL[value] }))}
            allowDeselect={false}
            {...form.getInputProps('meter')}
          />
          <TextInput label="Price of one unit, in USD" inputMode="decimal" {...form.getInputProps('unitPrice')} />
          <TextInput label="Units free per month" inputMode="decimal" {...form.getInputProps('included')} />
          <TextInput label="From, at midnight UTC" type="date" {...form.getInputProps('validFrom')} />
          {preview.data && <PreviewOf preview={preview.data} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={preview.isPending || publish.isPending}>
              {preview.data ? 'Publish' : 'Preview'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** The price versions in force and to come; a new one is looked at on last month's usage before it is published. */
export function Prices({ client }: { client: OperatorClient }) {
  const [adding, setAdding] = useState(false);
  const prices = useQuery({ queryKey: KEY, queryFn: () => client.get<PriceVersion[]>('billing/prices'), gcTime: 0 });
  return (
    <>
      <ListPage
        label="Price versions"
        list={wholeList(prices)}
        columns={[
          { id: 'plan', header: 'Plan', sortBy: (row) => row.plan, cell: (row) => row.plan },
          {
            id: 'meter',
            header: 'Meter',
            sortBy: (row) => row.meter,
            cell: (row) => METER_LABEL[row.meter as Meter] ?? row.meter,
          },
          { id: 'model', header: 'Model', cell: (row) => row.model },
          {
            id: 'price',
            header: 'Unit price',
            align: 'right',
            cell: (row) => (row.unitPrice === undefined ? 'In tiers' : priceText(row.unitPrice, row.currency)),
          },
          { id: 'free', header: 'Free units', align: 'right', cell: (row) => decimalText(row.included) },
          { id: 'from', header: 'From', sortBy: (row) => row.validFrom, cell: (row) => dayText(row.validFrom) },
          { id: 'to', header: 'Until', cell: (row) => (row.validTo === null ? '–' : dayText(row.validTo)) },
        ]}
        rowId={(row) => `${row.plan} ${row.meter} ${row.currency} ${row.validFrom}`}
        minWidth={820}
        description="Published prices never change; a new version follows them."
        actions={
          <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
            New price
          </Button>
        }
        empty={{
          icon: <IconCoin size={28} />,
          title: 'No prices',
          words: <Text span>Nothing is charged until there is one.</Text>,
        }}
      />
      <PriceDialog client={client} opened={adding} onClose={() => setAdding(false)} />
    </>
  );
}
