import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { ApiError, bodyOf } from '@robustmq/client';
import { useMutation } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { AnchorLink } from '../../ui/links.tsx';
import { api, signIn } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ErrorState } from '../../ui/states.tsx';
import { AccountFrame } from './account-frame.tsx';

const route = getRouteApi('/login');

const wantsCode = (error: unknown): boolean => error instanceof ApiError && error.code === 'mfa-code-required';

/** E-mail, password and, where there is one, the second factor for a session. */
export function LoginPage() {
  const { next } = route.useSearch();
  const navigate = useNavigate();
  const [codeAsked, setCodeAsked] = useState(false);
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { email: '', password: '', code: '' },
    validate: {
      email: (value) => (value.includes('@') ? null : 'Enter your e-mail address'),
      password: (value) => (value === '' ? 'Enter your password' : null),
    },
  });
  const login = useMutation({
    mutationFn: ({ code, ...body }: { email: string; password: string; code: string }) =>
      bodyOf(api.POST('/v1/auth/login', { body: code.trim() === '' ? body : { ...body, code: code.trim() } })),
    onSuccess: (session) => {
      signIn(session);
      void navigate({ to: next ?? '/clusters', replace: true });
    },
    onError: (error) => {
      if (wantsCode(error)) setCodeAsked(true);
      form.setErrors(formErrorsOf(error, ['email', 'password', 'code']));
    },
  });
  return (
    <AccountFrame
      title="Log in"
      footer={
        <>
          New here?{' '}
          <AnchorLink to="/signup" search={next === undefined ? {} : { next }}>
            Create an account
          </AnchorLink>
        </>
      }
    >
      <form onSubmit={form.onSubmit((values) => login.mutate(values))} noValidate>
        <Stack>
          {login.error && !wantsCode(login.error) && <ErrorState error={login.error} />}
          <TextInput
            label="E-mail"
            type="email"
            autoComplete="username"
            autoFocus
            key={form.key('email')}
            {...form.getInputProps('email')}
          />
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            key={form.key('password')}
            {...form.getInputProps('password')}
          />
          {codeAsked && (
            <TextInput
              label="Code"
              description="Six digits of your authenticator, or a recovery code"
              autoComplete="one-time-code"
              autoFocus
              maxLength={40}
              key={form.key('code')}
              {...form.getInputProps('code')}
            />
          )}
          <Button type="submit" loading={login.isPending} fullWidth>
            Log in
          </Button>
          <AnchorLink to="/sso" search={next === undefined ? {} : { next }} size="sm" ta="center">
            Log in with your company’s account
          </AnchorLink>
          <AnchorLink to="/forgot-password" size="sm" ta="center">
            Forgotten your password?
          </AnchorLink>
        </Stack>
      </form>
    </AccountFrame>
  );
}
