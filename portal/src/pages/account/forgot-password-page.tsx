import { Button, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { AnchorLink } from '../../ui/links.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { AccountFrame } from './account-frame.tsx';

/** Asks for the mail with which a forgotten password is replaced. */
export function ForgotPasswordPage() {
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { email: '' },
    validate: { email: (value) => (/^\S+@\S+$/.test(value) ? null : 'Enter your e-mail address') },
  });
  const ask = useMutation({
    mutationFn: (body: { email: string }) => api.POST('/v1/auth/forgot-password', { body }),
    onError: (error) => form.setErrors(formErrorsOf(error, ['email'])),
  });
  return (
    <AccountFrame title="Forgotten password" footer={<AnchorLink to="/login">Back to the login</AnchorLink>}>
      {ask.isSuccess ? (
        <Text role="status">
          If somebody has that address, a mail with a link is on its way. It works for one hour.
        </Text>
      ) : (
        <form onSubmit={form.onSubmit((values) => ask.mutate(values))} noValidate>
          <Stack>
            {ask.error && <ErrorState error={ask.error} />}
            <TextInput
              label="E-mail"
              type="email"
              autoComplete="username"
              autoFocus
              key={form.key('email')}
              {...form.getInputProps('email')}
            />
            <Button type="submit" loading={ask.isPending} fullWidth>
              Send me a link
            </Button>
          </Stack>
        </form>
      )}
    </AccountFrame>
  );
}
