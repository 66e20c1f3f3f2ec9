import { Button, Group, Modal, Stack, Text, TextInput, Title } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { SsoDomain } from '@robustmq/contracts';
import { IconAt, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import { CopyField } from '../../ui/copy-field.tsx';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { domainsQuery } from './sso-query.ts';

const COLUMNS: readonly DataColumn<SsoDomain>[] = [
  {
    id: 'domain',
    header: 'Domain',
    sortBy: ({ domain }) => domain,
    cell: ({ domain }) => <Text fw={600}>{domain}</Text>,
  },
  {
    id: 'state',
    header: 'State',
    cell: ({ verifiedAt }) =>
      verifiedAt === null ? <Tag color="orange">Not proven yet</Tag> : <Tag color="teal">Proven</Tag>,
  },
  {
    id: 'since',
    header: 'Proven',
    cell: ({ verifiedAt, verifiedBy }) =>
      verifiedAt === null ? (
        '–'
      ) : (
        <>
          <Time iso={verifiedAt} dateOnly /> {verifiedBy === 'operator' ? 'by the operator' : ''}
        </>
      ),
  },
];

/** The TXT record of a domain, and looking for it. */
function ProofDialog({ tenantId, domain, onClose }: { tenantId: string; domain: SsoDomain; onClose: () => void }) {
  const queryClient = useQueryClient();
  const verify = useMutation({
    mutationFn: () =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/sso/domains/{domain}:verify', {
          params: { path: { tenantId, domain: domain.domain } },
        }),
      ),
    onSuccess: async () => {
      notice(`${domain.domain} is yours`);
      onClose();
      await queryClient.invalidateQueries({ queryKey: domainsQuery(tenantId).queryKey });
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Prove that ${domain.domain} is yours`}>
      <Stack>
        <Text size="sm">Add this TXT record to the domain’s DNS, then look it up. It can take minutes to be seen.</Text>
        <CopyField label="Name of the record" value={domain.record.name} />
        <CopyField label="Value of the record" value={domain.record.value} />
        {verify.error && <ErrorState error={verify.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Later
          </Button>
          <Button loading={verify.isPending} onClick={() => verify.mutate()} data-autofocus>
            Look it up
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function AddDomain({ tenantId, onAdded }: { tenantId: string; onAdded: (domain: SsoDomain) => void }) {
  const [domain, setDomain] = useState('');
  const add = useMutation({
    mutationFn: (): Promise<SsoDomain> =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/sso/domains', {
          params: { path: { tenantId } },
          body: { domain: domain.trim().toLowerCase() },
        }),
      ),
    onSuccess: (added) => {
      setDomain('');
      onAdded(added);
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        add.mutate();
      }}
    >
      <Group align="flex-end">
        <TextInput
          label="E-mail domain"
          placeholder="example.com"
          value={domain}
          onChange={({ currentTarget }) => setDomain(currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <Button
          type="submit"
          variant="default"
          leftSection={<IconPlus size={16} aria-hidden />}
          loading={add.isPending}
          disabled={!domain.includes('.')}
        >
          Add domain
        </Button>
      </Group>
      {add.error && <ErrorState error={add.error} />}
    </form>
  );
}

/** Whose e-mail addresses enter by the tenant's identity provider. */
export function Domains({ tenantId, mayChange }: { tenantId: string; mayChange: boolean }) {
  const queryClient = useQueryClient();
  const query = domainsQuery(tenantId);
  const domains = useQuery(query);
  const [proving, setProving] = useState<SsoDomain>();
  const removal = useConfirmed<SsoDomain>({
    title: ({ domain }) => `Give ${domain} up?`,
    action: 'Remove domain',
    words: () => 'Nobody new enters by it. Members stay.',
    run: ({ domain }) =>
      api.DELETE('/v1/tenants/{tenantId}/sso/domains/{domain}', { params: { path: { tenantId, domain } } }),
    done: ({ domain }) => `Removed ${domain}`,
    queryKey: query.queryKey,
  });
  const proof: DataColumn<SsoDomain> = {
    id: 'proof',
    header: '',
    align: 'right',
    cell: (domain) =>
      domain.verifiedAt === null && (
        <Button
          size="compact-sm"
          variant="subtle"
          onClick={() => setProving(domain)}
          aria-label={`Prove ${domain.domain}`}
        >
          Prove it
        </Button>
      ),
  };
  const added = (domain: SsoDomain) => {
    setProving(domain);
    void queryClient.invalidateQueries({ queryKey: query.queryKey });
  };
  const remove = actionColumn<SsoDomain>(
    mayChange ? removal.ask : undefined,
    ({ domain }) => `Remove ${domain}`,
    <IconTrash size={16} aria-hidden />,
  );
  return (
    <Stack component="section" aria-label="Domains">
      <Title order={2} size="h4">
        Domains
      </Title>
      <ListPage
        label="Domains"
        list={wholeList(domains)}
        columns={[...COLUMNS, ...(mayChange ? [proof] : []), ...remove]}
        rowId={({ domain }) => domain}
        minWidth={560}
        description="Addresses of a proven domain are sent to your identity provider when they log in."
        actions={mayChange && <AddDomain tenantId={tenantId} onAdded={added} />}
        empty={{
          icon: <IconAt size={28} />,
          title: 'No domains yet',
          words: 'Prove that an e-mail domain is yours, so that its people enter by your identity provider.',
        }}
      />
      {proving && <ProofDialog tenantId={tenantId} domain={proving} onClose={() => setProving(undefined)} />}
      {removal.dialog}
    </Stack>
  );
}
