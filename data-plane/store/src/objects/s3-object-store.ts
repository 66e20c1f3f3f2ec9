import type * as S3Sdk from '@aws-sdk/client-s3';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { Runtime } from '@robustmq/wire';
import {
  bufferList,
  checkObjectKey,
  checkObjectPrefix,
  checkObjectRange,
  checkSignal,
  listLimit,
  newRequestTally,
  totalBytes,
  type ObjectCallOptions,
  type ObjectEntry,
  type ObjectPutOptions,
  type ObjectStore,
} from '../object-store.ts';
import { StoreError } from '../store-error.ts';
import { RETRY_POLICY, withRetries, type RetryPolicy } from './retry.ts';
import { s3Status, toS3Error } from './s3-errors.ts';

/** Objects above this go up in parts, but for conditional ones (see `put`). */
export const MULTIPART_BYTES_MIN = 32 * 1024 * 1024;
/** Size of each part but the last, at least; S3 takes no smaller than 5 MiB. */
export const PART_BYTES = 16 * 1024 * 1024;
/** S3 takes no more parts. */
export const PARTS_MAX = 10_000;
/** Parts of one object that go up at a time. */
export const PARTS_AT_A_TIME_MAX = 4;
/** S3 takes no more keys in one DeleteObjects. */
export const DELETE_KEYS_MAX = 1000;
/** A request that got no answer for so long is made again. */
export const REQUEST_TIMEOUT_MS = 60_000;
export const CONNECTION_TIMEOUT_MS = 5_000;
/** Connections to the server. */
export const SOCKETS_MAX = 64;

/** Where the bucket is, and who we are. */
export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /** Any S3-compatible server, e.g. `http://127.0.0.1:9000`; absent for AWS. */
  readonly endpoint?: string;
  /** Put before every key; empty or ends with a slash, at most 100 bytes. */
  readonly prefix?: string;
  /** Absent: the SDK's own search (environment, profile, instance role). */
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** `http://host/bucket/key` in place of `http://bucket.host/key`. Default: true when there is an endpoint. */
  readonly forcePathStyle?: boolean;
  readonly retry?: Partial<RetryPolicy>;
  readonly requestTimeoutMs?: number;
  /** Sizes for tests; the defaults are the constants of this file. */
  readonly multipartBytesMin?: number;
  readonly partBytes?: number;
}

type Sdk = typeof S3Sdk;

/**
 * Objects in an S3 bucket. Retries are ours and not the SDK's, so that every request is counted and time and chance come
 * from the runtime.
 *
 * `ifAbsent` is `If-None-Match: *` where the server honours it, which `open` finds out by trying. Where it does not, it
 * is HEAD and then PUT: puts through this object still exclude each other, but two processes may both win.
 */
export class S3ObjectStore implements ObjectStore {
  readonly requests = newRequestTally();
  /** Whether the server itself decides conditional puts. */
  readonly conditionalPuts: boolean;
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #settings: S3Settings;
  readonly #prefix: string;
  readonly #runtime: Runtime;
  readonly #policy: RetryPolicy;
  /** The conditional put that runs for a key, where this process has to decide itself. */
  readonly #deciding = new Map<string, Promise<unknown>>();
  /** False once a server has refused DeleteObjects. */
  #deletesMany = true;
  #closed = false;

  private constructor(sdk: Sdk, settings: S3Settings, runtime: Runtime, conditionalPuts: boolean) {
    this.#sdk = sdk;
    this.#settings = settings;
    this.#prefix = settings.prefix ?? '';
    this.#runtime = runtime;
    this.#policy = { ...RETRY_POLICY, ...settings.retry };
    this.#client = new sdk.S3Client(clientConfig(settings));
    this.conditionalPuts = conditionalPuts;
  }

  /**
   * Connects and probes with a small object of its own, which it removes. Throws `bad-config` (no such bucket, wrong
   * region), `object-denied`, `object-unavailable`.
   */
  static async open(settings: S3Settings, runtime: Runtime): Promise<S3ObjectStore> {
    checkSettings(settings);
    const sdk = await import('@aws-sdk/client-s3');
    const probing = new S3ObjectStore(sdk, settings, runtime, true);
    try {
      const conditionalPuts = await probing.#probe();
      const store = new S3ObjectStore(sdk, settings, runtime, conditionalPuts);
      Object.assign(store.requests, probing.requests);
      return store;
    } finally {
      await probing.close();
    }
  }

  async put(key: string, bytes: Buffer | readonly Buffer[], options: ObjectPutOptions = {}): Promise<boolean> {
    this.#check(key, options);
    const buffers = bufferList(bytes);
    if (options.ifAbsent === true) {
      // In one piece whatever its size: servers honour the condition on PUT, and few on the end of a multipart upload.
      if (this.conditionalPuts) return this.#putIfAbsent(key, joined(buffers), options);
      return this.#decide(key, async () => {
        if (await this.#exists(key, options)) return false;
        await this.#putAny(key, buffers, options);
        return true;
      });
    }
    await this.#putAny(key, buffers, options);
    return true;
  }

  async getRange(key: string, start: number, end: number, options: ObjectCallOptions = {}): Promise<Buffer> {
    this.#check(key, options);
    checkObjectRange(key, start, end);
    return this.#retrying(key, options, async () => {
      this.requests.gets++;
      // An empty range cannot be asked for, but whether the object is there must be.
      const Range = `bytes=${start}-${Math.max(start, end - 1)}`;
      const command = new this.#sdk.GetObjectCommand({ ...this.#at(key), Range });
      let bytes: Buffer;
      try {
        const answer = await this.#client.send(command, abortable(options));
        bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
        this.requests.bytesRead += bytes.length;
        if (bytes.length !== (answer.ContentLength ?? bytes.length)) throw new StoreError('object-unavailable', key);
        if (answer.ContentRange === undefined && start > 0)
          throw new StoreError('io', `${key}: ranges are not honoured`);
      } catch (error) {
        if (s3Status(error) === 416) return Buffer.alloc(0);
        throw error;
      }
      return bytes.subarray(0, end - start);
    });
  }

  async list(prefix: string, after = '', limit?: number): Promise<readonly ObjectEntry[]> {
    if (this.#closed) throw new StoreError('closed', prefix);
    checkObjectPrefix(prefix);
    const wanted = listLimit(limit);
    const found: ObjectEntry[] = [];
    let more = wanted > 0;
    while (more) {
      const page = await this.#page(prefix, found.at(-1)?.key ?? after, wanted - found.length);
      found.push(...page.entries);
      more = page.more && page.entries.length > 0 && found.length < wanted;
    }
    return found;
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#check(key);
    for (let at = 0; at < keys.length; at += DELETE_KEYS_MAX) {
      const some = keys.slice(at, at + DELETE_KEYS_MAX);
      if (this.#deletesMany && some.length > 1) await this.#deleteMany(some);
      else for (const key of some) await this.#deleteOne(key);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#client.destroy();
  }

  async #putAny(key: string, buffers: readonly Buffer[], options: ObjectPutOptions): Promise<void> {
    const sizeBytes = totalBytes(buffers);
    if (sizeBytes > (this.#settings.multipartBytesMin ?? MULTIPART_BYTES_MIN)) {
      await this.#putInParts(key, joined(buffers), options);
      return;
    }
    const Body = joined(buffers);
    await this.#retrying(key, options, async () => {
      this.#countPut(sizeBytes);
      await this.#client.send(new this.#sdk.PutObjectCommand({ ...this.#at(key), Body }), abortable(options));
    });
  }

  /**
   * When an answer was lost and the put is made again, 412 may be about our own object: it carries a mark, by which it
   * is known.
   */
  async #putIfAbsent(key: string, Body: Buffer, options: ObjectPutOptions): Promise<boolean> {
    const mark = this.#runtime.randomBytes(16).toString('hex');
    return this.#retrying(key, options, async (failures) => {
      this.#countPut(Body.length);
      const input = { ...this.#at(key), Body, IfNoneMatch: '*', Metadata: { 'robustmq-put': mark } };
      try {
        await this.#client.send(new this.#sdk.PutObjectCommand(input), abortable(options));
        return true;
      } catch (error) {
        if (s3Status(error) !== 412) throw error;
        return failures > 0 && (await this.#markOf(key, options)) === mark;
      }
    });
  }

  async #putInParts(key: string, bytes: Buffer, options: ObjectPutOptions): Promise<void> {
    // Not to be aborted: an upload whose id nobody heard cannot be removed.
    const UploadId = await this.#retrying(key, {}, async () => {
      this.#countPut(0);
      return (await this.#client.send(new this.#sdk.CreateMultipartUploadCommand(this.#at(key)))).UploadId;
    });
    if (UploadId === undefined) throw new StoreError('io', `${key}: an upload without an id`);
    try {
      checkSignal(key, options.signal);
      const Parts = await this.#uploadParts(key, bytes, UploadId, options);
      await this.#complete(key, UploadId, Parts, bytes.length, options);
    } catch (error) {
      await this.#giveUpParts(key, UploadId);
      throw error;
    }
  }

  async #uploadParts(key: string, bytes: Buffer, UploadId: string, options: ObjectPutOptions): Promise<UploadedPart[]> {
    const partBytes = Math.max(this.#settings.partBytes ?? PART_BYTES, Math.ceil(bytes.length / PARTS_MAX));
    const count = Math.ceil(bytes.length / partBytes);
    const parts: UploadedPart[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        const index = next++;
        const Body = bytes.subarray(index * partBytes, (index + 1) * partBytes);
        const input = { ...this.#at(key), UploadId, PartNumber: index + 1, Body };
        const ETag = await this.#retrying(key, options, async () => {
          this.#countPut(Body.length);
          return (await this.#client.send(new this.#sdk.UploadPartCommand(input), abortable(options))).ETag;
        });
        parts[index] = { PartNumber: index + 1, ETag };
      }
    };
    const workers = Array.from({ length: Math.min(PARTS_AT_A_TIME_MAX, count) }, () => {
      return worker().catch((error: unknown) => {
        next = count;
        throw error;
      });
    });
    // All of them have to end before the upload is given up: a part that comes after that would stay.
    const failed = (await Promise.allSettled(workers)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return parts;
  }

  /** What cannot be removed now is left to the bucket's lifecycle rule AbortIncompleteMultipartUpload. */
  async #giveUpParts(key: string, UploadId: string): Promise<void> {
    const abort = this.#retrying(key, {}, () => {
      this.requests.deletes++;
      return this.#client.send(new this.#sdk.AbortMultipartUploadCommand({ ...this.#at(key), UploadId }));
    });
    await abort.catch(() => undefined);
  }

  async #complete(
    key: string,
    UploadId: string,
    Parts: UploadedPart[],
    sizeBytes: number,
    options: ObjectPutOptions,
  ): Promise<void> {
    await this.#retrying(key, options, async (failures) => {
      this.#countPut(0);
      const input = { ...this.#at(key), UploadId, MultipartUpload: { Parts } };
      try {
        await this.#client.send(new this.#sdk.CompleteMultipartUploadCommand(input), abortable(options));
      } catch (error) {
        // Completed already, by a request whose answer was lost: then the object is there.
        const head = failures > 0 && s3Status(error) === 404 ? await this.#head(key, options) : null;
        if (head?.sizeBytes !== sizeBytes) throw error;
      }
    });
  }

  async #page(prefix: string, after: string, wanted: number): Promise<{ entries: ObjectEntry[]; more: boolean }> {
    return this.#retrying(prefix, {}, async () => {
      this.requests.lists++;
      const command = new this.#sdk.ListObjectsV2Command({
        Bucket: this.#settings.bucket,
        Prefix: this.#prefix + prefix,
        MaxKeys: wanted,
        ...(after === '' ? {} : { StartAfter: this.#prefix + after }),
      });
      const answer = await this.#client.send(command);
      const entries = (answer.Contents ?? []).map(({ Key, Size }) => {
        return { key: (Key ?? '').slice(this.#prefix.length), sizeBytes: Size ?? 0 };
      });
      return { entries, more: answer.IsTruncated === true };
    });
  }

  async #deleteMany(keys: readonly string[]): Promise<void> {
    let rest = keys;
    try {
      await this.#retrying(keys[0]!, {}, async () => {
        this.requests.deletes++;
        const Objects = rest.map((key) => ({ Key: this.#prefix + key }));
        const input = { Bucket: this.#settings.bucket, Delete: { Objects, Quiet: true } };
        const answer = await this.#client.send(new this.#sdk.DeleteObjectsCommand(input));
        const failed = (answer.Errors ?? []).filter((error) => error.Code !== 'NoSuchKey');
        if (failed.length === 0) return;
        rest = failed.map((error) => (error.Key ?? '').slice(this.#prefix.length));
        const name = failed[0]!.Code ?? 'InternalError';
        throw toS3Error(rest[0]!, Object.assign(new Error(name), { name, $metadata: { httpStatusCode: 500 } }));
      });
    } catch (error) {
      const status = s3Status((error as StoreError).cause);
      if (status !== 400 && status !== 405 && status !== 501) throw error;
      this.#deletesMany = false;
      for (const key of rest) await this.#deleteOne(key);
    }
  }

  async #deleteOne(key: string): Promise<void> {
    await this.#retrying(key, {}, async () => {
      this.requests.deletes++;
      await this.#client.send(new this.#sdk.DeleteObjectCommand(this.#at(key))).catch((error: unknown) => {
        if (toS3Error(key, error).code !== 'object-missing') throw error;
      });
    });
  }

  async #exists(key: string, options: ObjectCallOptions): Promise<boolean> {
    return this.#retrying(key, options, async () => (await this.#head(key, options)) !== null);
  }
  async #markOf(key: string, options: ObjectCallOptions): Promise<string | undefined> {
    return (await this.#head(key, options))?.mark;
  }
  async #head(key: string, options: ObjectCallOptions): Promise<{ sizeBytes: number; mark?: string } | null> {
    this.requests.gets++;
    try {
      const answer = await this.#client.send(new this.#sdk.HeadObjectCommand(this.#at(key)), abortable(options));
      const mark = answer.Metadata?.['robustmq-put'];
      return { sizeBytes: answer.ContentLength ?? 0, ...(mark === undefined ? {} : { mark }) };
    } catch (error) {
      if (toS3Error(key, error).code === 'object-missing') return null;
      throw error;
    }
  }

  /** Two conditional puts of one key, through this object, one after the other. */
  async #decide(key: string, run: () => Promise<boolean>): Promise<boolean> {
    const before = this.#deciding.get(key) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(run);
    this.#deciding.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#deciding.get(key) === mine) this.#deciding.delete(key);
    }
  }

  /** Whether a second conditional put of one key is refused. */
  async #probe(): Promise<boolean> {
    const key = `robustmq-probe/${this.#runtime.randomBytes(16).toString('hex')}`;
    try {
      if (!(await this.#putIfAbsent(key, Buffer.alloc(1), {}))) return false;
      return !(await this.#putIfAbsent(key, Buffer.alloc(1), {}));
    } catch (error) {
      const status = s3Status((error as StoreError).cause);
      if (status !== 400 && status !== 501) throw error;
      // It knows no conditions; whether it takes objects at all is seen by a plain put.
      await this.#putAny(key, [Buffer.alloc(1)], {});
      return false;
    } finally {
      await this.#deleteOne(key).catch(() => undefined);
    }
  }

  #retrying<T>(key: string, options: ObjectCallOptions, run: (failures: number) => Promise<T>): Promise<T> {
    const how = { runtime: this.#runtime, policy: this.#policy, tally: this.requests, signal: options.signal };
    return withRetries(how, async (failures) => {
      checkSignal(key, options.signal);
      try {
        return await run(failures);
      } catch (error) {
        if (this.#closed) throw new StoreError('closed', key, { cause: error });
        throw toS3Error(key, error);
      }
    });
  }
  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#settings.bucket, Key: this.#prefix + key };
  }
  #countPut(sizeBytes: number): void {
    this.requests.puts++;
    this.requests.bytesWritten += sizeBytes;
  }
  #check(key: string, options: ObjectCallOptions = {}): void {
    if (this.#closed) throw new StoreError('closed', key);
    checkObjectKey(key);
    checkSignal(key, options.signal);
  }
}

interface UploadedPart {
  readonly PartNumber: number;
  readonly ETag: string | undefined;
}

function clientConfig(settings: S3Settings): S3ClientConfig {
  return {
    region: settings.region,
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    ...(settings.credentials === undefined ? {} : { credentials: settings.credentials }),
    forcePathStyle: settings.forcePathStyle ?? settings.endpoint !== undefined,
    // Streams with checksum trailers are refused by servers that are a little older; Content-MD5 and TLS stay.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: settings.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      // The one above ends with the answer's head; this one is for bodies that stop coming.
      socketTimeout: settings.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      httpAgent: { maxSockets: SOCKETS_MAX, keepAlive: true },
      httpsAgent: { maxSockets: SOCKETS_MAX, keepAlive: true },
    },
  };
}

function checkSettings({ bucket, region, prefix = '', endpoint }: S3Settings): void {
  if (bucket === '' || region === '') throw new StoreError('bad-config', 'bucket or region is empty');
  checkObjectPrefix(prefix);
  if (prefix !== '' && (!prefix.endsWith('/') || prefix.length > 100)) throw new StoreError('bad-config', 'prefix');
  if (endpoint !== undefined && !URL.canParse(endpoint)) throw new StoreError('bad-config', 'endpoint is no address');
}

function joined(buffers: readonly Buffer[]): Buffer {
  return buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers);
}

function abortable({ signal }: ObjectCallOptions): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
