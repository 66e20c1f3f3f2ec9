import { Button, Stack, Text } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import { useMutation } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { api, reloadSession, selectTenant } from '../../api/session.ts';
import { AnchorLink } from '../../ui/links.tsx';
import { notice } from '../../ui/notice.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { AccountFrame } from './account-frame.tsx';

const verifyRoute = getRouteApi('/verify-email');
const invitationRoute = getRouteApi('/inside/invitation');

/**
 * Proves an address by the link of a mail. By a button, not by opening the page: programs that look into mails open links,
 * and the token works once.
 */
export function VerifyEmailPage() {
  const { token = '' } = verifyRoute.useSearch();
  const verify = useMutation({ mutationFn: () => api.POST('/v1/auth/verify-email', { body: { token } }) });
  return (
    <AccountFrame title="Verify your e-mail address" footer={<AnchorLink to="/clusters">To your clusters</AnchorLink>}>
      <Stack>
        {verify.isSuccess && <Text role="status">Your address is verified.</Text>}
        {verify.error && <ErrorState error={verify.error} title="The address was not verified" />}
        {!verify.isSuccess && (
          <Button
            loading={verify.isPending}
            disabled={token === ''}
            onClick={() => verify.mutate()}
            fullWidth
            autoFocus
          >
            Verify
          </Button>
        )}
      </Stack>
    </AccountFrame>
  );
}

/** Joins a tenant by the link of a mail; the router has asked for a login first. */
export function InvitationPage() {
  const { token = '' } = invitationRoute.useSearch();
  const navigate = useNavigate();
  const accept = useMutation({
    mutationFn: () => bodyOf(api.POST('/v1/me/invitations/accept', { body: { token } })),
    onSuccess: async ({ tenantId }) => {
      await reloadSession();
      selectTenant(tenantId);
      notice('Welcome to the tenant');
      await navigate({ to: '/clusters' });
    },
  });
  return (
    <>
      <PageHeader title="You are invited" description="Join the tenant that invited this e-mail address." />
      <Stack align="flex-start">
        {accept.error && <ErrorState error={accept.error} title="You have not joined" />}
        <Button data-main-action loading={accept.isPending} disabled={token === ''} onClick={() => accept.mutate()}>
          Join
        </Button>
      </Stack>
    </>
  );
}
