import { Button, Group, Modal, Select, Stack, Text } from '@mantine/core';
import { bodyOf, type ApiKey, type ApiKeyCreated } from '@robustmq/client';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/session.ts';
import { ErrorState } from '../../ui/states.tsx';

const OVERLAPS = [
  { value: '0', label: 'Not at all' },
  { value: '3600', label: 'One hour' },
  { value: '86400', label: 'One day' },
  { value: '604800', label: 'Seven days' },
];

interface RotateDialogProps {
  /** The key that gets a new secret; undefined = closed. */
  readonly apiKey: ApiKey | undefined;
  readonly tenantId: string;
  readonly onClose: () => void;
  readonly onRotated: (key: ApiKeyCreated) => void;
}

/** Gives a key a new secret; the one before works on for a while, so that nothing stops meanwhile. */
export function RotateDialog({ apiKey, tenantId, onClose, onRotated }: RotateDialogProps) {
  const [overlap, setOverlap] = useState('3600');
  const rotate = useMutation({
    mutationFn: ({ id }: ApiKey) =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/api-keys/{apiKeyId}/rotate', {
          params: { path: { tenantId, apiKeyId: id } },
          body: { overlapSeconds: Number(overlap) },
        }),
      ),
    onSuccess: onRotated,
  });
  const close = () => {
    rotate.reset();
    onClose();
  };
  return (
    <Modal opened={apiKey !== undefined} onClose={close} title={`Rotate API key ${apiKey?.name ?? ''}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (apiKey) rotate.mutate(apiKey);
        }}
      >
        <Stack>
          {rotate.error && <ErrorState error={rotate.error} />}
          <Text size="sm">The key gets a new secret, which is shown once.</Text>
          <Select
            label="The old secret works on for"
            data={OVERLAPS}
            value={overlap}
            onChange={(value) => setOverlap(value ?? '3600')}
            allowDeselect={false}
            data-autofocus
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={rotate.isPending}>
              Rotate
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
