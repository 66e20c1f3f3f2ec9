import { Button, Code, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { allItems, ApiError, bodyOf, type Cluster } from '@robustmq/client';
import type { CertificateAuthority, ClientCertificate } from '@robustmq/contracts';
import { IconCertificate, IconDownload, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath, wholeList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { saveFile } from '../../ui/save-file.ts';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { CredentialPages } from './credential-pages.tsx';
import { IssueDialog, IssuedDialog, type Issued } from './issue-dialog.tsx';

type Authority = CertificateAuthority;
type Certificate = ClientCertificate;

const AT = '/v1/tenants/{tenantId}/clusters/{clusterId}';
const LIMIT = 200;
const keyOf = (cluster: Cluster, what: string) => [cluster.tenantId, 'clusters', cluster.id, 'certificates', what];

function CertificateState({ certificate }: { certificate: Certificate }) {
  if (certificate.revokedAt !== null) return <Tag color="red">Revoked</Tag>;
  return Date.parse(certificate.notAfter) < Date.now() ? <Tag color="gray">Expired</Tag> : <Tag color="teal">Good</Tag>;
}

const COLUMNS: readonly DataColumn<Certificate>[] = [
  { id: 'name', header: 'Name', sortBy: ({ name }) => name, cell: ({ name }) => <Text fw={600}>{name}</Text> },
  { id: 'state', header: 'State', cell: (certificate) => <CertificateState certificate={certificate} /> },
  { id: 'serial', header: 'Serial number', cell: ({ serial }) => <Code className="wraps">{serial}</Code> },
  {
    id: 'until',
    header: 'Good until',
    sortBy: ({ notAfter }) => notAfter,
    cell: ({ notAfter }) => <Time iso={notAfter} dateOnly />,
  },
];

/** The cluster's authority; undefined = it has none yet. */
function useAuthority(cluster: Cluster) {
  return useQuery({
    queryKey: keyOf(cluster, 'authority'),
    queryFn: async (): Promise<Authority | null> => {
      try {
        return await bodyOf(api.GET(`${AT}/certificate-authority`, { params: { path: clusterPath(cluster) } }));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });
}

function MakeAuthority({ cluster, mayChange }: { cluster: Cluster; mayChange: boolean }) {
  const queryClient = useQueryClient();
  const make = useMutation({
    mutationFn: () => bodyOf(api.POST(`${AT}/certificate-authority`, { params: { path: clusterPath(cluster) } })),
    onSuccess: async () => {
      notice('The cluster trusts its own authority now');
      await queryClient.invalidateQueries({ queryKey: keyOf(cluster, 'authority') });
    },
  });
  return (
    <Stack>
      {make.error && <ErrorState error={make.error} />}
      <EmptyState
        icon={<IconCertificate size={28} />}
        title="No certificate authority yet"
        action={
          mayChange && (
            <Button loading={make.isPending} onClick={() => make.mutate()}>
              Make a certificate authority
            </Button>
          )
        }
      >
        The cluster can issue certificates that clients connect with over TLS in place of a password. An authority of
        your own is set under Settings, Authentication.
      </EmptyState>
    </Stack>
  );
}

function AuthorityCard({ authority }: { authority: Authority }) {
  return (
    <Paper p="lg" component="section" aria-label="Certificate authority">
      <Group justify="space-between">
        <div style={{ minWidth: 0, flex: '1 1 16rem' }}>
          <Title order={2} size="h4" mb={4}>
            Certificate authority
          </Title>
          <Text size="sm" c="dimmed">
            Good until <Time iso={authority.notAfter} dateOnly />. SHA-256:
          </Text>
          <Code style={{ overflowWrap: 'anywhere', whiteSpace: 'normal' }}>{authority.fingerprint}</Code>
        </div>
        <Button
          variant="default"
          leftSection={<IconDownload size={16} aria-hidden />}
          onClick={() => saveFile('authority.cert.pem', 'application/x-pem-file', authority.certificatePem)}
        >
          Download
        </Button>
      </Group>
    </Paper>
  );
}

function Certificates({ cluster, mayChange }: { cluster: Cluster; mayChange: boolean }) {
  const queryClient = useQueryClient();
  const [issuing, setIssuing] = useState(false);
  const [issued, setIssued] = useState<Issued>();
  const queryKey = keyOf(cluster, 'issued');
  const certificates = useQuery({
    queryKey,
    queryFn: (): Promise<Certificate[]> =>
      allItems((cursor) => {
        const query = { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) };
        return bodyOf(api.GET(`${AT}/certificates`, { params: { path: clusterPath(cluster), query } }));
      }),
  });
  const revocation = useConfirmed<Certificate>({
    title: ({ name }) => `Revoke the certificate of ${name}?`,
    action: 'Revoke certificate',
    words: () => 'Its connections are cut, and it opens none again.',
    run: ({ serial }) =>
      api.DELETE(`${AT}/certificates/{serial}`, { params: { path: { ...clusterPath(cluster), serial } } }),
    done: ({ name }) => `Revoked the certificate of ${name}`,
    queryKey,
  });
  const revoke: DataColumn<Certificate>[] = [
    ...actionColumn<Certificate>(
      mayChange ? revocation.ask : undefined,
      ({ name, serial }) => `Revoke certificate ${serial} of ${name}`,
      <IconTrash size={16} aria-hidden />,
    ),
  ];
  return (
    <>
      <ListPage
        label="Certificates"
        list={wholeList(certificates)}
        columns={[...COLUMNS, ...revoke]}
        rowId={({ serial }) => serial}
        minWidth={680}
        description="Clients that show one of these over TLS need no password."
        actions={
          mayChange && (
            <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setIssuing(true)}>
              Issue certificate
            </Button>
          )
        }
        empty={{
          icon: <IconCertificate size={28} />,
          title: 'No certificates yet',
          words: 'Issue one for each client: with a key made here, or for a request whose key stays on the device.',
        }}
      />
      {issuing && (
        <IssueDialog
          cluster={cluster}
          onClose={() => setIssuing(false)}
          onIssued={(one) => {
            setIssuing(false);
            setIssued(one);
            void queryClient.invalidateQueries({ queryKey });
          }}
        />
      )}
      {issued && <IssuedDialog issued={issued} onClose={() => setIssued(undefined)} />}
      {revocation.dialog}
    </>
  );
}

/** The cluster's certificate authority and what it issued. */
export function CertificatesPage() {
  const cluster = useCluster();
  const mayChange = usePermitted('credential:write');
  const authority = useAuthority(cluster);
  return (
    <>
      <CredentialPages cluster={cluster} />
      {authority.isPending && <LoadingState />}
      {authority.error && <ErrorState error={authority.error} retry={() => void authority.refetch()} />}
      {authority.data === null && <MakeAuthority cluster={cluster} mayChange={mayChange} />}
      {authority.data && (
        <Stack gap="lg">
          <AuthorityCard authority={authority.data} />
          <Certificates cluster={cluster} mayChange={mayChange} />
        </Stack>
      )}
    </>
  );
}
