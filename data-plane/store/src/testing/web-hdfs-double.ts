import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is done to one request in place of, or after, serving it. */
export type HdfsFault =
  | { readonly kind: 'answer'; readonly status: number; readonly exception: string }
  | { readonly kind: 'drop' }
  | { readonly kind: 'lose-answer' }
  | { readonly kind: 'cut-body' };

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer;
}

/** A failure as WebHDFS reports it; the status follows from the exception as Hadoop's ExceptionHandler maps it. */
class Remote extends Error {
  readonly exception: string;
  constructor(exception: string, message: string) {
    super(message);
    this.exception = exception;
  }
  get answer(): Answer {
    const status = this.exception === 'FileNotFoundException' ? 404 : (STATUS[this.exception] ?? 403);
    const { exception, message } = this;
    const javaClassName = `java.io.${exception}`;
    return json({ RemoteException: { exception, javaClassName, message } }, status);
  }
}
const STATUS: Readonly<Record<string, number>> = {
  IllegalArgumentException: 400,
  UnsupportedOperationException: 400,
  SecurityException: 401,
  RuntimeException: 500,
};

/**
 * A WebHDFS server of our own, after Hadoop's "WebHDFS REST API" document, for no real one can be had in the tests: a name
 * node that answers CREATE, APPEND and OPEN with a 307 to a data node (another port), RemoteException as JSON, RENAME that
 * refuses an existing target, a missing one's directory and a missing source. The tree is in memory.
 */
export class WebHdfsDouble {
  /** Absolute path → bytes, or null for a directory. */
  readonly tree = new Map<string, Buffer | null>([['', null]]);
  readonly seen: string[] = [];
  /** False: `renameoptions` is not looked at, as by an HttpFS gateway. */
  renameOptions = true;
  /** What GETFILESTATUS and LISTSTATUS say of every file. */
  modificationTimeMs = 0;
  /** Asked for every request, of the name node and of the data node, in order. */
  fault: (request: string) => HdfsFault | undefined = () => undefined;
  readonly #nameNode: Server;
  readonly #dataNode: Server;
  endpoint = '';
  #dataEndpoint = '';

  private constructor() {
    this.#nameNode = createServer((request, response) => void this.#serve('name', request, response));
    this.#dataNode = createServer((request, response) => void this.#serve('data', request, response));
  }
  static async start(): Promise<WebHdfsDouble> {
    const double = new WebHdfsDouble();
    double.endpoint = await listen(double.#nameNode);
    double.#dataEndpoint = await listen(double.#dataNode);
    return double;
  }
  async stop(): Promise<void> {
    for (const server of [this.#nameNode, this.#dataNode]) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  }

  async #serve(node: 'name' | 'data', request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    } catch {
      return;
    }
    const name = `${node} ${request.method} ${request.url}`;
    this.seen.push(name);
    const fault = this.fault(name);
    if (fault?.kind === 'drop') return void request.socket.destroy();
    if (fault?.kind === 'answer') {
      return send(response, { ...new Remote(fault.exception, 'injected').answer, status: fault.status });
    }
    const answer = this.#answer(node, request, Buffer.concat(parts));
    if (fault?.kind === 'lose-answer') return void request.socket.destroy();
    if (fault?.kind === 'cut-body') {
      const body = answer.body ?? Buffer.alloc(0);
      response.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
      response.write(body.subarray(0, body.length / 2), () => request.socket.destroy());
      return;
    }
    send(response, answer);
  }
  #answer(node: 'name' | 'data', request: IncomingMessage, body: Buffer): Answer {
    const url = new URL(request.url ?? '/', this.endpoint);
    try {
      if (!url.pathname.startsWith('/webhdfs/v1/')) throw new Remote('IllegalArgumentException', 'Invalid path');
      const path = decodeURIComponent(url.pathname.slice('/webhdfs/v1'.length)).replace(/\/$/, '');
      const query = url.searchParams;
      if (query.get('user.name') === 'nobody') throw new Remote('AccessControlException', 'Permission denied');
      const op = `${request.method} ${(query.get('op') ?? '').toUpperCase()}`;
      if (node === 'data') return this.#dataOperation(op, path, query, body);
      // The bytes belong to the second request only.
      if (body.length > 0) throw new Remote('IllegalArgumentException', 'the name node takes no data');
      return this.#nameOperation(op, path, query, url);
    } catch (error) {
      if (error instanceof Remote) return error.answer;
      throw error;
    }
  }
  #nameOperation(op: string, path: string, query: URLSearchParams, url: URL): Answer {
    switch (op) {
      case 'PUT CREATE':
      case 'POST APPEND':
        return this.#redirect(url);
      case 'GET OPEN': {
        const bytes = this.#file(path);
        const offset = Number(query.get('offset') ?? 0);
        if (offset !== 0 && offset >= bytes.length) {
          throw new Remote('IOException', `Offset=${offset} out of the range [0, ${bytes.length}); OPEN, path=${path}`);
        }
        return this.#redirect(url);
      }
      case 'GET GETFILESTATUS':
        return json({ FileStatus: this.#status(path, '') });
      case 'GET LISTSTATUS':
        return json({ FileStatuses: { FileStatus: this.#list(path) } });
      case 'PUT MKDIRS':
        this.#makeDirectories(path);
        return json({ boolean: true });
      case 'PUT RENAME':
        return this.#rename(
          path,
          query.get('destination') ?? '',
          this.renameOptions ? query.get('renameoptions') : null,
        );
      case 'DELETE DELETE':
        return json({ boolean: this.#remove(path, query.get('recursive') === 'true') });
      default:
        throw new Remote('UnsupportedOperationException', `${op} is not supported`);
    }
  }
  #dataOperation(op: string, path: string, query: URLSearchParams, body: Buffer): Answer {
    switch (op) {
      case 'PUT CREATE': {
        if (this.tree.has(path) && query.get('overwrite') !== 'true') {
          throw new Remote('FileAlreadyExistsException', `${path} already exists`);
        }
        this.#makeDirectories(parentOf(path));
        this.tree.set(path, body);
        return { status: 201, headers: { location: `webhdfs://127.0.0.1:0${path}` } };
      }
      case 'POST APPEND':
        this.tree.set(path, Buffer.concat([this.#file(path), body]));
        return { status: 200 };
      case 'GET OPEN': {
        const bytes = this.#file(path);
        const offset = Number(query.get('offset') ?? 0);
        const length = Number(query.get('length') ?? bytes.length);
        const headers = { 'content-type': 'application/octet-stream' };
        return { status: 200, headers, body: bytes.subarray(offset, offset + length) };
      }
      default:
        throw new Remote('UnsupportedOperationException', `${op} is not supported`);
    }
  }
  #redirect(url: URL): Answer {
    const location = `${this.#dataEndpoint}${url.pathname}${url.search}&namenoderpcaddress=double:8020`;
    return { status: 307, headers: { location } };
  }
  #file(path: string): Buffer {
    const bytes = this.tree.get(path);
    if (bytes === undefined) throw new Remote('FileNotFoundException', `File does not exist: ${path}`);
    if (bytes === null) throw new Remote('FileNotFoundException', `Path is not a file: ${path}`);
    return bytes;
  }
  #status(path: string, pathSuffix: string): object {
    const bytes = this.tree.get(path);
    if (bytes === undefined) throw new Remote('FileNotFoundException', `File does not exist: ${path}`);
    const type = bytes === null ? 'DIRECTORY' : 'FILE';
    const modificationTime = this.modificationTimeMs;
    return { pathSuffix, type, length: bytes?.length ?? 0, modificationTime, owner: 'robustmq', permission: '644' };
  }
  #list(path: string): object[] {
    if (this.tree.get(path) !== null) return [this.#status(path, '')];
    const names = [...this.tree.keys()].filter((held) => held !== '' && parentOf(held) === path).sort();
    return names.map((held) => this.#status(held, held.slice(path.length + 1)));
  }
  #makeDirectories(path: string): void {
    for (let at = path; at !== ''; at = parentOf(at)) {
      const there = this.tree.get(at);
      if (Buffer.isBuffer(there)) throw new Remote('ParentNotDirectoryException', `${at} (is not a directory)`);
      this.tree.set(at, null);
    }
  }
  #rename(from: string, to: string, option: string | null): Answer {
    const bytes = this.tree.get(from);
    if (option === null) {
      if (bytes === undefined || this.tree.has(to) || this.tree.get(parentOf(to)) !== null)
        return json({ boolean: false });
    } else {
      if (bytes === undefined) throw new Remote('FileNotFoundException', `rename source ${from} is not found.`);
      if (this.tree.get(parentOf(to)) !== null) {
        throw new Remote('FileNotFoundException', `rename destination parent ${parentOf(to)} not found.`);
      }
      if (this.tree.has(to) && option !== 'OVERWRITE') throw new Remote('FileAlreadyExistsException', to);
    }
    if (bytes === null) throw new Remote('IOException', 'directories are not renamed here');
    this.tree.delete(from);
    this.tree.set(to, bytes ?? Buffer.alloc(0));
    return option === null ? json({ boolean: true }) : { status: 200 };
  }
  #remove(path: string, recursive: boolean): boolean {
    const below = [...this.tree.keys()].filter((held) => held.startsWith(`${path}/`));
    if (below.length > 0 && !recursive) {
      throw new Remote('PathIsNotEmptyDirectoryException', `\`${path} is non empty': Directory is not empty`);
    }
    for (const held of below) this.tree.delete(held);
    return this.tree.delete(path);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
function json(body: object, status = 200): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) };
}
function send(response: ServerResponse, { status, headers = {}, body = Buffer.alloc(0) }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': body.length });
  response.end(body);
}
async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
