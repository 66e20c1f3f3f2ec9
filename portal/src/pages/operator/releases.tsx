import { Button, Code, Group, Modal, NumberInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import type { OperatorRollout, ReleaseManifest } from '@robustmq/contracts';
import { IconPackage, IconPlus, IconRocket } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { useConfirmed } from '../../ui/use-confirmed.tsx';
import { FLEET } from './agents.tsx';
import type { OperatorClient } from './operator-client.ts';

interface Release extends ReleaseManifest {
  readonly id: string;
  readonly createdAt: string;
}

const REFRESH_MS = 5_000;
const SOAK_SECONDS = 600;
const STATE = {
  running: { color: 'blue', text: 'Under way' },
  done: { color: 'teal', text: 'Everywhere' },
  'rolled-back': { color: 'orange', text: 'Taken back' },
} as const;
const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]{1,40})?$/;

function PublishDialog({ client, onClose }: { client: OperatorClient; onClose: () => void }) {
  const queryClient = useQueryClient();
  const form = useForm({
    initialValues: { version: '', location: '', digest: '', controlMin: '0.1.0', controlMax: '0.1.0' },
    validate: {
      version: (value) => (VERSION.test(value.trim()) ? null : 'Write it as 1.2.3'),
      location: (value) => (/^(\/|https:\/\/)./.test(value.trim()) ? null : 'An absolute path, or an https address'),
      digest: (value) => (/^[0-9a-f]{64}$/.test(value.trim()) ? null : 'The SHA-256 of the file, in hexadecimal'),
      controlMin: (value) => (VERSION.test(value.trim()) ? null : 'Write it as 1.2.3'),
      controlMax: (value) => (VERSION.test(value.trim()) ? null : 'Write it as 1.2.3'),
    },
  });
  const publish = useMutation({
    mutationFn: (values: typeof form.values) =>
      client.post('releases', Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.trim()]))),
    onSuccess: async (_answer, { version }) => {
      notice(`Published ${version}; nothing runs it yet`);
      onClose();
      await queryClient.invalidateQueries({ queryKey: FLEET });
    },
  });
  const typed = { autoComplete: 'off', spellCheck: false };
  return (
    <Modal opened onClose={onClose} title="Publish a release">
      <form onSubmit={form.onSubmit((values) => publish.mutate(values))} noValidate>
        <Stack>
          {publish.error && <ErrorState error={publish.error} />}
          <TextInput label="Version" placeholder="0.2.0" data-autofocus {...typed} {...form.getInputProps('version')} />
          <TextInput
            label="Where it is"
            description="A .tar.gz, by path on the agents’ machines or by https"
            {...typed}
            {...form.getInputProps('location')}
          />
          <TextInput label="SHA-256" {...typed} {...form.getInputProps('digest')} />
          <Group grow align="flex-start">
            <TextInput label="Control plane from" {...typed} {...form.getInputProps('controlMin')} />
            <TextInput label="to" {...typed} {...form.getInputProps('controlMax')} />
          </Group>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={publish.isPending}>
              Sign and publish
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function RolloutDialog({
  client,
  release,
  onClose,
}: {
  client: OperatorClient;
  release: Release;
  onClose: () => void;
}) {
  const queryClient = useQueryClient();
  const [soak, setSoak] = useState<number | string>(SOAK_SECONDS);
  const begin = useMutation({
    mutationFn: () => client.post(`releases/${release.id}/rollout`, { soakSeconds: Number(soak) }),
    onSuccess: async () => {
      notice(`${release.version} goes to the first wave`);
      onClose();
      await queryClient.invalidateQueries({ queryKey: FLEET });
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Roll ${release.version} out?`}>
      <Stack>
        <Text size="sm">
          Wave after wave, the agents that are upgraded first in the beginning. A wave that does not get well takes all
          of it back by itself.
        </Text>
        <NumberInput
          label="Seconds each wave is watched"
          hideControls
          min={0}
          max={604_800}
          allowDecimal={false}
          value={soak}
          onChange={setSoak}
        />
        {begin.error && <ErrorState error={begin.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button loading={begin.isPending} disabled={soak === ''} onClick={() => begin.mutate()}>
            Roll out
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Rollouts({ client, versionOf }: { client: OperatorClient; versionOf: (releaseId: string) => string }) {
  const rollouts = useQuery({
    queryKey: [...FLEET, 'rollouts'],
    queryFn: async () => (await client.get<{ items: OperatorRollout[] }>('rollouts')).items,
    refetchInterval: REFRESH_MS,
    gcTime: 0,
  });
  const rollback = useConfirmed<OperatorRollout>({
    title: ({ releaseId }) => `Take ${versionOf(releaseId)} back?`,
    action: 'Take it back',
    words: () => 'Every agent runs again what it ran before.',
    run: ({ id }) => client.post(`rollouts/${id}/rollback`, {}),
    done: ({ releaseId }) => `${versionOf(releaseId)} is taken back`,
    queryKey: FLEET,
  });
  return (
    <>
      <ListPage
        label="Rollouts"
        list={wholeList(rollouts)}
        columns={[
          { id: 'version', header: 'Version', cell: ({ releaseId }) => <Text fw={600}>{versionOf(releaseId)}</Text> },
          {
            id: 'state',
            header: 'State',
            cell: ({ state }) => <Tag color={STATE[state].color}>{STATE[state].text}</Tag>,
          },
          { id: 'wave', header: 'Wave', align: 'right', cell: ({ wave }) => wave + 1 },
          { id: 'since', header: 'Wave since', cell: ({ waveStartedAt }) => <Time iso={waveStartedAt} /> },
          { id: 'soak', header: 'Watched for', align: 'right', cell: ({ soakSeconds }) => `${soakSeconds} s` },
          { id: 'why', header: 'Why it was taken back', cell: ({ reason }) => reason ?? '–' },
          {
            id: 'rollback',
            header: '',
            align: 'right',
            cell: (rollout) =>
              rollout.state === 'running' && (
                <Button size="compact-sm" variant="light" color="red" onClick={() => rollback.ask(rollout)}>
                  Take back
                </Button>
              ),
          },
        ]}
        rowId={({ id }) => id}
        minWidth={820}
        description="Waves of one release after the other; one at a time."
        empty={{ icon: <IconRocket size={28} />, title: 'No rollouts', words: 'Nothing was rolled out yet.' }}
      />
      {rollback.dialog}
    </>
  );
}

/** Versions of the node’s program, and bringing one to all agents in waves. */
export function Releases({ client }: { client: OperatorClient }) {
  const [publishing, setPublishing] = useState(false);
  const [rollingOut, setRollingOut] = useState<Release>();
  const releases = useQuery({
    queryKey: [...FLEET, 'releases'],
    queryFn: async () => (await client.get<{ items: Release[] }>('releases')).items,
    gcTime: 0,
  });
  const versionOf = (releaseId: string) => releases.data?.find(({ id }) => id === releaseId)?.version ?? releaseId;
  return (
    <Stack gap="xl">
      <ListPage
        label="Releases"
        list={wholeList(releases)}
        columns={[
          {
            id: 'version',
            header: 'Version',
            sortBy: (row) => row.version,
            cell: (row) => <Text fw={600}>{row.version}</Text>,
          },
          {
            id: 'published',
            header: 'Published',
            sortBy: (row) => row.createdAt,
            cell: (row) => <Time iso={row.createdAt} />,
          },
          { id: 'control', header: 'Control planes', cell: (row) => `${row.controlMin} to ${row.controlMax}` },
          { id: 'where', header: 'Where it is', cell: (row) => <Code className="wraps">{row.location}</Code> },
          {
            id: 'rollout',
            header: '',
            align: 'right',
            cell: (row) => (
              <Button
                size="compact-sm"
                variant="light"
                onClick={() => setRollingOut(row)}
                aria-label={`Roll ${row.version} out`}
              >
                Roll out
              </Button>
            ),
          },
        ]}
        rowId={({ id }) => id}
        minWidth={760}
        description="Signed by the control plane; agents run nothing else."
        actions={
          <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setPublishing(true)}>
            Publish release
          </Button>
        }
        empty={{
          icon: <IconPackage size={28} />,
          title: 'No releases',
          words: 'Agents run the program that they came with.',
        }}
      />
      <Stack component="section" aria-label="Rollouts">
        <Title order={2} size="h4">
          Rollouts
        </Title>
        <Rollouts client={client} versionOf={versionOf} />
      </Stack>
      {publishing && <PublishDialog client={client} onClose={() => setPublishing(false)} />}
      {rollingOut && <RolloutDialog client={client} release={rollingOut} onClose={() => setRollingOut(undefined)} />}
    </Stack>
  );
}
