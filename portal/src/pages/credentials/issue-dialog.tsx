import { Alert, Button, Group, Modal, Select, Stack, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster } from '@robustmq/client';
import { CredentialName, type IssuedCertificate } from '@robustmq/contracts';
import { IconAlertTriangle, IconDownload } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { clusterPath } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { saveFile } from '../../ui/save-file.ts';
import { ErrorState } from '../../ui/states.tsx';

/** A certificate as it is answered once, with its key where it was made here. */
export type Issued = IssuedCertificate;

const PEM = 'application/x-pem-file';
const LIFETIMES = [
  { value: '30', label: '30 days' },
  { value: '365', label: 'A year' },
  { value: '825', label: '825 days' },
];

interface IssueDialogProps {
  readonly cluster: Cluster;
  readonly onClose: () => void;
  readonly onIssued: (issued: Issued) => void;
}

/** Issues a certificate: with a key made here, or for a request whose key stays where it is. */
export function IssueDialog({ cluster, onClose, onIssued }: IssueDialogProps) {
  const form = useForm({
    initialValues: { name: '', days: '365', csrPem: '' },
    validate: {
      name: (value) => CredentialName.safeParse(value).error?.issues[0]?.message ?? null,
      csrPem: (value) =>
        value.trim() === '' || value.includes('-----BEGIN CERTIFICATE REQUEST-----') ? null : 'Paste a request in PEM',
    },
  });
  const issue = useMutation({
    mutationFn: async ({ name, days, csrPem }: typeof form.values): Promise<Issued> =>
      (await bodyOf(
        api.POST('/v1/tenants/{tenantId}/clusters/{clusterId}/certificates', {
          params: { path: clusterPath(cluster) },
          body: { name, days: Number(days), ...(csrPem.trim() === '' ? {} : { csrPem: csrPem.trim() }) },
        }),
      )) as Issued,
    onSuccess: onIssued,
    onError: (error) => form.setErrors(formErrorsOf(error, ['name', 'days', 'csrPem'])),
  });
  return (
    <Modal opened onClose={onClose} title="Issue certificate">
      <form onSubmit={form.onSubmit((values) => issue.mutate(values))} noValidate>
        <Stack>
          {issue.error && <ErrorState error={issue.error} />}
          <TextInput
            label="Name"
            description="The client’s name for ACL rules"
            placeholder="device-17"
            data-autofocus
            autoComplete="off"
            spellCheck={false}
            {...form.getInputProps('name')}
          />
          <Select label="Good for" data={LIFETIMES} allowDeselect={false} {...form.getInputProps('days')} />
          <Textarea
            label="Certificate request"
            description="PKCS #10 in PEM, if the key is to stay on the device; empty = a key is made here"
            autosize
            minRows={2}
            maxRows={10}
            spellCheck={false}
            {...form.getInputProps('csrPem')}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={issue.isPending}>
              Issue certificate
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** The files of a new certificate; its key is shown this once, so only a button closes the dialog. */
export function IssuedDialog({ issued, onClose }: { issued: Issued; onClose: () => void }) {
  const { name, certificatePem, authorityPem, privateKeyPem } = issued;
  const files = [
    { label: 'Certificate', file: `${name}.cert.pem`, text: certificatePem },
    ...(privateKeyPem === undefined ? [] : [{ label: 'Private key', file: `${name}.key.pem`, text: privateKeyPem }]),
    { label: 'The cluster’s authority', file: 'authority.cert.pem', text: authorityPem },
  ];
  return (
    <Modal
      opened
      onClose={onClose}
      title={`Certificate of ${name}`}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack>
        {privateKeyPem !== undefined && (
          <Alert color="yellow" variant="light" icon={<IconAlertTriangle aria-hidden />}>
            The private key is given this once. Download it now; nobody can read it again.
          </Alert>
        )}
        {files.map(({ label, file, text }) => (
          <Button
            key={file}
            variant="default"
            justify="space-between"
            rightSection={<IconDownload size={16} aria-hidden />}
            onClick={() => saveFile(file, PEM, text)}
          >
            {label}
          </Button>
        ))}
        <Group justify="flex-end">
          <Button onClick={onClose} data-autofocus>
            I have saved it
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
