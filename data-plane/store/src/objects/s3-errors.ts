import { StoreError, type StoreErrorCode } from '../store-error.ts';

/** What S3 servers say, by the code in their answer; the HTTP status decides for all others. */
const BY_NAME: Readonly<Record<string, StoreErrorCode>> = {
  NoSuchKey: 'object-missing',
  NotFound: 'object-missing',
  NoSuchBucket: 'bad-config',
  InvalidBucketName: 'bad-config',
  PermanentRedirect: 'bad-config',
  AuthorizationHeaderMalformed: 'bad-config',
  AccessDenied: 'object-denied',
  AccountProblem: 'object-denied',
  ExpiredToken: 'object-denied',
  InvalidAccessKeyId: 'object-denied',
  InvalidToken: 'object-denied',
  RequestTimeTooSkewed: 'object-denied',
  SignatureDoesNotMatch: 'object-denied',
  CredentialsProviderError: 'object-denied',
  SlowDown: 'object-throttled',
  Throttling: 'object-throttled',
  ThrottlingException: 'object-throttled',
  RequestLimitExceeded: 'object-throttled',
  TooManyRequests: 'object-throttled',
  RequestTimeout: 'object-unavailable',
  OperationAborted: 'object-unavailable',
  // AWS answers so when conditional puts meet; it asks for the request again.
  ConditionalRequestConflict: 'object-unavailable',
  TimeoutError: 'object-unavailable',
  AbortError: 'aborted',
  QuotaExceeded: 'disk-full',
};

/** HTTP status of a failed request; 0 when there was no answer. */
export function s3Status(error: unknown): number {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode ?? 0;
}

/** The server's, or the SDK's, error as ours. Never carries headers: they may hold signatures. */
export function toS3Error(where: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const name = error instanceof Error ? error.name : String(error);
  const status = s3Status(error);
  const said =
    status === 0 ? `${name} ${String((error as { code?: unknown } | null)?.code ?? '')}` : `${status} ${name}`;
  return new StoreError(BY_NAME[name] ?? byStatus(status), `${where}: ${said.trimEnd()}`, { cause: error });
}

function byStatus(status: number): StoreErrorCode {
  if (status === 404) return 'object-missing';
  if (status === 401 || status === 403) return 'object-denied';
  if (status === 429 || status === 503) return 'object-throttled';
  if (status === 507) return 'disk-full';
  // No answer at all is a connection refused, reset or timed out.
  return status === 0 || status >= 500 || status === 408 ? 'object-unavailable' : 'io';
}
