import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import {
  ClusterId,
  NamespaceSpec,
  type NamespaceObserved,
  type NodeHealth,
  type OpenUsageReply,
  type RemovalsReply,
  type UsageBatchReply,
} from '@robustmq/contracts/data-plane';
import type { Runtime } from '@robustmq/wire';
import { http } from './http-module.ts';
import { NodeError } from './node-error.ts';

/**
 * The node's admin endpoint of contracts/node-admin.ts: HTTP over a unix socket only the node's own user can open, and
 * a bearer token on top. Every answer that is not 2xx is `{code, message}`.
 */

/** Longest unix socket path every kernel takes (sun_path holds 108 bytes with its end). */
export const SOCKET_PATH_BYTES_MAX = 107;
/** A namespace with tens of thousands of credentials fits. */
const BODY_BYTES_MAX = 64 * 2 ** 20;
const VIEW_QUERY_BYTES_MAX = 65_536;
const REQUEST_TIMEOUT_MS = 30_000;
const USAGE_LIMIT_DEFAULT = 1_000;
const USAGE_LIMIT_MAX = 5_000;

/** What the endpoint offers; the node implements it. */
export interface AdminTarget {
  health(): NodeHealth;
  /** Resolves when the namespace is as `spec` says, and stable. */
  applyNamespace(spec: NamespaceSpec): Promise<NamespaceObserved>;
  /** Resolves when its data is gone; fine when there is none. */
  removeNamespace(clusterId: string): Promise<void>;
  /** Tries once more to delete what removed streams left in object storage. */
  finishRemovals(): Promise<RemovalsReply>;
  namespaces(): readonly NamespaceObserved[];
  /** A live view of node-views.ts. Throws NodeError with a code of VIEW_STATUS. */
  view(clusterId: string, view: string, query: unknown): Promise<unknown>;
  usage(afterSeq: number, limit: number): Promise<UsageBatchReply>;
  trimUsage(throughSeq: number): Promise<void>;
  openUsage(): OpenUsageReply;
  /** Prometheus text. */
  metrics(): Promise<string>;
}

/** Where the socket goes: the run directory, or a short path derived from it where that is too long. */
export function socketPathIn(runDir: string): string {
  const path = join(runDir, 'admin.sock');
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  const name = createHash('sha256').update(runDir).digest('hex').slice(0, 24);
  return join(tmpdir(), `robustmq-${name}.sock`);
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly text?: string;
}
/** Refusals that are nobody's fault here. */
const VIEW_STATUS = {
  ...{ 'not-found': 404, 'validation-failed': 400, conflict: 409, 'payload-too-large': 413 },
  ...{ forbidden: 403, 'quota-exceeded': 422, 'too-many-requests': 429 },
} as const;
const NOTHING: Answer = { status: 204 };

const AfterSeq = z.object({
  afterSeq: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().positive().max(USAGE_LIMIT_MAX).default(USAGE_LIMIT_DEFAULT),
});
const ThroughSeq = z.object({ throughSeq: z.coerce.number().int().nonnegative() });

export class AdminServer {
  readonly #target: AdminTarget;
  readonly #tokenDigest: Buffer;
  readonly #runtime: Runtime;
  readonly #server: Server;
  /** Changes of one namespace run one after the other. */
  readonly #changes = new Map<string, Promise<unknown>>();
  #path = '';

  constructor(target: AdminTarget, token: string, runtime: Runtime) {
    this.#target = target;
    this.#tokenDigest = digest(token);
    this.#runtime = runtime;
    this.#server = http.createServer((request, response) => void this.#serve(request, response));
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.keepAliveTimeout = REQUEST_TIMEOUT_MS;
  }

  /** Listens at `path` with mode 0600; a socket file left behind by a killed node is replaced. */
  async open(path: string): Promise<void> {
    this.#path = path;
    rmSync(path, { force: true });
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(path, () => resolve());
      });
      chmodSync(path, 0o600);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new NodeError('listen-failed', `the admin socket ${path} could not be opened: ${reason}`, { cause });
    } finally {
      process.umask(umask);
    }
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
    rmSync(this.#path, { force: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = this.#authorized(request)
        ? await this.#route(request)
        : failure(401, 'unauthorized', 'the bearer token is missing or wrong');
    } catch (error) {
      answer = this.#failed(error, request);
    }
    // What was not read of a refused body must not be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close');
    if (answer.text !== undefined) {
      response.writeHead(answer.status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
      response.end(answer.text);
    } else if (answer.body === undefined) {
      response.writeHead(answer.status);
      response.end();
    } else {
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer.body));
    }
  }

  #authorized(request: IncomingMessage): boolean {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    return scheme?.toLowerCase() === 'bearer' && timingSafeEqual(digest(token ?? ''), this.#tokenDigest);
  }

  async #route(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? '/', 'http://node');
    const query = Object.fromEntries(url.searchParams);
    const target = this.#target;
    const viewPath = /^\/v1\/namespaces\/([^/]+)\/views\/([^/]+)$/.exec(url.pathname);
    if (viewPath !== null && request.method === 'POST') {
      const clusterId = ClusterId.parse(decodeURIComponent(viewPath[1]!));
      const body = await readBody(request, VIEW_QUERY_BYTES_MAX);
      const query: unknown = body === '' ? {} : JSON.parse(body);
      return { status: 200, body: await target.view(clusterId, viewPath[2]!, query) };
    }
    const namespaceId = /^\/v1\/namespaces\/([^/]+)$/.exec(url.pathname)?.[1];
    if (namespaceId !== undefined) return this.#namespace(request, namespaceId);
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /v1/health':
        return { status: 200, body: target.health() };
      case 'GET /v1/namespaces':
        return { status: 200, body: target.namespaces() };
      case 'POST /v1/removals':
        return { status: 200, body: await target.finishRemovals() };
      case 'GET /v1/usage': {
        const { afterSeq, limit } = AfterSeq.parse(query);
        return { status: 200, body: await target.usage(afterSeq, limit) };
      }
      case 'DELETE /v1/usage':
        await target.trimUsage(ThroughSeq.parse(query).throughSeq);
        return NOTHING;
      case 'GET /v1/usage/open':
        return { status: 200, body: target.openUsage() };
      case 'GET /metrics':
        return { status: 200, text: await target.metrics() };
      default:
        return failure(404, 'not-found', `there is no ${request.method} ${url.pathname}`);
    }
  }

  async #namespace(request: IncomingMessage, text: string): Promise<Answer> {
    const clusterId = ClusterId.parse(decodeURIComponent(text));
    if (request.method === 'DELETE') {
      await this.#oneAtATime(clusterId, () => this.#target.removeNamespace(clusterId));
      return NOTHING;
    }
    if (request.method !== 'PUT') return failure(405, 'method-not-allowed', 'use PUT or DELETE');
    const spec = NamespaceSpec.parse(JSON.parse(await readBody(request)));
    if (spec.clusterId !== clusterId)
      return failure(400, 'invalid', `the path names cluster ${clusterId}, the body ${spec.clusterId}`);
    const observed = await this.#oneAtATime(clusterId, () => this.#target.applyNamespace(spec));
    return { status: 200, body: observed };
  }

  #oneAtATime<T>(clusterId: string, change: () => Promise<T>): Promise<T> {
    const before = this.#changes.get(clusterId) ?? Promise.resolve();
    const run = before.then(change, change);
    this.#changes.set(clusterId, run);
    const forget = () => {
      if (this.#changes.get(clusterId) === run) this.#changes.delete(clusterId);
    };
    run.then(forget, forget);
    return run;
  }

  #failed(error: unknown, request: IncomingMessage): Answer {
    if (error instanceof z.ZodError) {
      const issue = error.issues[0];
      return failure(400, 'invalid', `${issue?.path.join('.') || 'request'}: ${issue?.message}`);
    }
    if (error instanceof SyntaxError || error instanceof URIError)
      return failure(400, 'invalid', 'the request is not well-formed');
    if (error instanceof BodyTooLarge) return failure(413, 'too-large', error.message);
    if (error instanceof NodeError && Object.hasOwn(VIEW_STATUS, error.code))
      return failure(VIEW_STATUS[error.code as keyof typeof VIEW_STATUS], error.code, error.message);
    this.#runtime.log.error({ error, method: request.method, url: request.url }, 'an admin request failed');
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'failed';
    return failure(500, code, error instanceof Error ? error.message : 'failed');
  }
}

class BodyTooLarge extends Error {}

async function readBody(request: IncomingMessage, bytesMax = BODY_BYTES_MAX): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax) throw new BodyTooLarge(`bodies end at ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function failure(status: number, code: string, message: string): Answer {
  return { status, body: { code, message } };
}
/** Digests have one length, so that comparing them tells nothing about the token's. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
