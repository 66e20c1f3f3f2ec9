import { Alert } from '@mantine/core';
import type { Subscription } from '@robustmq/client';
import { IconAlertTriangle } from '@tabler/icons-react';
import { AnchorLink } from '../../ui/links.tsx';
import { dayText } from './period.ts';

const WORDS: Record<Exclude<Subscription['standing'], 'good'>, { title: string; color: string; text: string }> = {
  past_due: {
    title: 'An invoice is past due',
    color: 'yellow',
    text: 'Nothing is restricted yet. Pay it, and this goes away within a minute.',
  },
  restricted: {
    title: 'New clusters are refused',
    color: 'orange',
    text: 'An invoice is long past due. What runs goes on; nothing can be added until it is paid.',
  },
  suspended: {
    title: 'The account is suspended',
    color: 'red',
    text: 'Clients are refused until the open invoice is paid. Your data is kept; service returns within a minute of the payment.',
  },
};

/** Says when the account does not stand well, and where it can be mended; nothing when it does. */
export function StandingAlert({ subscription }: { subscription: Subscription }) {
  const { standing, standingSince, testClock } = subscription;
  return (
    <>
      {testClock !== null && (
        <Alert color="blue" variant="light" mb="md" title="This is a billing sandbox">
          Its time stands at {dayText(testClock)} and moves only when the operator moves it.
        </Alert>
      )}
      {standing !== 'good' && (
        <Alert
          color={WORDS[standing].color}
          variant="light"
          mb="md"
          role="alert"
          icon={<IconAlertTriangle aria-hidden />}
          title={WORDS[standing].title}
        >
          {WORDS[standing].text} {standingSince !== null && <>Since {dayText(standingSince)}. </>}
          <AnchorLink to="/billing/invoices" inherit c="inherit" underline="always">
            See your invoices
          </AnchorLink>
        </Alert>
      )}
    </>
  );
}
