import { Button, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { undo } from '../api/undo.ts';
import { notice } from './notice.ts';
import { wordsOf } from './states.tsx';

/** Long enough to read it and to reach the button by keyboard. */
const SHOWN_MS = 12_000;

async function takeBack(operationId: string): Promise<void> {
  notifications.hide(operationId);
  try {
    await undo(operationId);
    notice('Taken back');
  } catch (error) {
    const { title, detail } = wordsOf(error);
    notifications.show({ color: 'red', title: 'It was not taken back', message: detail || title, role: 'alert' });
  }
}

/** Says in a corner that something was done, and offers to take it back. */
export function undoNotice(message: string, operationId: string): void {
  notifications.show({
    id: operationId,
    role: 'status',
    autoClose: SHOWN_MS,
    message: (
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {message}
        </Text>
        <Button size="compact-sm" variant="light" onClick={() => void takeBack(operationId)}>
          Undo
        </Button>
      </Group>
    ),
  });
}
