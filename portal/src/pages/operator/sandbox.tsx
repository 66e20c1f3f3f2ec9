import { Alert, Button, Group, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { dayText } from '../billing/period.ts';
import type { OperatorClient } from './operator-client.ts';
import { Section } from './section.tsx';
import { midnightOf, monthsLater, tenantFault } from './tenant-form.ts';

interface Moved {
  readonly days: number;
}

const today = () => new Date().toISOString().slice(0, 10);

const WORDS =
  'A tenant without invoices becomes a sandbox: its time stands where you put it, and moves only here. ' +
  'Each day on the way is lived through, at most 120 days at once.';

/** A tenant whose time the operator moves: every day on the way is lived through, with invoices, reminders and suspension. */
export function Sandbox({ client }: { client: OperatorClient }) {
  const form = useForm({
    initialValues: { tenantId: '', to: today() },
    validate: { tenantId: tenantFault, to: (value) => (midnightOf(value) ? null : 'Write it as 2026-12-31') },
  });
  const move = useMutation({
    mutationFn: ({ tenantId, to }: typeof form.values) =>
      client.post<Moved>('billing/set-clock', { tenantId: tenantId.trim(), at: midnightOf(to) }),
    onSuccess: (_moved, { to }) => {
      notice(`Its time is ${dayText(`${to}T00:00:00Z`)}`);
      form.setFieldValue('to', monthsLater(to, 1));
    },
  });
  return (
    <Section title="Billing sandbox" words={WORDS}>
      <form onSubmit={form.onSubmit((values) => move.mutate(values))} noValidate>
        <Stack maw="32rem">
          {move.error && <ErrorState error={move.error} />}
          {move.data && move.variables && (
            <Alert color="teal" variant="light" role="status" title={`Lived through ${move.data.days} days`}>
              Its time is {dayText(`${move.variables.to}T00:00:00Z`)}. Look at its billing page for invoices and
              reminders.
            </Alert>
          )}
          <TextInput label="Tenant id" autoComplete="off" spellCheck={false} {...form.getInputProps('tenantId')} />
          <TextInput label="Time to go to, midnight UTC" type="date" {...form.getInputProps('to')} />
          <Group>
            <Button type="submit" loading={move.isPending}>
              Move its time
            </Button>
            <Button
              variant="default"
              disabled={move.isPending}
              onClick={() => form.setFieldValue('to', monthsLater(form.values.to, 1))}
            >
              A month later
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
