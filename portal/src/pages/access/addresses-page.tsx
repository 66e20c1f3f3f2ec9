import { Alert, Button, Group, Paper, Stack, Text, Textarea } from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { Settings } from '@robustmq/contracts';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { addressesOf } from '../api-keys/addresses.ts';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { ApplyDialog } from '../settings/apply-dialog.tsx';
import { settingsQuery } from '../settings/settings-page.tsx';
import { AccessPages } from './access-pages.tsx';
import { refusalOf } from './allowed-addresses.ts';

function AddressesForm({ cluster, settings }: { cluster: Cluster; settings: Settings }) {
  const mayChange = usePermitted('settings:write');
  const before = settings.settings.network.allowedAddresses;
  const [text, setText] = useState(() => before.join('\n'));
  const [fault, setFault] = useState<string>();
  const [applying, setApplying] = useState(false);
  const allowedAddresses = addressesOf(text);
  const unchanged = allowedAddresses.join() === before.join();
  const change = (value: string) => {
    setText(value);
    setFault(undefined);
  };
  /** The API's refusal of an address belongs to the field it was typed into, not to a dialog over it. */
  const write = async (dryRun: 'true' | 'false') => {
    try {
      return await bodyOf(
        api.PATCH('/v1/tenants/{tenantId}/clusters/{clusterId}/settings', {
          params: {
            path: clusterPath(cluster),
            query: { dry_run: dryRun },
            header: { 'If-Match': `"${settings.revision}"` },
          },
          body: { network: { allowedAddresses } },
        }),
      );
    } catch (error) {
      const refusal = refusalOf(error, allowedAddresses);
      if (refusal !== undefined) {
        setFault(refusal);
        setApplying(false);
      }
      throw error;
    }
  };
  return (
    <Paper p="lg" component="section" aria-label="Allowed addresses">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setApplying(true);
        }}
      >
        <Stack>
          <Text size="sm">
            {before.length === 0
              ? 'Clients may come from anywhere.'
              : 'Clients come in from these addresses alone, over every protocol. Nobody else is asked for a password.'}
          </Text>
          <Textarea
            label="Addresses and blocks"
            description="One a line, as in 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32. Empty = from anywhere."
            placeholder="198.51.100.0/24"
            autosize
            minRows={4}
            maxRows={20}
            spellCheck={false}
            maw="32rem"
            disabled={!mayChange}
            value={text}
            error={fault}
            onChange={({ currentTarget }) => change(currentTarget.value)}
          />
          {!unchanged && allowedAddresses.length > 0 && (
            <Alert color="yellow" variant="light" icon={<IconAlertTriangle aria-hidden />}>
              Connections from all other addresses are cut as soon as the node knows, those of this portal’s test client
              too.
            </Alert>
          )}
          {mayChange && (
            <Group>
              <Button type="submit" disabled={unchanged}>
                Review changes
              </Button>
              <Button variant="default" disabled={unchanged} onClick={() => change(before.join('\n'))}>
                Undo my changes
              </Button>
            </Group>
          )}
        </Stack>
      </form>
      <ApplyDialog
        cluster={cluster}
        opened={applying}
        title="Apply these changes?"
        action="Apply changes"
        write={write}
        onClose={() => setApplying(false)}
      />
    </Paper>
  );
}

/** Where the cluster's clients may come from. */
export function AddressesPage() {
  const cluster = useCluster();
  const settings = useQuery(settingsQuery(cluster));
  return (
    <>
      <AccessPages cluster={cluster} />
      {settings.isPending && <LoadingState />}
      {settings.error && <ErrorState mb="md" error={settings.error} retry={() => void settings.refetch()} />}
      {settings.data && <AddressesForm key={settings.data.revision} cluster={cluster} settings={settings.data} />}
    </>
  );
}
