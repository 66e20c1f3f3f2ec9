import { Alert, Button, Code, Group, Modal, Paper, Stack, Text, TextInput, Title } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { meQuery } from '../../api/people.ts';
import { api } from '../../api/session.ts';
import { CopyButton } from '../../ui/copy-button.tsx';
import { CopyField } from '../../ui/copy-field.tsx';
import { notice } from '../../ui/notice.ts';
import { QrImage } from '../../ui/qr-image.tsx';
import { saveFile } from '../../ui/save-file.ts';
import { ErrorState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';

interface CodeFormProps {
  readonly action: string;
  readonly description: string;
  readonly color?: string;
  readonly pending: boolean;
  readonly error: unknown;
  readonly onCode: (code: string) => void;
}

function CodeForm({ action, description, color, pending, error, onCode }: CodeFormProps) {
  const [code, setCode] = useState('');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onCode(code.trim());
      }}
    >
      <Stack>
        {error !== null && <ErrorState error={error} title="That code was not right" />}
        <TextInput
          label="Code"
          description={description}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
          autoComplete="one-time-code"
          maxLength={40}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button type="submit" loading={pending} disabled={code.trim().length < 6} {...(color ? { color } : {})}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function RecoveryCodes({ codes, onDone }: { codes: readonly string[]; onDone: () => void }) {
  const text = `${codes.join('\n')}\n`;
  return (
    <Stack>
      <Alert color="yellow" variant="light" title="Save these recovery codes">
        Each works once, instead of your authenticator. They are shown this once.
      </Alert>
      <Code block tabIndex={0} aria-label="Recovery codes">
        {text}
      </Code>
      <Group justify="space-between">
        <Group gap="xs">
          <CopyButton text value={text} label="Copy recovery codes" />
          <Button
            size="xs"
            variant="default"
            onClick={() => saveFile('robustmq-recovery-codes.txt', 'text/plain;charset=utf-8', text)}
          >
            Download
          </Button>
        </Group>
        <Button onClick={onDone}>I have saved them</Button>
      </Group>
    </Stack>
  );
}

function EnrolDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const queryClient = useQueryClient();
  const start = useMutation({ mutationFn: () => bodyOf(api.POST('/v1/me/mfa')) });
  const confirm = useMutation({
    mutationFn: (code: string) => bodyOf(api.POST('/v1/me/mfa/confirm', { body: { code } })),
  });
  const codes = confirm.data?.recoveryCodes;
  const close = () => {
    onClose();
    start.reset();
    confirm.reset();
    void queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
  };
  let content: ReactNode;
  if (codes) content = <RecoveryCodes codes={codes} onDone={close} />;
  else if (start.data) {
    content = (
      <Stack>
        <Text size="sm">Scan this with your authenticator app, or type the key into it:</Text>
        <QrImage text={start.data.uri} label="QR code of the key" />
        <CopyField label="Key" value={start.data.secret} />
        <CodeForm
          action="Turn on"
          description="The six digits that it shows"
          pending={confirm.isPending}
          error={confirm.error}
          onCode={(code) => confirm.mutate(code)}
        />
      </Stack>
    );
  } else {
    content = (
      <Stack>
        {start.error && <ErrorState error={start.error} />}
        <Text size="sm">
          You need an authenticator app that makes six-digit codes. From then on, a login asks for one, and so do
          dangerous actions.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button loading={start.isPending} onClick={() => start.mutate()} data-autofocus>
            Show the key
          </Button>
        </Group>
      </Stack>
    );
  }
  return (
    <Modal
      opened={opened}
      onClose={close}
      title="Set up a second factor"
      closeOnClickOutside={false}
      closeOnEscape={!codes}
      withCloseButton={!codes}
    >
      {content}
    </Modal>
  );
}

function DisableDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const queryClient = useQueryClient();
  const disable = useMutation({
    mutationFn: (code: string) => api.POST('/v1/me/mfa/disable', { body: { code } }),
    onSuccess: () => {
      notice('The second factor is off');
      onClose();
      void queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
    },
  });
  return (
    <Modal opened={opened} onClose={onClose} title="Turn the second factor off?">
      <CodeForm
        action="Turn off"
        color="red"
        description="Six digits of your authenticator, or a recovery code"
        pending={disable.isPending}
        error={disable.error}
        onCode={(code) => disable.mutate(code)}
      />
    </Modal>
  );
}

/** The second factor: on or off, and the way to the other. */
export function SecondFactor({ on }: { on: boolean }) {
  const [dialog, setDialog] = useState<'enrol' | 'disable'>();
  return (
    <Paper p="lg" component="section" aria-label="Second factor">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          Second factor
        </Title>
        <Tag color={on ? 'teal' : 'gray'}>{on ? 'On' : 'Off'}</Tag>
      </Group>
      <Text size="sm" mb="md">
        {on
          ? 'A login asks for a code of your authenticator besides the password.'
          : 'A code of an authenticator app besides the password. Some tenants demand it.'}
      </Text>
      {on ? (
        <Button variant="default" onClick={() => setDialog('disable')}>
          Turn off
        </Button>
      ) : (
        <Button onClick={() => setDialog('enrol')}>Set up</Button>
      )}
      <EnrolDialog opened={dialog === 'enrol'} onClose={() => setDialog(undefined)} />
      <DisableDialog opened={dialog === 'disable'} onClose={() => setDialog(undefined)} />
    </Paper>
  );
}
