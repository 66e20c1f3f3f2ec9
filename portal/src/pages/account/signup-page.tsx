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
import { newPasswordFault, PASSWORD_LENGTH_MIN } from './password.ts';

const route = getRouteApi('/signup');

/** A person, their tenant, and a session. */
export function SignupPage() {
  const { next } = route.useSearch();
  const navigate = useNavigate();
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { tenantName: '', email: '', password: '' },
    validate: {
      tenantName: (value) => (value.trim() === '' ? 'Enter a name' : null),
      email: (value) => (/^\S+@\S+$/.test(value) ? null : 'Enter your e-mail address'),
      password: newPasswordFault,
    },
  });
  const signup = useMutation({
    mutationFn: (body: { tenantName: string; email: string; password: string }) =>
      bodyOf(api.POST('/v1/auth/signup', { body })),
    onSuccess: (session) => {
      signIn(session);
      void navigate({ to: next ?? '/clusters', replace: true });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['tenantName', 'email', 'password'])),
  });
  return (
    <AccountFrame
      title="Create your account"
      footer={
        <>
          You have an account?{' '}
          <AnchorLink to="/login" search={next === undefined ? {} : { next }}>
            Log in
          </AnchorLink>
        </>
      }
    >
      <form onSubmit={form.onSubmit((values) => signup.mutate(values))} noValidate>
        <Stack>
          {signup.error && <ErrorState error={signup.error} />}
          <TextInput
            label="Company or team"
            description="The tenant that owns your clusters and is billed for them"
            autoComplete="organization"
            autoFocus
            maxLength={80}
            key={form.key('tenantName')}
            {...form.getInputProps('tenantName')}
          />
          <TextInput
            label="E-mail"
            type="email"
            autoComplete="username"
            key={form.key('email')}
            {...form.getInputProps('email')}
          />
          <PasswordInput
            label="Password"
            description={`At least ${PASSWORD_LENGTH_MIN} characters`}
            autoComplete="new-password"
            key={form.key('password')}
            {...form.getInputProps('password')}
          />
          <Button type="submit" loading={signup.isPending} fullWidth>
            Create account
          </Button>
        </Stack>
      </form>
    </AccountFrame>
  );
}
