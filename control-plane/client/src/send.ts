import { apiErrorOf, ConnectionError } from './api-error.ts';
import { SessionRefresher, type Authentication } from './tokens.ts';

/** What the sender needs of its surroundings; tests replace fetch and sleep. */
export interface SendOptions {
  readonly baseUrl: string;
  readonly authentication: Authentication;
  /** Longest wait for one answer. */
  readonly timeoutMs: number;
  /** Further tries of a request that is safe to repeat. */
  readonly retriesMax: number;
  readonly fetch: (request: Request) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly headers: Readonly<Record<string, string>>;
}

const IDEMPOTENCY_KEY = 'idempotency-key';
const FIRST_BACKOFF_MS = 200;
/** A longer Retry-After is handed to the caller instead of waited for. */
const RETRY_AFTER_SECONDS_MAX = 5;

/** Paths that need no token and must not be repeated blindly: a refresh token works once. */
const isPublic = (request: Request): boolean => /\/v1\/auth\/[a-z-]+$/.test(new URL(request.url).pathname);

const randomKey = (): string => {
  // `crypto.randomUUID` exists only in secure contexts; a portal on plain HTTP is none.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
};

async function once(request: Request, options: SendOptions): Promise<Response> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  try {
    return await options.fetch(new Request(request.clone(), { signal: AbortSignal.any([request.signal, timeout]) }));
  } catch (error) {
    // The caller's own abort is not a fault of the server.
    if (request.signal.aborted) throw error;
    throw new ConnectionError(options.baseUrl, timeout.aborted, error);
  }
}

/** Milliseconds to wait before trying again, or undefined when the answer is final. */
function backoffMs(response: Response, attempt: number): number | undefined {
  if (response.status === 429 || response.status === 503) {
    const seconds = Number(response.headers.get('retry-after') ?? 0);
    if (seconds > RETRY_AFTER_SECONDS_MAX) return undefined;
    return seconds > 0 ? seconds * 1000 : FIRST_BACKOFF_MS * 2 ** attempt;
  }
  return response.status === 502 || response.status === 504 ? FIRST_BACKOFF_MS * 2 ** attempt : undefined;
}

async function withRetries(request: Request, options: SendOptions): Promise<Response> {
  const repeatable = !isPublic(request);
  for (let attempt = 0; ; attempt++) {
    const last = !repeatable || attempt >= options.retriesMax;
    try {
      const response = await once(request, options);
      const waitMs = last ? undefined : backoffMs(response, attempt);
      if (waitMs === undefined) return response;
      await response.body?.cancel();
      await options.sleep(waitMs);
    } catch (error) {
      if (last || !(error instanceof ConnectionError)) throw error;
      await options.sleep(FIRST_BACKOFF_MS * 2 ** attempt);
    }
  }
}

function refresherOf(options: SendOptions): SessionRefresher | undefined {
  if (options.authentication.kind !== 'session') return undefined;
  return new SessionRefresher(options.authentication.store, (refreshToken) =>
    once(
      new Request(`${options.baseUrl}/v1/auth/refresh`, {
        method: 'POST',
        headers: { ...options.headers, 'content-type': 'application/json' },
        body: JSON.stringify({ refreshToken }),
      }),
      options,
    ),
  );
}

/**
 * A fetch that signs requests, refreshes an expired session once, repeats what may be repeated (every POST carries an
 * Idempotency-Key, so creating something twice is impossible), and rejects with ApiError or ConnectionError.
 */
export function createSend(options: SendOptions): (request: Request) => Promise<Response> {
  const refresher = refresherOf(options);
  const { authentication } = options;
  return async (request) => {
    for (const [name, value] of Object.entries(options.headers)) request.headers.set(name, value);
    if (isPublic(request)) return refused(await withRetries(request, options));
    if (request.method === 'POST' && !request.headers.has(IDEMPOTENCY_KEY)) {
      request.headers.set(IDEMPOTENCY_KEY, randomKey());
    }
    const token = authentication.kind === 'api-key' ? authentication.key : await refresher?.accessToken();
    if (token !== undefined) request.headers.set('authorization', `Bearer ${token}`);
    const response = await withRetries(request, options);
    if (response.status !== 401 || !refresher || token === undefined) return refused(response);
    const renewed = await refresher.renew(token);
    if (renewed === undefined) return refused(response);
    await response.body?.cancel();
    request.headers.set('authorization', `Bearer ${renewed}`);
    return refused(await withRetries(request, options));
  };
}

async function refused(response: Response): Promise<Response> {
  if (!response.ok) throw await apiErrorOf(response);
  return response;
}
