import { Button, Group, Modal, Stack, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf } from '@robustmq/client';
import type { Webhook } from '@robustmq/contracts';
import { useMutation } from '@tanstack/react-query';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ErrorState } from '../../ui/states.tsx';
import { eventsFault, eventsOf, urlFault, type WebhookValues } from './webhook-form.ts';

interface WebhookDialogProps {
  readonly tenantId: string;
  /** Absent = a new one. */
  readonly webhook: Webhook | undefined;
  readonly opened: boolean;
  readonly onClose: () => void;
  /** `secret` only of a new one. */
  readonly onSaved: (webhook: Webhook & { readonly secret?: string }) => void;
}

/** Makes a webhook or changes its address and events. */
export function WebhookDialog({ tenantId, webhook, opened, onClose, onSaved }: WebhookDialogProps) {
  const form = useForm<WebhookValues>({
    initialValues: { url: webhook?.url ?? '', events: (webhook?.events ?? ['*']).join('\n') },
    validate: { url: (value) => urlFault(value) ?? null, events: (value) => eventsFault(value) ?? null },
  });
  const save = useMutation({
    mutationFn: ({ url, events }: WebhookValues): Promise<Webhook & { secret?: string }> => {
      const body = { url: url.trim(), events: eventsOf(events) };
      if (webhook === undefined)
        return bodyOf(api.POST('/v1/tenants/{tenantId}/webhooks', { params: { path: { tenantId } }, body }));
      const path = { tenantId, webhookId: webhook.id };
      return bodyOf(api.PATCH('/v1/tenants/{tenantId}/webhooks/{webhookId}', { params: { path }, body }));
    },
    onSuccess: (saved) => {
      form.reset();
      onSaved(saved);
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['url', 'events'])),
  });
  return (
    <Modal opened={opened} onClose={onClose} title={webhook ? 'Change webhook' : 'Create webhook'}>
      <form onSubmit={form.onSubmit((values) => save.mutate(values))} noValidate>
        <Stack>
          {save.error && <ErrorState error={save.error} />}
          <TextInput
            label="Address"
            description="HTTPS on port 443 or 8443, at a public address"
            placeholder="https://example.com/robustmq"
            inputMode="url"
            autoComplete="off"
            spellCheck={false}
            data-autofocus
            {...form.getInputProps('url')}
          />
          <Textarea
            label="Events"
            description="One a line, as the audit log names them: cluster.create, cluster.* or * for everything"
            autosize
            minRows={2}
            maxRows={8}
            spellCheck={false}
            {...form.getInputProps('events')}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              {webhook ? 'Save webhook' : 'Create webhook'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
