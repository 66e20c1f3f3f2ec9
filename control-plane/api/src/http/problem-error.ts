import { PROBLEM_STATUS, type ProblemCode } from '@robustmq/contracts';

export interface FieldError {
  /** JSON pointer into the body, or `?name` / `{name}` for query and path parameters. */
  readonly pointer: string;
  readonly detail: string;
}

/** What each code says when nothing more exact is known. */
const TITLES: Record<ProblemCode, string> = {
  'bad-request': 'The request cannot be understood',
  'validation-failed': 'The request has wrong values',
  unauthenticated: 'Sign in first',
  'invalid-login': 'The e-mail address or the password is wrong',
  'mfa-code-required': 'A code of your second factor is needed',
  'mfa-setup-required': 'The tenant asks for a second factor: set one up first',
  'step-up-required': 'Prove your second factor again for this',
  'sso-required': 'This tenant is entered through its identity provider',
  'sso-refused': 'The sign-in through the identity provider was refused',
  'billing-suspended': 'An invoice is unpaid',
  forbidden: 'Your role does not allow this',
  'not-found': 'There is no such thing',
  'method-not-allowed': 'The resource does not have this method',
  conflict: 'The state of the resource does not allow this',
  'name-taken': 'The name is taken',
  'idempotency-in-flight': 'A request with the same Idempotency-Key is being carried out',
  'idempotency-key-reused': 'The Idempotency-Key was used for another request',
  'quota-exceeded': 'A quota would be exceeded',
  'precondition-failed': 'The resource has changed',
  'precondition-required': 'The request must be conditional',
  'payload-too-large': 'The request is too large',
  'unsupported-media-type': 'The body must be application/json',
  'too-many-requests': 'Too many requests',
  internal: 'Something went wrong on our side',
  unavailable: 'The service is not available at the moment',
};

/** A refusal the caller gets as RFC 9457 problem. Its text is written for the caller and holds nothing internal. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly title: string;
  readonly detail: string | undefined;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    options: {
      readonly detail?: string;
      readonly errors?: readonly FieldError[];
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(options.detail ?? TITLES[code]);
    this.name = 'ProblemError';
    this.code = code;
    this.status = PROBLEM_STATUS[code];
    this.title = TITLES[code];
    this.detail = options.detail;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
  }
}

/** Absent and somebody else's answer the same. */
export const notFound = (): ProblemError => new ProblemError('not-found');
