import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is done to one request in place of, or after, serving it. */
export type S3Fault =
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** The connection breaks, with nothing done. */
  | { readonly kind: 'drop' }
  /** The request is served and the connection breaks before the answer. */
  | { readonly kind: 'lose-answer' }
  /** The answer's head comes, and half of its body. */
  | { readonly kind: 'cut-body' }
  /** Nothing comes, or nothing after half of the body. */
  | { readonly kind: 'silence'; readonly inBody: boolean };

export interface S3DoubleOptions {
  /** `honoured`: 412 as AWS and Ceph; `ignored`: as if the header were not there; `refused`: 501. */
  readonly conditions?: 'honoured' | 'ignored' | 'refused';
  /** False: DeleteObjects is 501, as on servers without it. */
  readonly deletesMany?: boolean;
}

interface Stored {
  readonly bytes: Buffer;
  readonly mark: string | undefined;
}

/**
 * The part of the S3 protocol our engine uses, on 127.0.0.1, with faults on demand: for what a real server does not do
 * when it is asked to. It checks no signatures; that is what the tests against Ceph are for.
 */
export class S3Double {
  endpoint = '';
  readonly objects = new Map<string, Stored>();
  readonly uploads = new Map<string, Map<number, Buffer>>();
  /** Method and path with query of every request. */
  readonly seen: string[] = [];
  /** Asked for every request, in order. */
  fault: (request: string) => S3Fault | undefined = () => undefined;
  readonly #options: S3DoubleOptions;
  readonly #server: Server;
  #uploadsMade = 0;

  private constructor(options: S3DoubleOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }
  static async start(options: S3DoubleOptions = {}): Promise<S3Double> {
    const double = new S3Double(options);
    await new Promise<void>((resolve) => double.#server.listen(0, '127.0.0.1', resolve));
    double.endpoint = `http://127.0.0.1:${(double.#server.address() as AddressInfo).port}`;
    return double;
  }
  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    } catch {
      return;
    }
    const name = `${request.method} ${request.url}`;
    this.seen.push(name);
    const fault = this.fault(name);
    if (fault?.kind === 'drop') return void request.socket.destroy();
    if (fault?.kind === 'answer') return send(response, refusal(fault.status, fault.code));
    const answer = this.#answer(request, Buffer.concat(parts));
    if (fault?.kind === 'lose-answer') return void request.socket.destroy();
    if (fault?.kind === 'silence' && !fault.inBody) return;
    if (fault?.kind === 'cut-body' || fault?.kind === 'silence') {
      response.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.length });
      const cut = fault.kind === 'cut-body' ? () => request.socket.destroy() : () => undefined;
      response.write(answer.body.subarray(0, answer.body.length / 2), cut);
      return;
    }
    send(response, answer, request.method === 'HEAD');
  }

  #answer(request: IncomingMessage, body: Buffer): Answer {
    const url = new URL(request.url ?? '/', 'http://double');
    const [, bucket, ...rest] = url.pathname.split('/');
    const key = decodeURIComponent(rest.join('/'));
    const query = url.searchParams;
    if (bucket !== 'bucket') return refusal(404, 'NoSuchBucket');
    if (request.method === 'POST' && query.has('delete')) return this.#deleteMany(body.toString());
    if (key === '') return this.#list(query);
    if (query.has('uploads') || query.has('uploadId')) return this.#multipart(request.method ?? '', key, query, body);
    if (request.method === 'PUT') return this.#put(key, body, request.headers);
    if (request.method === 'DELETE') {
      this.objects.delete(key);
      return { status: 204, headers: {}, body: Buffer.alloc(0) };
    }
    return this.#get(key, request.headers.range);
  }
  #put(key: string, bytes: Buffer, headers: IncomingMessage['headers']): Answer {
    if (headers['if-none-match'] !== undefined) {
      if (this.#options.conditions === 'refused') return refusal(501, 'NotImplemented');
      if (this.#options.conditions !== 'ignored' && this.objects.has(key)) return refusal(412, 'PreconditionFailed');
    }
    this.objects.set(key, { bytes, mark: headers['x-amz-meta-robustmq-put'] as string | undefined });
    return { status: 200, headers: { etag: tag(bytes) }, body: Buffer.alloc(0) };
  }
  #get(key: string, range: string | undefined): Answer {
    const stored = this.objects.get(key);
    if (stored === undefined) return refusal(404, 'NoSuchKey');
    const headers = stored.mark === undefined ? {} : { 'x-amz-meta-robustmq-put': stored.mark };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    if (from === undefined) return { status: 200, headers, body: stored.bytes };
    const size = stored.bytes.length;
    if (Number(from) >= size) return refusal(416, 'InvalidRange');
    const body = stored.bytes.subarray(Number(from), Number(to) + 1);
    const contentRange = `bytes ${from}-${Number(from) + body.length - 1}/${size}`;
    return { status: 206, headers: { ...headers, 'content-range': contentRange }, body };
  }
  #list(query: URLSearchParams): Answer {
    const [prefix, after] = [query.get('prefix') ?? '', query.get('start-after') ?? ''];
    // Servers may answer with less than was asked for.
    const most = Math.min(Number(query.get('max-keys') ?? 1000), 5);
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const entries = keys.slice(0, most).map((key) => {
      return `<Contents><Key>${escaped(key)}</Key><Size>${this.objects.get(key)!.bytes.length}</Size></Contents>`;
    });
    const more = `<IsTruncated>${keys.length > most}</IsTruncated>`;
    return xml(`<ListBucketResult>${more}${entries.join('')}</ListBucketResult>`);
  }
  #multipart(method: string, key: string, query: URLSearchParams, body: Buffer): Answer {
    if (query.has('uploads')) {
      const id = `upload-${++this.#uploadsMade}`;
      this.uploads.set(id, new Map());
      return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    const id = query.get('uploadId') ?? '';
    const parts = this.uploads.get(id);
    if (parts === undefined) return refusal(404, 'NoSuchUpload');
    if (method === 'PUT') {
      parts.set(Number(query.get('partNumber')), body);
      return { status: 200, headers: { etag: tag(body) }, body: Buffer.alloc(0) };
    }
    this.uploads.delete(id);
    if (method === 'DELETE') return { status: 204, headers: {}, body: Buffer.alloc(0) };
    const wanted = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map((match) => Number(match[1]));
    const bytes = Buffer.concat(wanted.map((number) => parts.get(number) ?? Buffer.alloc(0)));
    this.objects.set(key, { bytes, mark: undefined });
    return xml('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>');
  }
  #deleteMany(body: string): Answer {
    if (this.#options.deletesMany === false) return refusal(501, 'NotImplemented');
    for (const [, key] of body.matchAll(/<Key>([^<]*)<\/Key>/g)) this.objects.delete(unescaped(key ?? ''));
    return xml('<DeleteResult></DeleteResult>');
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

function send(response: ServerResponse, { status, headers, body }: Answer, headOnly = false): void {
  response.writeHead(status, { ...headers, ...(status === 204 ? {} : { 'content-length': body.length }) });
  response.end(headOnly ? undefined : body);
}
function xml(body: string, status = 200): Answer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n${body}`;
  return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(text) };
}
function refusal(status: number, code: string): Answer {
  return xml(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`, status);
}
function tag(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll("'", '&apos;');
}
function unescaped(text: string): string {
  return text.replaceAll('&apos;', "'").replaceAll('&#39;', "'").replaceAll('&amp;', '&');
}
