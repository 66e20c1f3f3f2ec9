import { Alert, Button, Group, List, Modal, Paper, Stack, Switch, Text, Title } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { SsoProvider } from '@robustmq/contracts';
import { IconCircleCheck, IconLockAccess, IconPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { rolesQuery, tenantQuery } from '../../api/people.ts';
import { usePermitted } from '../../api/permission.ts';
import { api, useSession } from '../../api/session.ts';
import { CopyField } from '../../ui/copy-field.tsx';
import { notice } from '../../ui/notice.ts';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { useConfirmed } from '../../ui/use-confirmed.tsx';
import { MembersHeader } from '../members/members-nav.tsx';
import { roleName } from '../members/roles.ts';
import { Domains } from './domains.tsx';
import { ProviderDialog } from './provider-dialog.tsx';
import { providersQuery } from './sso-query.ts';

const AT = '/v1/tenants/{tenantId}/sso/providers/{ssoProviderId}';

/** What the provider says of itself now. */
function CheckDialog({
  tenantId,
  provider,
  onClose,
}: {
  tenantId: string;
  provider: SsoProvider;
  onClose: () => void;
}) {
  const check = useQuery({
    queryKey: [tenantId, 'sso', 'check', provider.id],
    queryFn: () => bodyOf(api.POST(`${AT}:check`, { params: { path: { tenantId, ssoProviderId: provider.id } } })),
    gcTime: 0,
    retry: false,
  });
  return (
    <Modal opened onClose={onClose} title={`Check of ${provider.name}`}>
      {check.isPending && <LoadingState rows={2} />}
      {check.error && <ErrorState error={check.error} retry={() => void check.refetch()} />}
      {check.data?.problems.length === 0 && (
        <Alert color="teal" variant="light" role="status" icon={<IconCircleCheck aria-hidden />} title="It can be used">
          {check.data.authorizationEndpoint}
        </Alert>
      )}
      {check.data && check.data.problems.length > 0 && (
        <Alert color="orange" variant="light" role="status" title="It cannot be used yet">
          <List size="sm">
            {check.data.problems.map((problem) => (
              <List.Item key={problem}>{problem}</List.Item>
            ))}
          </List>
        </Alert>
      )}
    </Modal>
  );
}

interface ProviderCardProps {
  readonly tenantId: string;
  readonly provider: SsoProvider;
  readonly roleText: string;
  readonly mayChange: boolean;
  readonly onEdit: () => void;
}

function ProviderCard({ tenantId, provider, roleText, mayChange, onEdit }: ProviderCardProps) {
  const queryClient = useQueryClient();
  const [checking, setChecking] = useState(false);
  const path = { tenantId, ssoProviderId: provider.id };
  const { queryKey } = providersQuery(tenantId);
  const enable = useMutation({
    mutationFn: (enabled: boolean) => bodyOf(api.PATCH(AT, { params: { path }, body: { enabled } })),
    onSuccess: ({ enabled }) => notice(`${provider.name} is switched ${enabled ? 'on' : 'off'}`),
    onSettled: () => queryClient.invalidateQueries({ queryKey }),
  });
  const removal = useConfirmed<SsoProvider>({
    title: ({ name }) => `Remove ${name}?`,
    action: 'Remove provider',
    words: () => 'Sessions that began there end. Members stay, and log in with their passwords.',
    run: () => api.DELETE(AT, { params: { path } }),
    done: ({ name }) => `Removed ${name}`,
    queryKey,
  });
  return (
    <Paper p="lg" component="section" aria-label={provider.name}>
      <Stack>
        <Group justify="space-between">
          <Group gap="sm">
            <Title order={3} size="h4">
              {provider.name}
            </Title>
            <Tag color={provider.enabled ? 'teal' : 'gray'}>{provider.enabled ? 'On' : 'Off'}</Tag>
          </Group>
          {mayChange && (
            <Group gap="sm">
              <Button variant="default" size="xs" onClick={() => setChecking(true)}>
                Check it
              </Button>
              <Button variant="default" size="xs" onClick={onEdit}>
                Change
              </Button>
              <Button
                variant="default"
                size="xs"
                loading={enable.isPending}
                onClick={() => enable.mutate(!provider.enabled)}
              >
                {provider.enabled ? 'Switch off' : 'Switch on'}
              </Button>
              <Button variant="light" color="red" size="xs" onClick={() => removal.ask(provider)}>
                Remove
              </Button>
            </Group>
          )}
        </Group>
        {enable.error && <ErrorState error={enable.error} />}
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {provider.issuer}, client {provider.clientId}. {roleText}
        </Text>
        {!provider.forOwners && (
          <Text size="sm" c="dimmed">
            Owners log in with their passwords: who set it up last was none.
          </Text>
        )}
        <CopyField label="Redirect address to allow at the provider" value={provider.redirectUri} />
      </Stack>
      {checking && <CheckDialog tenantId={tenantId} provider={provider} onClose={() => setChecking(false)} />}
      {removal.dialog}
    </Paper>
  );
}

/** Whether passwords still open the tenant. */
function RequiredRule({ tenantId }: { tenantId: string }) {
  const queryClient = useQueryClient();
  const query = tenantQuery(tenantId);
  const tenant = useQuery(query);
  const save = useMutation({
    mutationFn: (ssoRequired: boolean) =>
      bodyOf(api.PATCH('/v1/tenants/{tenantId}', { params: { path: { tenantId } }, body: { ssoRequired } })),
    onSettled: () => queryClient.invalidateQueries({ queryKey: query.queryKey }),
  });
  return (
    <Paper p="md">
      <Switch
        label="Members must enter by the identity provider"
        description="Passwords of everybody but owners no longer open this tenant."
        checked={tenant.data?.ssoRequired ?? false}
        disabled={!tenant.data || save.isPending}
        onChange={({ currentTarget }) => save.mutate(currentTarget.checked)}
      />
      {save.error && <ErrorState error={save.error} />}
    </Paper>
  );
}

function Providers({ tenantId, mayChange }: { tenantId: string; mayChange: boolean }) {
  const queryClient = useQueryClient();
  const query = providersQuery(tenantId);
  const providers = useQuery(query);
  const roles = useQuery(rolesQuery(tenantId));
  // the turn makes each opening a form of its own
  const [editing, setEditing] = useState<{ readonly provider: SsoProvider | undefined; readonly turn: number }>();
  const [opened, setOpened] = useState(false);
  const edit = (provider?: SsoProvider) => {
    setEditing((before) => ({ provider, turn: (before?.turn ?? 0) + 1 }));
    setOpened(true);
  };
  const own = roles.data?.items ?? [];
  const roleText = ({ defaultRole, defaultCustomRoleId = null, groupRoles }: SsoProvider) => {
    const newcomers =
      defaultRole === null
        ? 'are refused'
        : `become ${roleName({ role: defaultRole, customRoleId: defaultCustomRoleId }, own).toLowerCase()}`;
    return `Newcomers ${newcomers}; ${groupRoles.length} group${groupRoles.length === 1 ? '' : 's'} say otherwise.`;
  };
  const add = mayChange && roles.data && (
    <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => edit()}>
      Add identity provider
    </Button>
  );
  return (
    <>
      {providers.isPending && <LoadingState />}
      {providers.error && <ErrorState error={providers.error} retry={() => void providers.refetch()} />}
      {providers.data?.length === 0 && (
        <EmptyState icon={<IconLockAccess size={28} />} title="No identity provider yet" action={add}>
          Let your people log in with the accounts they have: any OpenID Connect provider does.
        </EmptyState>
      )}
      {providers.data?.map((provider) => (
        <ProviderCard
          key={provider.id}
          tenantId={tenantId}
          provider={provider}
          roleText={roleText(provider)}
          mayChange={mayChange}
          onEdit={() => edit(provider)}
        />
      ))}
      {providers.data && providers.data.length > 0 && add && <Group>{add}</Group>}
      {roles.data && (
        <ProviderDialog
          key={editing?.turn ?? 0}
          tenantId={tenantId}
          roles={roles.data}
          provider={editing?.provider}
          opened={opened}
          onClose={() => setOpened(false)}
          onSaved={({ name }) => {
            notice(`Saved ${name}`);
            setOpened(false);
            void queryClient.invalidateQueries({ queryKey: query.queryKey });
          }}
        />
      )}
    </>
  );
}

/** Logging in with the company's own accounts. */
export function SsoPage() {
  const { tenantId } = useSession();
  const mayChange = usePermitted('sso:write');
  const mayRule = usePermitted('tenant:write');
  return (
    <>
      <MembersHeader
        title="Single sign-on"
        description="Members log in through your identity provider (OpenID Connect), and get roles by their groups."
      />
      <Stack gap="lg">
        <Providers tenantId={tenantId} mayChange={mayChange} />
        <Domains tenantId={tenantId} mayChange={mayChange} />
        {mayRule && <RequiredRule tenantId={tenantId} />}
      </Stack>
    </>
  );
}
