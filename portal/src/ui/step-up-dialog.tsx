import { Alert, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState, useSyncExternalStore } from 'react';
import type { CodePrompt } from '../api/step-up.ts';

interface Open {
  readonly wrong: boolean;
  readonly answer: (code: string | undefined) => void;
}

let open: Open | undefined;
const listeners = new Set<() => void>();
function change(next: Open | undefined): void {
  open = next;
  for (const listener of listeners) listener();
}

/** Opens the dialog and waits for the code. A second action that asks meanwhile ends the first question. */
export const askForCode: CodePrompt = (wrong) =>
  new Promise((resolve) => {
    open?.answer(undefined);
    change({ wrong, answer: resolve });
  });

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Asks for the second factor before a dangerous action; stands once, in the shell. */
export function StepUpDialog() {
  const asked = useSyncExternalStore(subscribe, () => open);
  const [code, setCode] = useState('');
  const end = (given: string | undefined) => {
    const { answer } = asked ?? {};
    setCode('');
    change(undefined);
    answer?.(given);
  };
  return (
    <Modal opened={asked !== undefined} onClose={() => end(undefined)} title="Confirm that it is you" zIndex={400}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          end(code.trim());
        }}
      >
        <Stack>
          <Text size="sm">This action asks for your second factor again.</Text>
          {asked?.wrong && (
            <Alert color="red" variant="light" role="alert">
              That code was not right.
            </Alert>
          )}
          <TextInput
            label="Code"
            description="Six digits of your authenticator, or a recovery code"
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            inputMode="text"
            autoComplete="one-time-code"
            data-autofocus
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={() => end(undefined)}>
              Cancel
            </Button>
            <Button type="submit" disabled={code.trim().length < 6}>
              Confirm
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
