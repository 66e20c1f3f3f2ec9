import { ApiError, ConnectionError } from '@robustmq/client';

/** Exit codes scripts may rely on. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, denied: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected end of a command: a sentence saying what is wrong, and one saying what to do. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;

  constructor(exitCode: ExitCode, message: string, hint?: string) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

export const usageFailure = (message: string, hint?: string): Failure => new Failure(EXIT.usage, message, hint);

function hintOf(error: ApiError): string | undefined {
  if (error.code === 'invalid-login') return 'Check the e-mail address and the password.';
  if (error.code === 'mfa-code-required') return 'Log in again with --code and the six digits of your authenticator.';
  if (error.code === 'mfa-setup-required') return 'Set a second factor up in the portal: account, security.';
  if (error.code === 'step-up-required') return 'Prove your second factor again: robust-ctl step-up --code CODE';
  if (error.status === 401) return 'Log in again: robust-ctl login --email E --password P';
  if (error.status === 403) return 'Ask an owner or admin of the tenant for a role that may do this.';
  if (error.status === 429) {
    return error.retryAfterSeconds === undefined ? 'Try again later.' : `Try again in ${error.retryAfterSeconds} s.`;
  }
  return undefined;
}

const exitCodeOf = (status: number): ExitCode => {
  if (status === 401 || status === 403) return EXIT.denied;
  return status === 404 ? EXIT.notFound : EXIT.failed;
};

/** Any rejection of a command as a Failure with the words a person needs. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ApiError) {
    const fields = error.fieldErrors
      .map((field) => `\n  ${field.pointer.replace(/^\//, '')}: ${field.detail}`)
      .join('');
    const request = error.status >= 500 && error.requestId !== undefined ? ` (request ${error.requestId})` : '';
    return new Failure(exitCodeOf(error.status), `${error.message}${request}${fields}`, hintOf(error));
  }
  if (error instanceof ConnectionError) {
    return new Failure(
      EXIT.failed,
      `${error.message}.`,
      'Is the control plane running there? Choose another one with --server URL or ROBUSTMQ_URL.',
    );
  }
  return new Failure(EXIT.failed, error instanceof Error ? error.message : String(error));
}
