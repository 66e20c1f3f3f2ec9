import { Button, PasswordInput, Stack } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { AnchorLink } from '../../ui/links.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { AccountFrame } from './account-frame.tsx';
import { newPasswordFault, PASSWORD_LENGTH_MIN } from './password.ts';

const route = getRouteApi('/reset-password');

/** Sets a new password by the link of a mail. */
export function ResetPasswordPage() {
  const { token = '' } = route.useSearch();
  const navigate = useNavigate();
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { password: '' },
    validate: { password: newPasswordFault },
  });
  const reset = useMutation({
    mutationFn: ({ password }: { password: string }) =>
      api.POST('/v1/auth/reset-password', { body: { token, password } }),
    onSuccess: () => {
      notice('Your password is new. Log in with it');
      void navigate({ to: '/login' });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['password'])),
  });
  return (
    <AccountFrame
      title="New password"
      footer={
        <>
          The link is too old? <AnchorLink to="/forgot-password">Ask for another</AnchorLink>
        </>
      }
    >
      <form onSubmit={form.onSubmit((values) => reset.mutate(values))} noValidate>
        <Stack>
          {reset.error && <ErrorState error={reset.error} title="The password was not changed" />}
          <PasswordInput
            label="New password"
            description={`At least ${PASSWORD_LENGTH_MIN} characters. All sessions are ended.`}
            autoComplete="new-password"
            autoFocus
            key={form.key('password')}
            {...form.getInputProps('password')}
          />
          <Button type="submit" loading={reset.isPending} disabled={token === ''} fullWidth>
            Set password
          </Button>
        </Stack>
      </form>
    </AccountFrame>
  );
}
