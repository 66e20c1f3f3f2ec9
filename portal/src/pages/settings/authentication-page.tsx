import {
  Button,
  Group,
  MultiSelect,
  NumberInput,
  Paper,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { Settings } from '@robustmq/contracts';
import { useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { clusterPath } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { ApplyDialog } from './apply-dialog.tsx';
import { ALGORITHMS, authErrors, authPatch, authValues, type AuthValues } from './auth-form.ts';
import { SettingPages } from './setting-pages.tsx';
import { settingsQuery } from './settings-page.tsx';

interface WayProps {
  readonly values: AuthValues;
  readonly errors: Readonly<Record<string, string>>;
  readonly disabled: boolean;
  readonly onChange: (values: AuthValues) => void;
}

interface FrameProps {
  readonly title: string;
  readonly words: string;
  readonly label: string;
  readonly on: boolean;
  readonly disabled: boolean;
  readonly onSwitch: (on: boolean) => void;
  readonly children?: ReactNode;
}

/** One way to prove who one is: off and on, and its fields while it is on. */
function Way({ title, words, label, on, disabled, onSwitch, children }: FrameProps) {
  return (
    <Paper p="lg" component="section" aria-label={title}>
      <Title order={2} size="h4" mb={4}>
        {title}
      </Title>
      <Text size="sm" c="dimmed" mb="md" maw="44rem">
        {words}
      </Text>
      <Stack>
        <Switch
          label={label}
          checked={on}
          disabled={disabled}
          onChange={({ currentTarget }) => onSwitch(currentTarget.checked)}
        />
        {on && children}
      </Stack>
    </Paper>
  );
}

const typed = { autoComplete: 'off', spellCheck: false };

function Tokens({ values, errors, disabled, onChange }: WayProps) {
  const { jwt } = values;
  const change = (part: Partial<AuthValues['jwt']>) => onChange({ ...values, jwt: { ...jwt, ...part } });
  const text = (name: 'issuer' | 'audience' | 'principalClaim' | 'aclClaim') => ({
    ...typed,
    disabled,
    value: jwt[name],
    error: errors[`jwt.${name}`],
    onChange: ({ currentTarget }: { currentTarget: HTMLInputElement }) => change({ [name]: currentTarget.value }),
  });
  return (
    <Way
      title="Tokens (JWT)"
      words="MQTT clients send the token as their password, Kafka clients by OAUTHBEARER. It is checked on the node with the keys given here."
      label="Accept tokens"
      {...{ on: jwt.on, disabled, onSwitch: (on) => change({ on }) }}
    >
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <TextInput label="Issuer" placeholder="Any" {...text('issuer')} />
        <TextInput label="Audience" placeholder="Any" {...text('audience')} />
        <TextInput label="Claim that names the client" {...text('principalClaim')} />
        <TextInput label="Claim with its rights" placeholder="acl" {...text('aclClaim')} />
      </SimpleGrid>
      <MultiSelect
        label="Signatures"
        data={[...ALGORITHMS]}
        value={jwt.algorithms}
        error={errors['jwt.algorithms']}
        disabled={disabled}
        onChange={(algorithms) => change({ algorithms })}
      />
      <Textarea
        label="Keys"
        description="A JWK set, as the issuer publishes it"
        placeholder='{"keys": [{"kty": "RSA", "kid": "1", "n": "…", "e": "AQAB"}]}'
        autosize
        minRows={4}
        maxRows={16}
        spellCheck={false}
        disabled={disabled}
        value={jwt.keys}
        error={errors['jwt.keys']}
        onChange={({ currentTarget }) => change({ keys: currentTarget.value })}
      />
    </Way>
  );
}

function Certificates({ values, errors, disabled, onChange }: WayProps) {
  const { x509 } = values;
  const change = (part: Partial<AuthValues['x509']>) => onChange({ ...values, x509: { ...x509, ...part } });
  const area = { autosize: true, maxRows: 12, spellCheck: false, disabled };
  return (
    <Way
      title="Client certificates"
      words="Over TLS, a certificate below one of your authorities is enough; its name is the credential’s."
      label="Accept certificates"
      {...{ on: x509.on, disabled, onSwitch: (on) => change({ on }) }}
    >
      <Textarea
        {...area}
        label="Authorities"
        description="Certificates in PEM, one after the other"
        minRows={4}
        value={x509.authoritiesPem}
        error={errors['x509.authoritiesPem']}
        onChange={({ currentTarget }) => change({ authoritiesPem: currentTarget.value })}
      />
      <Select
        label="The client’s name is"
        data={[
          { value: 'common-name', label: 'The common name of the subject' },
          { value: 'dns-name', label: 'The first DNS name' },
        ]}
        value={x509.principalFrom}
        onChange={(value) => change({ principalFrom: value === 'dns-name' ? 'dns-name' : 'common-name' })}
        allowDeselect={false}
        disabled={disabled}
        maw="24rem"
      />
      <Textarea
        {...area}
        label="Revoked"
        description="Serial numbers, hexadecimal, one a line: their connections are cut"
        minRows={2}
        value={x509.revokedSerials}
        error={errors['x509.revokedSerials']}
        onChange={({ currentTarget }) => change({ revokedSerials: currentTarget.value })}
      />
    </Way>
  );
}

function Callback({ values, errors, disabled, onChange }: WayProps) {
  const { http } = values;
  const change = (part: Partial<AuthValues['http']>) => onChange({ ...values, http: { ...http, ...part } });
  const number = (name: 'timeoutMs' | 'allowCacheSeconds' | 'denyCacheSeconds') => ({
    ...{ disabled, hideControls: true, allowDecimal: false, clampBehavior: 'none' as const },
    value: http[name],
    error: errors[`http.${name}`],
    onChange: (value: number | string) => change({ [name]: value }),
  });
  return (
    <Way
      title="Your own service (HTTP)"
      words="Asked by POST about user names that no credential has. It answers 204, or JSON with result allow or deny."
      label="Ask your service"
      {...{ on: http.on, disabled, onSwitch: (on) => change({ on }) }}
    >
      <TextInput
        label="Address"
        placeholder="https://auth.example.com/mqtt"
        {...typed}
        disabled={disabled}
        value={http.url}
        error={errors['http.url']}
        onChange={({ currentTarget }) => change({ url: currentTarget.value })}
      />
      <Textarea
        label="Headers it is asked with"
        description="One a line, name: value. Whoever may see the settings sees them."
        autosize
        minRows={2}
        spellCheck={false}
        disabled={disabled}
        value={http.headers}
        error={errors['http.headers']}
        onChange={({ currentTarget }) => change({ headers: currentTarget.value })}
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <NumberInput label="Waits at most, milliseconds" {...number('timeoutMs')} />
        <NumberInput label="Remembers a yes, seconds" {...number('allowCacheSeconds')} />
        <NumberInput label="Remembers a no, seconds" {...number('denyCacheSeconds')} />
        <Select
          label="While it does not answer"
          data={[
            { value: 'deny', label: 'Nobody is let in' },
            { value: 'last-answer', label: 'Whoever it let in in the last day' },
          ]}
          value={http.whenUnavailable}
          onChange={(value) => change({ whenUnavailable: value === 'last-answer' ? 'last-answer' : 'deny' })}
          allowDeselect={false}
          disabled={disabled}
        />
      </SimpleGrid>
    </Way>
  );
}

function AuthForm({ cluster, settings }: { cluster: Cluster; settings: Settings }) {
  const mayChange = usePermitted('settings:write');
  const { authentication } = settings.settings;
  const [values, setValues] = useState(() => authValues(authentication));
  const [applying, setApplying] = useState(false);
  const errors = authErrors(values);
  const faulty = Object.keys(errors).length > 0;
  const patch = faulty ? {} : authPatch(authentication, values);
  const unchanged = !faulty && Object.keys(patch).length === 0;
  const shared = { values, errors, disabled: !mayChange, onChange: setValues };
  const path = clusterPath(cluster);
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!faulty) setApplying(true);
      }}
    >
      <Stack gap="lg">
        <Way
          title="Nobody in particular"
          words="MQTT clients may connect without a name and password. ACL rules for everybody hold for them."
          label="Let clients in without a credential"
          on={values.anonymous}
          disabled={!mayChange}
          onSwitch={(anonymous) => setValues({ ...values, anonymous })}
        />
        <Tokens {...shared} />
        <Certificates {...shared} />
        <Callback {...shared} />
        {mayChange && (
          <Group justify="flex-end">
            <Button variant="default" disabled={unchanged} onClick={() => setValues(authValues(authentication))}>
              Undo my changes
            </Button>
            <Button type="submit" disabled={unchanged || faulty}>
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
              params: { path, query: { dry_run: dryRun }, header: { 'If-Match': `"${settings.revision}"` } },
              body: patch,
            }),
          )
        }
        onClose={() => setApplying(false)}
      />
    </form>
  );
}

/** Ways to prove who one is besides the credentials’ passwords. */
export function AuthenticationPage() {
  const cluster = useCluster();
  const settings = useQuery(settingsQuery(cluster));
  return (
    <>
      <SettingPages cluster={cluster} />
      <Text c="dimmed" mb="md">
        Credentials with passwords always work. These are ways in besides them.
      </Text>
      {settings.isPending && <LoadingState />}
      {settings.error && <ErrorState mb="md" error={settings.error} retry={() => void settings.refetch()} />}
      {settings.data && <AuthForm key={settings.data.revision} cluster={cluster} settings={settings.data} />}
    </>
  );
}
