import { Code, Group, SegmentedControl, Stack, Text } from '@mantine/core';
import { useMemo, useState } from 'react';
import { CopyButton } from '../../ui/copy-button.tsx';
import { bytesText } from '../clusters/quantity.ts';
import { bytesOfBase64, formatOf, payloadText, type PayloadFormat } from './payload.ts';

const FORMATS = [
  { value: 'json', label: 'JSON' },
  { value: 'text', label: 'Text' },
  { value: 'hex', label: 'Hex' },
];

/** Bytes to look at, in a format that can be changed. `sizeBytes` is all of it; the API may have sent only its beginning. */
export function PayloadView({ label, base64, sizeBytes }: { label: string; base64: string; sizeBytes: number }) {
  const bytes = useMemo(() => bytesOfBase64(base64), [base64]);
  const cut = bytes.length < sizeBytes;
  const [chosen, setChosen] = useState<PayloadFormat>();
  const format = chosen ?? formatOf(bytes, cut);
  const text = payloadText(bytes, format);
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Text size="sm" fw={600}>
          {label}
        </Text>
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            aria-label={`Show ${label.toLowerCase()} as`}
            data={FORMATS}
            value={format}
            onChange={(value) => setChosen(value as PayloadFormat)}
          />
          <CopyButton value={text} label={`Copy ${label.toLowerCase()}`} />
        </Group>
      </Group>
      <Code
        block
        mah={320}
        tabIndex={0}
        aria-label={label}
        style={{ overflow: 'auto', ...(format === 'hex' ? {} : { whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }) }}
      >
        {text}
      </Code>
      {cut && (
        <Text size="xs" c="dimmed">
          The first {bytesText(bytes.length)} of {bytesText(sizeBytes)}.
        </Text>
      )}
    </Stack>
  );
}

/** Names and values below a payload: user properties, headers. */
export function NamedValues({ label, values }: { label: string; values: readonly (readonly [string, string])[] }) {
  if (values.length === 0) return null;
  return (
    <Stack gap={4} component="section" aria-label={label}>
      <Text size="sm" fw={600}>
        {label}
      </Text>
      {values.map(([name, value], index) => (
        <Text key={`${index} ${name}`} size="sm" style={{ overflowWrap: 'anywhere' }}>
          <Code>{name}</Code> {value}
        </Text>
      ))}
    </Stack>
  );
}
