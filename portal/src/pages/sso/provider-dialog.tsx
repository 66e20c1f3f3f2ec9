import { Button, Group, Modal, PasswordInput, Select, Stack, Switch, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Roles } from '@robustmq/client';
import type { SsoProvider } from '@robustmq/contracts';
import { useMutation } from '@tanstack/react-query';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ErrorState } from '../../ui/states.tsx';
import { roleChoices } from '../members/roles.ts';
import { bodyOfForm, groupRolesOf, NEW_PROVIDER, REFUSED, valuesOf, type ProviderValues } from './provider-form.ts';

const FIELDS = ['name', 'issuer', 'clientId', 'clientSecret', 'groupsClaim', 'groupRoles', 'defaultRole'];
const required = (words: string) => (value: string) => (value.trim() === '' ? words : null);

interface ProviderDialogProps {
  readonly tenantId: string;
  readonly roles: Roles;
  /** Absent = a new one. */
  readonly provider: SsoProvider | undefined;
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onSaved: (provider: SsoProvider) => void;
}

/** Adds an identity provider, or changes one. */
export function ProviderDialog({ tenantId, roles, provider, opened, onClose, onSaved }: ProviderDialogProps) {
  const builtIn = roles.builtIn.map(({ name }) => name);
  const groupsOf = (text: string) => groupRolesOf(text, builtIn, roles.items);
  const form = useForm<ProviderValues>({
    initialValues: provider ? valuesOf(provider, roles.items) : NEW_PROVIDER,
    validate: {
      name: required('Enter a name'),
      issuer: (value) => (URL.canParse(value.trim()) ? null : 'Enter an address like https://id.example.com'),
      clientId: required('Enter the client id that the provider gave you'),
      groupsClaim: required('Enter the name of a claim'),
      groupRoles: (value) => {
        const found = groupsOf(value);
        return typeof found === 'string' ? found : null;
      },
    },
  });
  const save = useMutation({
    mutationFn: (values: ProviderValues): Promise<SsoProvider> => {
      const groups = groupsOf(values.groupRoles);
      const body = bodyOfForm(values, typeof groups === 'string' ? [] : groups);
      if (provider === undefined)
        return bodyOf(api.POST('/v1/tenants/{tenantId}/sso/providers', { params: { path: { tenantId } }, body }));
      const path = { tenantId, ssoProviderId: provider.id };
      return bodyOf(api.PATCH('/v1/tenants/{tenantId}/sso/providers/{ssoProviderId}', { params: { path }, body }));
    },
    onSuccess: onSaved,
    onError: (error) => form.setErrors(formErrorsOf(error, FIELDS)),
  });
  const typed = { autoComplete: 'off', spellCheck: false };
  return (
    <Modal opened={opened} onClose={onClose} title={provider ? 'Change identity provider' : 'Add identity provider'}>
      <form onSubmit={form.onSubmit((values) => save.mutate(values))} noValidate>
        <Stack>
          {save.error && <ErrorState error={save.error} />}
          <TextInput label="Name" placeholder="Example ID" data-autofocus {...typed} {...form.getInputProps('name')} />
          <TextInput
            label="Issuer"
            description="Its /.well-known/openid-configuration is read"
            placeholder="https://id.example.com"
            inputMode="url"
            {...typed}
            {...form.getInputProps('issuer')}
          />
          <TextInput label="Client id" {...typed} {...form.getInputProps('clientId')} />
          <PasswordInput
            label="Client secret"
            description={
              provider?.hasSecret ? 'Empty = as it is; it is never shown' : 'Empty = a public client, protected by PKCE'
            }
            autoComplete="off"
            {...form.getInputProps('clientSecret')}
          />
          <Select
            label="Role of newcomers"
            description="Where none of their groups says another"
            data={[...roleChoices(roles.items), { value: REFUSED, label: 'None: they are refused' }]}
            allowDeselect={false}
            {...form.getInputProps('defaultRole')}
          />
          <TextInput label="Claim with the groups" {...typed} {...form.getInputProps('groupsClaim')} />
          <Textarea
            label="Roles by group"
            description="One a line, group = role; the first that fits is taken"
            placeholder={'platform-team = admin\nauditors = auditor'}
            autosize
            minRows={2}
            maxRows={8}
            spellCheck={false}
            {...form.getInputProps('groupRoles')}
          />
          <Switch
            label="Whoever signs in becomes a member"
            description="Off: only those who are members already"
            {...form.getInputProps('joins', { type: 'checkbox' })}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              {provider ? 'Save provider' : 'Add provider'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
