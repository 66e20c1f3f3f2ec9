import { Modal, Stack, Text } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { Time } from '../../ui/time.tsx';
import { bytesText } from '../clusters/quantity.ts';
import type { ShownMessage } from './message-columns.tsx';
import { NamedValues, PayloadView } from './payload-view.tsx';

/** A message on its own: `show(message)` opens `dialog`, which is to be put on the page. */
export function useMessageDialog(): { show: (message: ShownMessage) => void; dialog: ReactNode } {
  const [message, setMessage] = useState<ShownMessage>();
  const [opened, setOpened] = useState(false);
  const dialog = (
    <Modal opened={opened} onClose={() => setOpened(false)} title={message?.topic ?? ''} size="lg">
      {message && (
        <Stack>
          <Text size="sm" c="dimmed">
            QoS {message.qos}
            {message.retain ? ', retained' : ''}, {bytesText(message.sizeBytes)}, <Time iso={message.timestamp} />
          </Text>
          <PayloadView label="Message" base64={message.value} sizeBytes={message.sizeBytes} />
          <NamedValues label="Properties" values={Object.entries(message.properties)} />
        </Stack>
      )}
    </Modal>
  );
  return {
    dialog,
    show: (shown) => {
      setMessage(shown);
      setOpened(true);
    },
  };
}
