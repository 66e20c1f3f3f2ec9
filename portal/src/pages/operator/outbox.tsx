import { Button, Modal, Text } from '@mantine/core';
import { IconMail } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import type { OperatorClient } from './operator-client.ts';

interface Mail {
  readonly id: string;
  readonly kind: string;
  readonly address: string;
  readonly subject: string;
  readonly attempts: number;
  readonly text: string;
  readonly createdAt: string;
  readonly sentAt: string | null;
}

const REFRESH_MS = 5_000;

/** Mails to people, newest first: where no SMTP server is set, this is how they are read. */
export function Outbox({ client }: { client: OperatorClient }) {
  const [shown, setShown] = useState<Mail>();
  const mails = useQuery({
    queryKey: ['operator', 'mails'],
    queryFn: async () => (await client.get<{ items: Mail[] }>('mails')).items,
    refetchInterval: REFRESH_MS,
    gcTime: 0,
  });
  return (
    <>
      <ListPage
        label="Mails"
        list={wholeList(mails)}
        columns={[
          {
            id: 'at',
            header: 'Written',
            sortBy: (mail) => mail.createdAt,
            cell: (mail) => <Time iso={mail.createdAt} />,
          },
          { id: 'to', header: 'To', sortBy: (mail) => mail.address, cell: (mail) => mail.address },
          { id: 'subject', header: 'Subject', cell: (mail) => mail.subject },
          {
            id: 'state',
            header: 'State',
            cell: (mail) =>
              mail.sentAt === null ? (
                <Tag color="gray">{mail.attempts === 0 ? 'Not sent' : `Tried ${mail.attempts} times`}</Tag>
              ) : (
                <Tag color="teal">Sent</Tag>
              ),
          },
          {
            id: 'read',
            header: '',
            align: 'right',
            cell: (mail) => (
              <Button
                size="compact-sm"
                variant="subtle"
                onClick={() => setShown(mail)}
                aria-label={`Read ${mail.subject} to ${mail.address}`}
              >
                Read
              </Button>
            ),
          },
        ]}
        rowId={({ id }) => id}
        minWidth={760}
        description="What people are written to. Without an SMTP server nothing is sent, and this is where it is read."
        empty={{
          icon: <IconMail size={28} />,
          title: 'No mails yet',
          words: 'Verifications, new passwords, invitations, budgets and reminders appear here.',
        }}
      />
      <Modal opened={shown !== undefined} onClose={() => setShown(undefined)} title={shown?.subject ?? ''} size="lg">
        <Text size="sm" c="dimmed" mb="sm">
          To {shown?.address}
        </Text>
        <Text size="sm" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
          {shown?.text}
        </Text>
      </Modal>
    </>
  );
}
