import { Code, Group, Text } from '@mantine/core';
import { CopyButton } from './copy-button.tsx';

/** A labelled value with a button that copies it. */
export function CopyField({ label, value }: { label: string; value: string }) {
  return (
    <div role="group" aria-label={label}>
      <Text size="sm" fw={500} mb={4}>
        {label}
      </Text>
      <Group gap="xs" wrap="nowrap">
        <Code
          block
          style={{ flex: 1, minWidth: 0, overflowX: 'auto', whiteSpace: 'nowrap' }}
          py={8}
          fz="sm"
          tabIndex={0}
        >
          {value}
        </Code>
        <CopyButton value={value} label={`Copy ${label}`} />
      </Group>
    </div>
  );
}
