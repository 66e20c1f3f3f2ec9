import { StoreError, type StoreErrorCode } from '../store-error.ts';

/** Where the name node is, and who we are. */
export interface HdfsSettings {
  /** Address of the name node's (or an HttpFS gateway's) HTTP server, e.g. `http://namenode:9870`. */
  readonly endpoint: string;
  /** Absolute folder in HDFS in which everything is kept, e.g. `/robustmq`. */
  readonly directory: string;
  /** `user.name` of each request, where security is off. */
  readonly user: string;
  /** Delegation token where security is on; then no `user.name` is sent. */
  readonly delegationToken?: string;
  /** A request that got no answer for so long is made again. Default 60 s. */
  readonly requestTimeoutMs?: number;
}

export const HDFS_REQUEST_TIMEOUT_MS = 60_000;
/** What a name node may say at most (a directory's listing): 64 MiB. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export interface HdfsStatus {
  readonly pathSuffix: string;
  readonly type: 'FILE' | 'DIRECTORY' | 'SYMLINK';
  readonly length: number;
  /** Milliseconds since the epoch. */
  readonly modificationTime: number;
}

interface RemoteException {
  readonly exception: string;
  readonly message: string;
}

/**
 * The WebHDFS REST API (Hadoop's "WebHDFS REST API" document), one method per operation used. Data goes the documented
 * two steps: the name node answers 307 with the data node's address, and only that request carries the bytes; an HttpFS
 * gateway that serves it itself is fine. Failures are StoreErrors by the RemoteException they carry.
 */
export class WebHdfs {
  readonly #settings: HdfsSettings;
  constructor(settings: HdfsSettings) {
    this.#settings = settings;
  }

  /** CREATE: writes a whole file; fails with `io` when it exists. */
  async create(path: string, bytes: Buffer, signal?: AbortSignal): Promise<void> {
    const first = await this.#send(path, 'PUT', { op: 'CREATE', overwrite: 'false' }, { signal });
    const location = await this.#location(path, first);
    const second = await this.#fetch(path, location, 'PUT', { signal, body: bytes });
    await this.#expect(path, second, 201);
  }
  /** OPEN: at most `length` bytes from `offset`; empty when the file ends there. `object-missing` when it is absent. */
  async open(path: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const query = { op: 'OPEN', offset: String(offset), length: String(length) };
    const first = await this.#send(path, 'GET', query, { signal });
    let answer = first;
    try {
      if (first.status !== 200) {
        answer = await this.#fetch(path, await this.#location(path, first), 'GET', { signal });
        if (answer.status !== 200) await this.#expect(path, answer, 200);
      }
    } catch (error) {
      // A name node refuses to open at or behind the end: IOException "Offset=… out of the range [0, …)".
      if (error instanceof StoreError && error.code === 'offset-out-of-range') return Buffer.alloc(0);
      throw error;
    }
    return this.#bytes(path, answer, length);
  }
  /** LISTSTATUS: what is in a directory; empty when it is absent. */
  async list(path: string): Promise<readonly HdfsStatus[]> {
    const answer = await this.#send(path, 'GET', { op: 'LISTSTATUS' });
    if (answer.status === 404) {
      await answer.body?.cancel();
      return [];
    }
    const body = await this.#json<{ FileStatuses?: { FileStatus?: HdfsStatus[] } }>(path, answer);
    return body.FileStatuses?.FileStatus ?? [];
  }
  /** GETFILESTATUS; null when the path is absent. */
  async status(path: string): Promise<HdfsStatus | null> {
    const answer = await this.#send(path, 'GET', { op: 'GETFILESTATUS' });
    if (answer.status === 404) {
      await answer.body?.cancel();
      return null;
    }
    return (await this.#json<{ FileStatus?: HdfsStatus }>(path, answer)).FileStatus ?? null;
  }
  /** MKDIRS, with all that is missing on the way. */
  async makeDirectories(path: string): Promise<void> {
    await this.#boolean(path, await this.#send(path, 'PUT', { op: 'MKDIRS' }));
  }
  /** RENAME: false when the target exists, or its directory or the source does not. One step of the name node's. */
  async rename(from: string, to: string): Promise<boolean> {
    return this.#boolean(from, await this.#send(from, 'PUT', { op: 'RENAME', destination: this.#absolute(to) }));
  }
  /**
   * RENAME that takes the place of an existing file in one step, as Hadoop's own client asks for it
   * (`FileContext.rename` with `Options.Rename.OVERWRITE`). A gateway that does not know the option answers as for the
   * plain operation, and refuses an existing target: `io`.
   */
  async replace(from: string, to: string): Promise<void> {
    const query = { op: 'RENAME', destination: this.#absolute(to), renameoptions: 'OVERWRITE' };
    const answer = await this.#send(from, 'PUT', query);
    if (answer.status !== 200) await this.#expect(from, answer, 200);
    const said = (await this.#bytes(from, answer, ANSWER_BYTES_MAX)).toString();
    if (/"boolean"\s*:\s*false/.test(said)) throw new StoreError('io', `${from}: the server replaces no files`);
  }
  /** DELETE of a file or an empty directory; false when it is absent or holds something. */
  async remove(path: string): Promise<boolean> {
    const answer = await this.#send(path, 'DELETE', { op: 'DELETE', recursive: 'false' });
    try {
      return await this.#boolean(path, answer);
    } catch (error) {
      if (error instanceof StoreError && error.where.includes('PathIsNotEmptyDirectoryException')) return false;
      throw error;
    }
  }

  #absolute(path: string): string {
    return path === '' ? this.#settings.directory : `${this.#settings.directory}/${path}`;
  }
  #send(path: string, method: string, query: Record<string, string>, options: RequestOptions = {}): Promise<Response> {
    const url = new URL(this.#settings.endpoint);
    const encoded = this.#absolute(path).split('/').map(encodeURIComponent).join('/');
    url.pathname = `/webhdfs/v1${encoded}`;
    const { user, delegationToken } = this.#settings;
    const who = delegationToken === undefined ? { 'user.name': user } : { delegation: delegationToken };
    url.search = new URLSearchParams({ ...query, ...who }).toString();
    return this.#fetch(path, url, method, options);
  }
  async #fetch(path: string, url: URL, method: string, options: RequestOptions): Promise<Response> {
    const timeout = AbortSignal.timeout(this.#settings.requestTimeoutMs ?? HDFS_REQUEST_TIMEOUT_MS);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
    // Redirects are followed by hand: the first request must not carry the bytes.
    const request: RequestInit = { method, redirect: 'manual', signal };
    if (options.body !== undefined) {
      request.body = new Uint8Array(options.body);
      request.headers = { 'content-type': 'application/octet-stream' };
    }
    try {
      return await fetch(url, request);
    } catch (error) {
      throw broken(path, error, options.signal);
    }
  }
  async #location(path: string, answer: Response): Promise<URL> {
    const location = answer.headers.get('location');
    if (answer.status !== 307 || location === null) await this.#expect(path, answer, 307);
    await answer.body?.cancel();
    if (location === null || !URL.canParse(location)) throw new StoreError('io', `${path}: no place to go on`);
    const url = new URL(location);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new StoreError('io', `${path}: ${url.protocol}`);
    return url;
  }
  async #boolean(path: string, answer: Response): Promise<boolean> {
    return (await this.#json<{ boolean?: boolean }>(path, answer)).boolean === true;
  }
  async #json<T>(path: string, answer: Response): Promise<T> {
    if (answer.status !== 200) await this.#expect(path, answer, 200);
    const bytes = await this.#bytes(path, answer, ANSWER_BYTES_MAX);
    try {
      return JSON.parse(bytes.toString()) as T;
    } catch (error) {
      throw new StoreError('io', `${path}: an answer that is no JSON`, { cause: error });
    }
  }
  async #bytes(path: string, answer: Response, max: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let size = 0;
    try {
      for await (const part of answer.body ?? []) {
        parts.push(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
        size += part.byteLength;
        if (size > max) throw new StoreError('io', `${path}: more than was asked for`);
      }
    } catch (error) {
      throw broken(path, error);
    }
    const announced = answer.headers.get('content-length');
    if (announced !== null && Number(announced) !== size) throw new StoreError('object-unavailable', path);
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
  /** Throws what the answer says unless it has the status. */
  async #expect(path: string, answer: Response, status: number): Promise<void> {
    if (answer.status === status) {
      await answer.body?.cancel();
      return;
    }
    const text = (await this.#bytes(path, answer, ANSWER_BYTES_MAX)).toString();
    throw toHdfsError(path, answer.status, text);
  }
}

interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly body?: Buffer;
}

const BY_EXCEPTION: Readonly<Record<string, StoreErrorCode>> = {
  FileNotFoundException: 'object-missing',
  AccessControlException: 'object-denied',
  SecurityException: 'object-denied',
  AuthenticationException: 'object-denied',
  InvalidToken: 'object-denied',
  StandbyException: 'object-unavailable',
  RetriableException: 'object-unavailable',
  SafeModeException: 'object-unavailable',
  ServerTooBusyException: 'object-throttled',
  DSQuotaExceededException: 'disk-full',
  NSQuotaExceededException: 'disk-full',
  QuotaExceededException: 'disk-full',
};

/** A WebHDFS failure as ours, by its RemoteException, else by its HTTP status. */
export function toHdfsError(path: string, status: number, body: string): StoreError {
  const { exception, message } = remoteException(body);
  const said = exception === '' ? String(status) : `${status} ${exception}`;
  if (/^Offset=.* out of the range/.test(message)) return new StoreError('offset-out-of-range', `${path}: ${said}`);
  return new StoreError(BY_EXCEPTION[exception] ?? byStatus(status), `${path}: ${said}`);
}

function remoteException(body: string): RemoteException {
  try {
    const parsed = JSON.parse(body) as { RemoteException?: Partial<RemoteException> };
    const { exception = '', message = '' } = parsed.RemoteException ?? {};
    return { exception: String(exception), message: String(message) };
  } catch {
    return { exception: '', message: '' };
  }
}

function byStatus(status: number): StoreErrorCode {
  if (status === 404) return 'object-missing';
  if (status === 401) return 'object-denied';
  if (status === 429 || status === 503) return 'object-throttled';
  return status >= 500 ? 'object-unavailable' : 'io';
}

function broken(path: string, error: unknown, signal?: AbortSignal): StoreError {
  if (error instanceof StoreError) return error;
  if (signal?.aborted === true) return new StoreError('aborted', path, { cause: error });
  const cause = (error as { cause?: { code?: unknown } } | null)?.cause?.code;
  return new StoreError('object-unavailable', `${path}: ${String(cause ?? (error as Error).name)}`, { cause: error });
}
