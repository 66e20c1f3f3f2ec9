/** One refused field of a request: a JSON pointer into the body or query, and a sentence for people. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** What the server said, as far as it could be read (RFC 9457). */
export interface ProblemAnswer {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail?: string | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  readonly requestId?: string | undefined;
  /** Seconds of the `Retry-After` header. */
  readonly retryAfterSeconds?: number | undefined;
}

/** The server answered, and refused. `message` is the detail, or the title where there is none. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** A code of `PROBLEM_STATUS`, or `http-<status>` when something else than the API answered. */
  readonly code: string;
  readonly title: string;
  readonly detail: string | undefined;
  readonly fieldErrors: readonly FieldError[];
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(problem: ProblemAnswer) {
    super(problem.detail ?? problem.title);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.fieldErrors = problem.errors ?? [];
    this.requestId = problem.requestId;
    this.retryAfterSeconds = problem.retryAfterSeconds;
  }
}

/** No answer at all: refused, unreachable, or later than the timeout. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly baseUrl: string;
  readonly timedOut: boolean;

  constructor(baseUrl: string, timedOut: boolean, cause: unknown) {
    super(timedOut ? `${baseUrl} did not answer in time` : `${baseUrl} cannot be reached`, { cause });
    this.baseUrl = baseUrl;
    this.timedOut = timedOut;
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

function fieldErrorsOf(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    const { pointer, detail } = (entry ?? {}) as Record<string, unknown>;
    return typeof pointer === 'string' && typeof detail === 'string' ? [{ pointer, detail }] : [];
  });
}

/** Makes an ApiError of any refusal, be it a problem document or a proxy's page. Reads the body. */
export async function apiErrorOf(response: Response): Promise<ApiError> {
  const body = await response.text().catch(() => '');
  let json: Record<string, unknown> = {};
  try {
    json = (JSON.parse(body) ?? {}) as Record<string, unknown>;
  } catch {
    // Something between us and the API answered; its status is all we know.
  }
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ApiError({
    status: response.status,
    code: text(json['code']) ?? `http-${response.status}`,
    title: text(json['title']) ?? (response.statusText || `The server answered ${response.status}`),
    detail: text(json['detail']),
    errors: fieldErrorsOf(json['errors']),
    requestId: text(json['requestId']) ?? response.headers.get('x-request-id') ?? undefined,
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
  });
}
