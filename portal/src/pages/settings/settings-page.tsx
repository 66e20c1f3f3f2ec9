import {
  Alert,
  Badge,
  Button,
  Code,
  Group,
  NumberInput,
  Paper,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Textarea,
  Title,
} from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { Settings } from '@robustmq/contracts';
import { IconInfoCircle } from '@tabler/icons-react';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { ApplyDialog, settingsKey } from './apply-dialog.tsx';
import { SettingPages } from './setting-pages.tsx';
import {
  nameOf,
  SECTIONS,
  settingsErrors,
  settingsPatch,
  settingsValues,
  type SettingsField,
  type SettingsSection,
  type SettingsValues,
} from './settings-fields.ts';

const PENDING_POLL_MS = 1_000;

/** The settings in force; read again until the node applies them. */
export const settingsQuery = (cluster: Cluster) =>
  queryOptions({
    queryKey: settingsKey(cluster),
    queryFn: async () =>
      (await bodyOf(
        api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/settings', { params: { path: clusterPath(cluster) } }),
      )) as Settings,
    refetchInterval: ({ state }) => (state.data?.applied === false ? PENDING_POLL_MS : false),
  });

interface FieldProps {
  readonly field: SettingsField;
  readonly value: string | number | boolean;
  readonly error: string | undefined;
  readonly disabled: boolean;
  readonly onChange: (value: string | number | boolean) => void;
}

function Field({ field, value, error, disabled, onChange }: FieldProps) {
  const common = {
    label: field.label,
    disabled,
    ...(field.description === undefined ? {} : { description: field.description }),
  };
  if (field.kind === 'switch') {
    return (
      <Switch
        {...common}
        mt="xs"
        checked={value === true}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
      />
    );
  }
  if (field.kind === 'choice') {
    const data = Object.entries(field.options).map(([option, label]) => ({ value: option, label }));
    return (
      <Select
        {...common}
        data={data}
        value={String(value)}
        onChange={(next) => next && onChange(next)}
        allowDeselect={false}
      />
    );
  }
  return (
    <NumberInput
      {...common}
      min={field.min}
      {...(field.max === undefined ? {} : { max: field.max })}
      clampBehavior="none"
      hideControls
      allowDecimal={false}
      value={value as number | string}
      onChange={onChange}
      error={error}
    />
  );
}

interface SectionProps {
  readonly section: SettingsSection;
  readonly values: SettingsValues;
  readonly errors: Readonly<Record<string, string>>;
  readonly disabled: boolean;
  readonly onChange: (values: SettingsValues) => void;
}

function Section({ section, values, errors, disabled, onChange }: SectionProps) {
  return (
    <Paper p="lg" component="section" aria-label={section.title}>
      <Title order={2} size="h4" mb="md">
        {section.title}
      </Title>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        {section.fields.map((field) => {
          const name = nameOf(field);
          return (
            <Field
              key={name}
              field={field}
              value={values.fields[name] ?? ''}
              error={errors[name]}
              disabled={disabled}
              onChange={(value) => onChange({ ...values, fields: { ...values.fields, [name]: value } })}
            />
          );
        })}
      </SimpleGrid>
    </Paper>
  );
}

/** Lists, a line for each entry. */
function Lists({ values, errors, disabled, onChange }: Omit<SectionProps, 'section'>) {
  const common = { autosize: true, minRows: 2, maxRows: 12, disabled, spellCheck: false };
  return (
    <Paper p="lg" component="section" aria-label="MQTT topics">
      <Title order={2} size="h4" mb="md">
        MQTT topics
      </Title>
      <Stack>
        <Textarea
          {...common}
          label="Subscriptions every session gets"
          description="A line for each: the filter and its QoS. {clientId} and {username} stand for the client’s own."
          placeholder="commands/{clientId} 1"
          value={values.autoSubscribe}
          error={errors['autoSubscribe']}
          onChange={({ currentTarget }) => onChange({ ...values, autoSubscribe: currentTarget.value })}
        />
        <Textarea
          {...common}
          label="Topic rewrites"
          description="A line for each: publish, subscribe or all; the filter; what it becomes. {1} is what its first wildcard matched."
          placeholder="all old/+/data new/{1}"
          value={values.rewrite}
          error={errors['rewrite']}
          onChange={({ currentTarget }) => onChange({ ...values, rewrite: currentTarget.value })}
        />
      </Stack>
    </Paper>
  );
}

function SettingsForm({ cluster, settings }: { cluster: Cluster; settings: Settings }) {
  const mayChange = usePermitted('settings:write');
  const [values, setValues] = useState(() => settingsValues(settings.settings));
  const [applying, setApplying] = useState(false);
  const errors = settingsErrors(values);
  const patch = settingsPatch(settings.settings, values);
  const unchanged = Object.keys(patch).length === 0;
  const shared = { values, errors, disabled: !mayChange, onChange: setValues };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (Object.keys(errors).length === 0) setApplying(true);
      }}
    >
      <Stack gap="lg">
        {SECTIONS.map((section) => (
          <Section key={section.title} section={section} {...shared} />
        ))}
        <Lists {...shared} />
        {mayChange && (
          <Group justify="flex-end">
            <Button variant="default" disabled={unchanged} onClick={() => setValues(settingsValues(settings.settings))}>
              Undo my changes
            </Button>
            <Button type="submit" disabled={unchanged || Object.keys(errors).length > 0}>
              Review changes
            </Button>
          </Group>
        )}
      </Stack>
      <ApplyDialog
        cluster={cluster}
        opened={applying}
        title="Apply these changes?"
        action="Apply changes"
        write={(dryRun) =>
          bodyOf(
            api.PATCH('/v1/tenants/{tenantId}/clusters/{clusterId}/settings', {
              params: {
                path: clusterPath(cluster),
                query: { dry_run: dryRun },
                header: { 'If-Match': `"${settings.revision}"` },
              },
              body: patch,
            }),
          )
        }
        onClose={() => setApplying(false)}
      />
    </form>
  );
}

/** How the cluster behaves towards MQTT and Kafka clients. */
export function SettingsPage() {
  const cluster = useCluster();
  const settings = useQuery(settingsQuery(cluster));
  return (
    <>
      <SettingPages cluster={cluster} />
      {settings.isPending && <LoadingState />}
      {settings.error && <ErrorState mb="md" error={settings.error} retry={() => void settings.refetch()} />}
      {settings.data && (
        <Stack>
          <Group gap="sm">
            <Text c="dimmed">
              Revision <Code>{settings.data.revision}</Code>
            </Text>
            <Badge variant="light" tt="none" radius="sm" color={settings.data.applied ? 'teal' : 'blue'} role="status">
              {settings.data.applied ? 'Applied' : 'On its way'}
            </Badge>
          </Group>
          {settings.data.revision === 0 && (
            <Alert color="blue" variant="light" icon={<IconInfoCircle aria-hidden />}>
              These are the defaults. Every change makes a revision that can be looked at and taken back.
            </Alert>
          )}
          <SettingsForm key={settings.data.revision} cluster={cluster} settings={settings.data} />
        </Stack>
      )}
    </>
  );
}
