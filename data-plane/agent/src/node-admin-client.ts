import { Agent as HttpAgent, request } from 'node:http';
import {
  NamespaceObserved,
  NamespacesReply,
  NodeHealth,
  OpenUsageReply,
  RemovalsReply,
  UsageBatchReply,
  type NamespaceSpec,
} from '@robustmq/contracts/data-plane';
import type { z } from 'zod';
import { AgentError } from './agent-error.ts';

const REPLY_BYTES_MAX = 64 * 2 ** 20;
const REQUEST_TIMEOUT_MS = 10_000;
/** Deleting a namespace waits for its data to be gone, which takes as long as the disk does. */
const DELETE_TIMEOUT_MS = 60_000;
const HEALTH_TIMEOUT_MS = 2_000;
/** Less than the control plane waits, so that it hears why. */
const VIEW_TIMEOUT_MS = 8_000;
/** A page of 1 MiB with what JSON adds to it. */
const VIEW_BYTES_MAX = 2 * 2 ** 20;

/** Where a node's admin endpoint is, and the secret that opens it. */
export interface AdminAddress {
  readonly socketPath: string;
  readonly token: string;
}

/** The admin endpoint of one node (contracts/node-admin.ts), over its unix socket. Replies are validated. */
export class NodeAdminClient {
  readonly #address: AdminAddress;
  readonly #agent = new HttpAgent({ keepAlive: true, maxSockets: 4 });

  constructor(address: AdminAddress) {
    this.#address = address;
  }

  /** Throws `node-unreachable` when nobody answers in time, `node-refused` for any status but 2xx. */
  health(): Promise<NodeHealth> {
    return this.#json('GET', '/v1/health', NodeHealth, undefined, HEALTH_TIMEOUT_MS);
  }

  /** Applies a namespace; resolves after the change is stable at the node. */
  putNamespace(spec: NamespaceSpec): Promise<NamespaceObserved> {
    return this.#json('PUT', `/v1/namespaces/${spec.clusterId}`, NamespaceObserved, spec, REQUEST_TIMEOUT_MS);
  }

  /** Deletes a namespace; resolves after its data is gone. A namespace that is not there is already deleted. */
  async deleteNamespace(clusterId: string): Promise<void> {
    await this.#call('DELETE', `/v1/namespaces/${clusterId}`, undefined, DELETE_TIMEOUT_MS, [404]);
  }

  /** Removed streams of which something may still lie in object storage, after another try to delete it. */
  async removalsLeft(): Promise<number> {
    return (await this.#json('POST', '/v1/removals', RemovalsReply, undefined, DELETE_TIMEOUT_MS)).streams;
  }

  namespaces(): Promise<NamespaceObserved[]> {
    return this.#json('GET', '/v1/namespaces', NamespacesReply, undefined, REQUEST_TIMEOUT_MS);
  }

  /**
   * A live view of node-views.ts: JSON in, JSON out, both checked by the node. A refusal carries the node's code.
   * Throws `node-unreachable` when it takes longer than eight seconds or is larger than two MiB.
   */
  view(clusterId: string, view: string, queryJson: string): Promise<string> {
    const path = `/v1/namespaces/${encodeURIComponent(clusterId)}/views/${encodeURIComponent(view)}`;
    return this.#send('POST', path, Buffer.from(queryJson), VIEW_TIMEOUT_MS, [], VIEW_BYTES_MAX);
  }

  /** Closed usage windows with `seq > afterSeq`, oldest first, at most `limit`. */
  usage(afterSeq: number, limit: number): Promise<UsageBatchReply> {
    const path = `/v1/usage?afterSeq=${afterSeq}&limit=${limit}`;
    return this.#json('GET', path, UsageBatchReply, undefined, REQUEST_TIMEOUT_MS);
  }

  /** What the window that is still open holds. */
  openUsage(): Promise<OpenUsageReply> {
    return this.#json('GET', '/v1/usage/open', OpenUsageReply, undefined, REQUEST_TIMEOUT_MS);
  }

  /** Tells the node that windows through `seq` are on the agent's own disk. */
  async forgetUsage(throughSeq: number): Promise<void> {
    await this.#call('DELETE', `/v1/usage?throughSeq=${throughSeq}`, undefined, REQUEST_TIMEOUT_MS);
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  async #json<T>(method: string, path: string, shape: z.ZodType<T>, body: unknown, timeoutMs: number): Promise<T> {
    const text = await this.#call(method, path, body, timeoutMs);
    try {
      return shape.parse(JSON.parse(text));
    } catch (error) {
      throw new AgentError('node-refused', `the node's reply to ${method} ${path} has a wrong shape`, { cause: error });
    }
  }

  #call(
    method: string,
    path: string,
    body: unknown,
    timeoutMs: number,
    alsoFine: readonly number[] = [],
  ): Promise<string> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return this.#send(method, path, payload, timeoutMs, alsoFine, REPLY_BYTES_MAX);
  }

  #send(
    method: string,
    path: string,
    payload: Buffer | undefined,
    timeoutMs: number,
    alsoFine: readonly number[],
    bytesMax: number,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const unreachable = (error: Error): void =>
        reject(
          new AgentError('node-unreachable', `the node did not answer ${method} ${path}: ${error.message}`, {
            cause: error,
          }),
        );
      const outgoing = request(
        {
          socketPath: this.#address.socketPath,
          method,
          path,
          agent: this.#agent,
          signal: AbortSignal.timeout(timeoutMs),
          headers: {
            authorization: `Bearer ${this.#address.token}`,
            ...(payload ? { 'content-type': 'application/json', 'content-length': payload.length } : {}),
          },
        },
        (reply) => {
          const chunks: Buffer[] = [];
          let sizeBytes = 0;
          reply.on('data', (chunk: Buffer) => {
            sizeBytes += chunk.length;
            if (sizeBytes > bytesMax) reply.destroy(new Error(`reply above ${bytesMax} bytes`));
            else chunks.push(chunk);
          });
          reply.on('error', unreachable);
          reply.on('end', () => {
            const status = reply.statusCode ?? 0;
            const text = Buffer.concat(chunks).toString('utf8');
            if ((status >= 200 && status < 300) || alsoFine.includes(status)) resolve(text);
            else reject(refused(text, `the node answered ${status} to ${method}`));
          });
        },
      );
      outgoing.on('error', unreachable);
      outgoing.end(payload);
    });
  }
}

function refused(body: string, otherwise: string): AgentError {
  return new AgentError('node-refused', refusalOf(body) ?? otherwise, {
    refusal: /^\{"code":"([a-z-]+)"/.exec(body)?.[1],
  });
}

/** The sentence in an error body `{"message": …}` or problem `{"detail" | "title": …}`, if there is one. */
function refusalOf(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    for (const key of ['message', 'detail', 'error', 'title']) {
      if (typeof body[key] === 'string') return body[key];
    }
  } catch {
    return undefined;
  }
  return undefined;
}
