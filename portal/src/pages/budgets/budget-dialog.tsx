import { ActionIcon, Button, Group, Input, Modal, NumberInput, Select, Stack, TextInput } from '@mantine/core';
import { useForm, type UseFormReturnType } from '@mantine/form';
import { bodyOf, type Budget, type Cluster } from '@robustmq/client';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ErrorState } from '../../ui/states.tsx';
import { exponentOf } from '../billing/money.ts';
import { minorUnits, thresholdFault, wholeUnits, type BudgetForm } from './budget-form.ts';

const ACTIONS = [
  { value: 'notify', label: 'Tell us' },
  { value: 'throttle', label: 'Slow down' },
];
const THRESHOLDS_MAX = 10;

type FormPart = 'getValues' | 'errors' | 'getInputProps' | 'removeListItem' | 'insertListItem';

interface BudgetDialogProps {
  readonly tenantId: string;
  readonly currency: string;
  readonly clusters: readonly Cluster[];
  /** The one to change; undefined = a new one. */
  readonly budget: Budget | undefined;
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onSaved: (budget: Budget) => void;
}

const initialOf = (budget: Budget | undefined, exponent: number): BudgetForm => ({
  name: budget?.name ?? '',
  clusterId: budget?.clusterId ?? '',
  amount: budget ? wholeUnits(budget.amount.amount, exponent) : '',
  thresholds: budget?.thresholds.map((one) => ({ ...one })) ?? [
    { percent: 80, action: 'notify' },
    { percent: 100, action: 'notify' },
  ],
});

function save(tenantId: string, budgetId: string | undefined, values: BudgetForm, exponent: number): Promise<Budget> {
  const body = {
    name: values.name.trim(),
    clusterId: values.clusterId || null,
    amountMinor: minorUnits(values.amount, exponent)!,
    thresholds: values.thresholds.map(({ percent, action }) => ({ percent: Number(percent), action })),
  };
  if (budgetId === undefined)
    return bodyOf(api.POST('/v1/tenants/{tenantId}/budgets', { params: { path: { tenantId } }, body }));
  const params = { path: { tenantId, budgetId } };
  return bodyOf(api.PATCH('/v1/tenants/{tenantId}/budgets/{budgetId}', { params, body }));
}

/** Makes or changes a budget. */
export function BudgetDialog(props: BudgetDialogProps) {
  const { tenantId, currency, clusters, budget, opened, onClose, onSaved } = props;
  const exponent = exponentOf(currency);
  const form = useForm<BudgetForm>({
    initialValues: initialOf(budget, exponent),
    validate: {
      name: (value) => (value.trim() === '' ? 'Enter a name' : null),
      amount: (value) => (minorUnits(value, exponent) === undefined ? `Enter an amount like 50 or 12.50` : null),
      thresholds: (value) => thresholdFault(value) ?? null,
    },
  });
  const saving = useMutation({
    mutationFn: (values: BudgetForm) => save(tenantId, budget?.id, values, exponent),
    onSuccess: onSaved,
    onError: (error) => form.setErrors(formErrorsOf(error, ['name'])),
  });
  return (
    <Modal opened={opened} onClose={onClose} title={budget ? `Change ${budget.name}` : 'Create budget'}>
      <form onSubmit={form.onSubmit((values) => saving.mutate(values))} noValidate>
        <Stack>
          {saving.error && <ErrorState error={saving.error} />}
          <TextInput label="Name" data-autofocus maxLength={80} autoComplete="off" {...form.getInputProps('name')} />
          <Select
            label="For"
            data={[
              { value: '', label: 'All clusters' },
              ...clusters.map(({ id, name }) => ({ value: id, label: name })),
            ]}
            allowDeselect={false}
            {...form.getInputProps('clusterId')}
          />
          <TextInput
            label={`Amount a month, in ${currency}`}
            inputMode="decimal"
            autoComplete="off"
            {...form.getInputProps('amount')}
          />
          <Thresholds form={form} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={saving.isPending}>
              {budget ? 'Save' : 'Create budget'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Thresholds({ form }: { form: Pick<UseFormReturnType<BudgetForm>, FormPart> }) {
  const { thresholds } = form.getValues();
  return (
    <Input.Wrapper
      label="Thresholds"
      labelElement="div"
      description="“Slow down” lets a cluster take in messages only at a trickle until the month ends; nothing is cut."
      error={form.errors['thresholds']}
    >
      <Stack gap="xs" mt="xs">
        {thresholds.map((_, index) => (
          <Group key={index} gap="xs" wrap="nowrap">
            <NumberInput
              aria-label={`Threshold ${index + 1}, percent`}
              suffix=" %"
              min={1}
              max={1000}
              allowDecimal={false}
              w={110}
              hideControls
              {...form.getInputProps(`thresholds.${index}.percent`)}
            />
            <Select
              aria-label={`Threshold ${index + 1}, action`}
              data={ACTIONS}
              allowDeselect={false}
              style={{ flex: 1 }}
              {...form.getInputProps(`thresholds.${index}.action`)}
            />
            <ActionIcon
              variant="subtle"
              color="red"
              aria-label={`Remove threshold ${index + 1}`}
              onClick={() => form.removeListItem('thresholds', index)}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          </Group>
        ))}
        <div>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconPlus size={14} aria-hidden />}
            disabled={thresholds.length >= THRESHOLDS_MAX}
            onClick={() => form.insertListItem('thresholds', { percent: '', action: 'notify' })}
          >
            Add threshold
          </Button>
        </div>
      </Stack>
    </Input.Wrapper>
  );
}
