import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf } from '@robustmq/client';
import { useMutation } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { AnchorLink } from '../../ui/links.tsx';
import { api, signIn } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ErrorState } from '../../ui/states.tsx';
import { AccountFrame } from './account-frame.tsx';

const route = getRouteApi('/login');

/** E-mail and password for a session. */
export function LoginPage() {
  const { next } = route.useSearch();
  const navigate = useNavigate();
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { email: '', password: '' },
    validate: {
      email: (value) => (value.includes('@') ? null : 'Enter your e-mail address'),
      password: (value) => (value === '' ? 'Enter your password' : null),
    },
  });
  const login = useMutation({
    mutationFn: (body: { email: string; password: string }) => bodyOf(api.POST('/v1/auth/login', { body })),
    onSuccess: (session) => {
      signIn(session);
      void navigate({ to: next ?? '/clusters' });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['email', 'password'])),
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
          {login.error && <ErrorState error={login.error} />}
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
          <Button type="submit" loading={login.isPending} fullWidth>
            Log in
          </Button>
        </Stack>
      </form>
    </AccountFrame>
  );
}
