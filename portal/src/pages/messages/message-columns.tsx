import { Code, UnstyledButton } from '@mantine/core';
import type { LiveItem } from '@robustmq/contracts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { Time } from '../../ui/time.tsx';
import { bytesText } from '../clusters/quantity.ts';
import { previewOf } from './payload.ts';

/** A message as the API shows it: retained, or owed to a session. */
export type ShownMessage = LiveItem<'retained'>;

/** Inboxes hold the same topic many times; there is no number to tell messages apart by. */
export const messageId = (message: ShownMessage): string =>
  `${message.topic}\n${message.timestamp}\n${message.sizeBytes}\n${message.value.slice(0, 64)}`;

/** Topic, beginning, size and time; the topic opens the message. */
export const messageColumns = (show: (message: ShownMessage) => void): readonly DataColumn<ShownMessage>[] => [
  {
    id: 'topic',
    header: 'Topic',
    sortBy: (message) => message.topic,
    cell: (message) => (
      <UnstyledButton onClick={() => show(message)} aria-label={`View message of ${message.topic}`}>
        <Code style={{ textDecoration: 'underline', overflowWrap: 'anywhere' }}>{message.topic}</Code>
      </UnstyledButton>
    ),
  },
  {
    id: 'value',
    header: 'Message',
    cell: (message) => (
      <span style={{ fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 'var(--mantine-font-size-xs)' }}>
        {previewOf(message.value, message.sizeBytes)}
      </span>
    ),
  },
  { id: 'qos', header: 'QoS', align: 'right', sortBy: (message) => message.qos, cell: (message) => message.qos },
  {
    id: 'size',
    header: 'Size',
    align: 'right',
    sortBy: (message) => message.sizeBytes,
    cell: (message) => bytesText(message.sizeBytes),
  },
  {
    id: 'time',
    header: 'Published',
    sortBy: (message) => message.timestamp,
    cell: (message) => <Time iso={message.timestamp} />,
  },
];
