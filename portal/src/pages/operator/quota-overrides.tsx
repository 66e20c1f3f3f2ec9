import { Button, Group, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import type { QuotaOverrides as Overrides, QuotaOverridesView, Quotas } from '@robustmq/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { notice } from '../../ui/notice.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { QUOTA_LABEL, QUOTA_NAMES, quotasOf, quotaText } from '../clusters/quota-text.ts';
import type { OperatorClient } from './operator-client.ts';
import { Section } from './section.tsx';
import { UUID } from './tenant-form.ts';

const textsOf = (overrides: Overrides): Partial<Record<keyof Quotas, string>> =>
  Object.fromEntries(
    QUOTA_NAMES.flatMap((name) => (overrides[name] === undefined ? [] : [[name, String(overrides[name])]])),
  );

interface FormProps {
  readonly client: OperatorClient;
  readonly path: string;
  readonly before: Overrides;
  /** What holds without an override, where one cluster is looked at. */
  readonly quotas: Quotas | undefined;
}

function OverrideForm({ client, path, before, quotas }: FormProps) {
  const queryClient = useQueryClient();
  const [texts, setTexts] = useState(() => textsOf(before));
  const [reason, setReason] = useState('');
  const overrides = quotasOf(texts);
  const save = useMutation({
    mutationFn: (body: { quotas: Overrides; reason: string }) => client.put(`${path}/quota-overrides`, body),
    onSuccess: async () => {
      notice('The limits are on their way to the nodes');
      setReason('');
      await queryClient.invalidateQueries({ queryKey: ['operator', 'quota-overrides'] });
    },
  });
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (overrides) save.mutate({ quotas: overrides, reason: reason.trim() });
      }}
    >
      <Stack>
        {save.error && <ErrorState error={save.error} />}
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
          {QUOTA_NAMES.map((name) => (
            <TextInput
              key={name}
              label={QUOTA_LABEL[name]}
              placeholder={quotas ? quotaText(name, quotas[name]) : 'The plan’s'}
              autoComplete="off"
              value={texts[name] ?? ''}
              onChange={({ currentTarget: { value } }) => setTexts((old) => ({ ...old, [name]: value }))}
            />
          ))}
        </SimpleGrid>
        <TextInput
          label="Reason"
          description="Kept in the tenant’s audit log"
          autoComplete="off"
          value={reason}
          onChange={({ currentTarget }) => setReason(currentTarget.value)}
        />
        {!overrides && (
          <Text size="sm" c="red" role="alert">
            One of them is no number; bytes may have a unit, like 50 GiB.
          </Text>
        )}
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!overrides || reason.trim() === ''}>
            Set limits
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Limits agreed with one tenant, for all its clusters or one of them. */
export function QuotaOverrides({ client }: { client: OperatorClient }) {
  const [typed, setTyped] = useState('');
  const [clusterId, setClusterId] = useState('');
  const tenantId = typed.trim();
  const valid = UUID.test(tenantId);
  const view = useQuery({
    queryKey: ['operator', 'quota-overrides', tenantId],
    queryFn: () => client.get<QuotaOverridesView>(`tenants/${tenantId}/quota-overrides`),
    enabled: valid,
    gcTime: 0,
  });
  const cluster = view.data?.clusters.find((one) => one.clusterId === clusterId);
  const path = cluster ? `tenants/${tenantId}/clusters/${cluster.clusterId}` : `tenants/${tenantId}`;
  return (
    <Section
      title="Limits"
      words="In place of the plan’s: those of a cluster win over those of its tenant. Empty = as it is below."
    >
      <Stack>
        <TextInput
          label="Tenant id"
          autoComplete="off"
          spellCheck={false}
          maw="28rem"
          value={typed}
          onChange={({ currentTarget }) => {
            setTyped(currentTarget.value);
            setClusterId('');
          }}
        />
        {valid && view.isPending && <LoadingState />}
        {view.error && <ErrorState error={view.error} retry={() => void view.refetch()} />}
        {valid && view.data && (
          <>
            <Select
              label="For"
              data={[
                { value: '', label: 'All its clusters' },
                ...view.data.clusters.map((one) => ({ value: one.clusterId, label: `${one.name} (${one.plan})` })),
              ]}
              value={clusterId}
              onChange={(value) => setClusterId(value ?? '')}
              allowDeselect={false}
              maw="28rem"
            />
            <OverrideForm
              key={`${path} ${view.dataUpdatedAt}`}
              client={client}
              path={path}
              before={cluster ? cluster.overrides : view.data.tenant}
              quotas={cluster?.quotas}
            />
          </>
        )}
      </Stack>
    </Section>
  );
}
