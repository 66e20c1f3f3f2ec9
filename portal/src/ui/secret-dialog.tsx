import { Alert, Button, Group, Modal, Stack } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { CopyField } from './copy-field.tsx';

interface SecretDialogProps {
  readonly opened: boolean;
  readonly title: string;
  readonly warning: string;
  readonly fields: readonly { label: string; value: string }[];
  readonly onClose: () => void;
}

/** Shows a secret the one time it can be seen. A stray click or key does not close it. */
export function SecretDialog({ opened, title, warning, fields, onClose }: SecretDialogProps) {
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={title}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack>
        <Alert color="yellow" variant="light" icon={<IconAlertTriangle aria-hidden />}>
          {warning}
        </Alert>
        {fields.map((field) => (
          <CopyField key={field.label} label={field.label} value={field.value} />
        ))}
        <Group justify="flex-end">
          <Button onClick={onClose} data-autofocus>
            I have saved it
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
