import {
  Button,
  Group,
  Modal,
  MultiSelect,
  SegmentedControl,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import { useForm, type UseFormReturnType } from '@mantine/form';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { AclRule } from '@robustmq/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { clusterPath } from '../../api/live.ts';
import { credentialsQuery } from '../../api/queries.ts';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import {
  ACTIONS,
  NEW_RULE,
  PATTERNS,
  PROTOCOLS,
  RESOURCES,
  ruleOf,
  ruleText,
  valuesOf,
  type RuleValues,
} from './acl-rule-form.ts';

const optionsOf = (labels: Record<string, string>) =>
  Object.entries(labels).map(([value, label]) => ({ value, label }));
const FIELDS = ['principal', 'pattern', 'actions', 'addresses'];

/** Where the rules of a cluster are cached. */
export const aclKey = (cluster: Cluster) => [cluster.tenantId, 'clusters', cluster.id, 'acl-rules'];

function useSaveRule(
  cluster: Cluster,
  id: string | undefined,
  form: UseFormReturnType<RuleValues>,
  onDone: () => void,
) {
  const queryClient = useQueryClient();
  const at = '/v1/tenants/{tenantId}/clusters/{clusterId}/acl-rules';
  return useMutation({
    mutationFn: (values: RuleValues) => {
      const body = ruleOf(values);
      const path = clusterPath(cluster);
      return id === undefined
        ? bodyOf(api.POST(at, { params: { path }, body }))
        : bodyOf(api.PUT(`${at}/{ruleId}`, { params: { path: { ...path, ruleId: id } }, body }));
    },
    onSuccess: async () => {
      notice(id === undefined ? 'Added a rule' : 'Changed the rule');
      onDone();
      await queryClient.invalidateQueries({ queryKey: aclKey(cluster) });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, FIELDS)),
  });
}

function RuleFields({ cluster, form }: { cluster: Cluster; form: UseFormReturnType<RuleValues> }) {
  const credentials = useQuery(credentialsQuery(cluster.tenantId, cluster.id));
  return (
    <>
      <SegmentedControl
        aria-label="Effect"
        data={[
          { value: 'allow', label: 'Allow' },
          { value: 'deny', label: 'Deny' },
        ]}
        {...form.getInputProps('effect')}
      />
      <TextInput
        label="Credential"
        description={`* is everybody. Yours: ${credentials.data?.map(({ name }) => name).join(', ') || 'none yet'}`}
        autoComplete="off"
        spellCheck={false}
        {...form.getInputProps('principal')}
      />
      <MultiSelect label="May" data={optionsOf(ACTIONS)} {...form.getInputProps('actions')} />
      <Group grow align="flex-start">
        <Select label="What" data={optionsOf(RESOURCES)} allowDeselect={false} {...form.getInputProps('resource')} />
        <Select
          label="Whose name"
          data={optionsOf(PATTERNS)}
          allowDeselect={false}
          {...form.getInputProps('patternType')}
        />
      </Group>
      <TextInput
        label="Name"
        description="{clientId} and {principal} stand for the client’s own"
        placeholder={form.values.patternType === 'filter' ? 'sensors/+/temperature' : 'sensors'}
        autoComplete="off"
        spellCheck={false}
        data-autofocus
        {...form.getInputProps('pattern')}
      />
      <MultiSelect
        label="Over"
        placeholder={form.values.protocols.length === 0 ? 'Every protocol' : ''}
        data={PROTOCOLS}
        {...form.getInputProps('protocols')}
      />
      <Textarea
        label="Only from"
        placeholder="10.0.0.0/8"
        description="Addresses or networks, one a line; empty = from anywhere"
        autosize
        minRows={1}
        {...form.getInputProps('addresses')}
      />
    </>
  );
}

interface RuleDialogProps {
  readonly cluster: Cluster;
  /** Absent = a new one. */
  readonly rule: AclRule | undefined;
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** Makes or changes a rule, and says as a sentence what it means. */
export function RuleDialog({ cluster, rule, opened, onClose }: RuleDialogProps) {
  const form = useForm<RuleValues>({
    initialValues: rule ? valuesOf(rule) : NEW_RULE,
    validate: {
      pattern: (value) => (value.trim() === '' ? 'Say which; * is all' : null),
      actions: (value) => (value.length === 0 ? 'Choose at least one' : null),
    },
  });
  const save = useSaveRule(cluster, rule?.id, form, onClose);
  return (
    <Modal opened={opened} onClose={onClose} title={rule ? 'Change rule' : 'Add rule'}>
      <form onSubmit={form.onSubmit((values) => save.mutate(values))} noValidate>
        <Stack>
          {save.error && <ErrorState error={save.error} />}
          <RuleFields cluster={cluster} form={form} />
          {form.values.pattern !== '' && form.values.actions.length > 0 && (
            <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              {ruleText(ruleOf(form.values))}
            </Text>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              {rule ? 'Save rule' : 'Add rule'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
