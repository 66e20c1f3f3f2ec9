import { Button, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { signIn } from '../../api/session.ts';
import { AnchorLink } from '../../ui/links.tsx';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { AccountFrame } from './account-frame.tsx';
import { beginSsoSignIn, finishSsoSignIn } from './sso-sign-in.ts';

const beginRoute = getRouteApi('/sso');
const finishRoute = getRouteApi('/login/sso');

/** Logging in with the account of one's company: the address says which. */
export function SsoLoginPage() {
  const { next } = beginRoute.useSearch();
  const [email, setEmail] = useState('');
  const begin = useMutation({ mutationFn: () => beginSsoSignIn(email.trim(), next) });
  return (
    <AccountFrame
      title="Log in with your company"
      footer={
        <AnchorLink to="/login" search={next === undefined ? {} : { next }}>
          Use a password
        </AnchorLink>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          begin.mutate();
        }}
      >
        <Stack>
          {begin.error && <ErrorState error={begin.error} title="There is no way in by that address" />}
          <TextInput
            label="E-mail"
            description="Its domain says which identity provider is yours"
            type="email"
            autoComplete="username"
            autoFocus
            value={email}
            onChange={({ currentTarget }) => setEmail(currentTarget.value)}
          />
          <Button type="submit" fullWidth loading={begin.isPending || begin.isSuccess} disabled={!email.includes('@')}>
            Go on
          </Button>
        </Stack>
      </form>
    </AccountFrame>
  );
}

/** Where the identity provider sends the browser back to. */
export function SsoReturnPage() {
  const answer = finishRoute.useSearch();
  const navigate = useNavigate();
  const begun = useRef(false);
  const finish = useMutation({
    mutationFn: finishSsoSignIn,
    onSuccess: ({ session, next }) => {
      signIn(session);
      void navigate({ to: next ?? '/clusters', replace: true });
    },
  });
  const { mutate } = finish;
  useEffect(() => {
    // a code works once, and effects run twice while developing
    if (begun.current) return;
    begun.current = true;
    mutate(answer);
  }, [answer, mutate]);
  return (
    <AccountFrame title="Logging you in" footer={<AnchorLink to="/login">Back to the login</AnchorLink>}>
      {finish.error ? (
        <ErrorState error={finish.error} title="You are not logged in" />
      ) : (
        <Stack>
          <Text size="sm">Your identity provider answered; one moment.</Text>
          <LoadingState rows={1} />
        </Stack>
      )}
    </AccountFrame>
  );
}
