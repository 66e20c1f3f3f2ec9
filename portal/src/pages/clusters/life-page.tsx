import { Button, Group, Paper, Select, Stack, Switch, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import type { Cluster } from '@robustmq/client';
import { ClusterName } from '@robustmq/contracts';
import { IconPlayerPause, IconPlayerPlay, IconTrash } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { usePermitted } from '../../api/permission.ts';
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ErrorState } from '../../ui/states.tsx';
import { SettingPages } from '../settings/setting-pages.tsx';
import { useCluster } from './cluster-layout.tsx';
import { labelsOf, labelsText } from './labels.ts';
import { useDeleteCluster, usePauseCluster, useUpdateCluster, type RestoreDays } from './life-mutations.ts';
import { PlanChangeDialog } from './plan-change.tsx';

const RESTORE = [
  { value: '7', label: '7 days' },
  { value: '30', label: '30 days' },
  { value: '0', label: 'Not at all: delete the data now' },
];

function Section({ title, words, children }: { title: string; words: string; children: ReactNode }) {
  return (
    <Paper p="lg" component="section" aria-label={title}>
      <Title order={2} size="h4" mb={4}>
        {title}
      </Title>
      <Text size="sm" c="dimmed" mb="md" maw="44rem">
        {words}
      </Text>
      {children}
    </Paper>
  );
}

function NameAndLabels({ cluster }: { cluster: Cluster }) {
  const form = useForm({
    initialValues: { name: cluster.name, labels: labelsText(cluster.labels) },
    validate: { name: (value) => ClusterName.safeParse(value).error?.issues[0]?.message ?? null },
  });
  const update = useUpdateCluster(cluster, ({ name }) => `Saved ${name}`);
  const unchanged = form.values.name === cluster.name && form.values.labels === labelsText(cluster.labels);
  return (
    <Section title="Name and labels" words="The name is for you: addresses and user names keep the cluster’s key.">
      <form
        noValidate
        onSubmit={form.onSubmit(({ name, labels }) =>
          update.mutate(
            { ...(name === cluster.name ? {} : { name }), labels: labelsOf(labels) },
            { onError: (error) => form.setErrors(formErrorsOf(error, ['name', 'labels'])) },
          ),
        )}
      >
        <Stack maw="28rem">
          {update.error && <ErrorState error={update.error} />}
          <TextInput label="Name" autoComplete="off" spellCheck={false} {...form.getInputProps('name')} />
          <Textarea
            label="Labels"
            description="One a line: name=value"
            placeholder="team=payments"
            autosize
            minRows={2}
            spellCheck={false}
            {...form.getInputProps('labels')}
          />
          <Group>
            <Button type="submit" disabled={unchanged} loading={update.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}

function PauseAndResume({ cluster }: { cluster: Cluster }) {
  const [asking, setAsking] = useState(false);
  const change = usePauseCluster(cluster);
  const paused = cluster.pausedAt !== null;
  const words = paused
    ? 'Clients are refused. Data, credentials and addresses are kept.'
    : 'Pausing disconnects all clients and refuses new ones; data, credentials and addresses are kept.';
  return (
    <Section title={paused ? 'Paused' : 'Pause'} words={words}>
      <Stack align="flex-start">
        {paused ? (
          <Button
            leftSection={<IconPlayerPlay size={16} aria-hidden />}
            loading={change.isPending}
            onClick={() => change.mutate(false)}
          >
            Resume cluster
          </Button>
        ) : (
          <Button
            variant="default"
            leftSection={<IconPlayerPause size={16} aria-hidden />}
            onClick={() => setAsking(true)}
          >
            Pause cluster
          </Button>
        )}
        {paused && change.error && <ErrorState error={change.error} />}
      </Stack>
      <ConfirmDialog
        opened={asking}
        title={`Pause ${cluster.name}?`}
        action="Pause cluster"
        pending={change.isPending}
        error={change.error}
        onConfirm={() => change.mutate(true, { onSuccess: () => setAsking(false) })}
        onClose={() => {
          change.reset();
          setAsking(false);
        }}
      >
        All clients are disconnected until you resume it.
      </ConfirmDialog>
    </Section>
  );
}

type PlanName = 'serverless' | 'dedicated';

function PlanChange({ cluster }: { cluster: Cluster }) {
  const [asking, setAsking] = useState(false);
  if (cluster.plan === 'byoc') return null;
  const other: PlanName = cluster.plan === 'serverless' ? 'dedicated' : 'serverless';
  return (
    <Section
      title="Plan"
      words={`This cluster is ${cluster.plan}. What does not fit the other plan is listed before anything changes.`}
    >
      <Button variant="default" onClick={() => setAsking(true)}>
        Change to {other}
      </Button>
      {asking && <PlanChangeDialog cluster={cluster} to={other} onClose={() => setAsking(false)} />}
    </Section>
  );
}

function Deletion({ cluster }: { cluster: Cluster }) {
  const [asking, setAsking] = useState(false);
  const [days, setDays] = useState<RestoreDays>('7');
  const navigate = useNavigate();
  const protect = useUpdateCluster(cluster, (updated) =>
    updated.deletionProtection ? 'Protected from deletion' : 'No longer protected from deletion',
  );
  const remove = useDeleteCluster(cluster, () => navigate({ to: '/clusters' }));
  return (
    <Section
      title="Delete this cluster"
      words="Its topics, messages and credentials go, and all clients are disconnected. Within the time you choose it can be restored as it was."
    >
      <Stack>
        <Switch
          label="Protected from deletion"
          checked={cluster.deletionProtection}
          disabled={protect.isPending}
          onChange={({ currentTarget }) => protect.mutate({ deletionProtection: currentTarget.checked })}
        />
        {protect.error && <ErrorState error={protect.error} />}
        <Group align="flex-end">
          <Select
            label="Can be restored for"
            data={RESTORE}
            value={days}
            onChange={(value) => setDays(value as RestoreDays)}
            allowDeselect={false}
            disabled={cluster.deletionProtection}
            w={280}
          />
          <Button
            color="red"
            variant="light"
            disabled={cluster.deletionProtection}
            leftSection={<IconTrash size={16} aria-hidden />}
            onClick={() => setAsking(true)}
          >
            Delete cluster
          </Button>
        </Group>
      </Stack>
      <ConfirmDialog
        opened={asking}
        title={`Delete ${cluster.name}?`}
        action="Delete cluster"
        typed={cluster.name}
        pending={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate(days)}
        onClose={() => setAsking(false)}
      >
        {days === '0'
          ? `All messages in ${cluster.name} are lost at once. This cannot be undone.`
          : `It stops now, and can be restored for ${days} days from the list of clusters. Then all its messages are lost.`}
      </ConfirmDialog>
    </Section>
  );
}

/** A cluster's name, plan, pause, protection and end. */
export function LifePage() {
  const cluster = useCluster();
  const mayWrite = usePermitted('cluster:write');
  const mayDelete = usePermitted('cluster:delete');
  return (
    <>
      <SettingPages cluster={cluster} />
      <Stack gap="lg">
        {!mayWrite && !mayDelete && <Text c="dimmed">Your role does not let you change clusters.</Text>}
        {mayWrite && <NameAndLabels key={cluster.version} cluster={cluster} />}
        {mayWrite && <PauseAndResume cluster={cluster} />}
        {mayWrite && <PlanChange cluster={cluster} />}
        {mayDelete && cluster.phase !== 'Deleting' && <Deletion cluster={cluster} />}
      </Stack>
    </>
  );
}
