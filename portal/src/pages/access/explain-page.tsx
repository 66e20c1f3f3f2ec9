import { Alert, Button, Code, Group, Paper, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { AclAction, Explanation } from '@robustmq/contracts';
import { IconCircleCheck, IconForbid } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { clusterPath } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { credentialsQuery } from '../../api/queries.ts';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ErrorState } from '../../ui/states.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { AccessPages } from './access-pages.tsx';
import { ACTIONS, PROTOCOLS, RESOURCES, ruleText } from './acl-rule-form.ts';

const FIELDS = ['principal', 'name', 'clientId', 'remoteAddress'];
type Protocol = (typeof PROTOCOLS)[number]['value'];

interface Question {
  principal: string;
  action: AclAction;
  resource: keyof typeof RESOURCES;
  name: string;
  protocol: Protocol;
  clientId: string;
  remoteAddress: string;
}

const optionsOf = (labels: Record<string, string>) =>
  Object.entries(labels).map(([value, label]) => ({ value, label }));

function Answer({ answer }: { answer: Explanation }) {
  const { allowed, rule, ruleId } = answer;
  const byDefault = ruleId === null;
  return (
    <Alert
      role="status"
      variant="light"
      color={allowed ? 'teal' : 'red'}
      icon={allowed ? <IconCircleCheck aria-hidden /> : <IconForbid aria-hidden />}
      title={allowed ? 'It may' : 'It may not'}
    >
      {rule !== null && <>The rule that decides: {ruleText(rule)}</>}
      {rule === null && byDefault && (
        <>
          No rule matches, and where none does, this cluster{' '}
          {answer.whenNoRuleMatches === 'allow' ? 'allows' : 'denies'}.
        </>
      )}
      {rule === null && !byDefault && (
        <>
          A rule that was removed meanwhile decided: <Code>{ruleId}</Code>
        </>
      )}
    </Alert>
  );
}

function Form({ cluster }: { cluster: Cluster }) {
  const credentials = useQuery(credentialsQuery(cluster.tenantId, cluster.id));
  const ask = useMutation({
    mutationFn: (values: Question) =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/explain', {
          params: { path: clusterPath(cluster), query: values },
        }),
      ),
    onError: (error) => form.setErrors(formErrorsOf(error, FIELDS)),
  });
  const form = useForm<Question>({
    initialValues: {
      ...{ principal: '', action: 'read', resource: 'topic', name: '', protocol: 'mqtt' },
      ...{ clientId: '', remoteAddress: '' },
    },
    validate: {
      principal: (value) => (value.trim() === '' ? 'Say who' : null),
      name: (value) => (value.trim() === '' ? 'Say on what' : null),
    },
    onValuesChange: () => ask.reset(),
  });
  const names = credentials.data?.map(({ name }) => name).join(', ');
  const typed = { autoComplete: 'off', spellCheck: false, w: { base: '100%', sm: 240 } };
  return (
    <Stack>
      <Paper p="lg" component="section" aria-label="Question">
        <form onSubmit={form.onSubmit((values) => ask.mutate(values))} noValidate>
          <Stack>
            <Group align="flex-start">
              <TextInput
                label="May credential"
                placeholder={names ?? ''}
                {...typed}
                {...form.getInputProps('principal')}
              />
              <Select
                label="Do"
                data={optionsOf(ACTIONS).filter(({ value }) => value !== 'all')}
                allowDeselect={false}
                {...form.getInputProps('action')}
              />
              <Select
                label="On"
                data={optionsOf(RESOURCES)}
                allowDeselect={false}
                {...form.getInputProps('resource')}
              />
              <TextInput label="Name" placeholder="sensors/1/temperature" {...typed} {...form.getInputProps('name')} />
            </Group>
            <Group align="flex-start">
              <Select label="Over" data={PROTOCOLS} allowDeselect={false} {...form.getInputProps('protocol')} />
              <TextInput label="With client id" placeholder="Any" {...typed} {...form.getInputProps('clientId')} />
              <TextInput
                label="From address"
                placeholder="Not known"
                {...typed}
                {...form.getInputProps('remoteAddress')}
              />
            </Group>
            <Group>
              <Button type="submit" loading={ask.isPending}>
                Ask the node
              </Button>
            </Group>
          </Stack>
        </form>
      </Paper>
      {ask.error && <ErrorState error={ask.error} />}
      {ask.data && <Answer answer={ask.data as Explanation} />}
    </Stack>
  );
}

/** Which rule decides whether somebody may do something, as the node itself would. */
export function ExplainPage() {
  const cluster = useCluster();
  const mayAsk = usePermitted('settings:read');
  return (
    <>
      <AccessPages cluster={cluster} />
      <Text c="dimmed" mb="md">
        The node answers as it would for a client, with the rules that it has now.
      </Text>
      {mayAsk ? <Form cluster={cluster} /> : <Text c="dimmed">Your role does not let you ask.</Text>}
    </>
  );
}
