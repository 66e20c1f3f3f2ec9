import { createHmac } from 'node:crypto';
import type { HttpAuthenticationSettings } from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import type { AdmitRequest } from './broker-types.ts';
import { TokenAcl } from './token-acl.ts';

/** Answers one namespace remembers; the one that was used longest ago goes. */
const ANSWERS_MAX = 10_000;
/** Questions of one namespace under way at a time … */
const ASKING_MAX = 32;
/** … and those that may wait for that; more are refused at once. */
const WAITING_MAX = 1_000;
/** Who has waited so long for its question to be asked is refused: a connection must not hang on a slow service. */
const WAIT_MS_MAX = 2_000;
/** Bytes of an answer; a longer one is none. */
const ANSWER_BYTES_MAX = 65_536;
/** After so many questions in a row without an answer … */
const FAILURES_MAX = 5;
/** … nobody is asked for so long: a service that is down is not beaten, and clients are not kept waiting for it. */
const PAUSE_MS = 5_000;
/** With `last-answer`: for so long behind its time an answer that let in still counts while there is no newer one. */
const LAST_ANSWER_MS_MAX = 24 * 3_600_000;

/** One question to a tenant's own service. */
export interface HttpQuestion {
  readonly url: string;
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
  /** More is not read: `body` of the answer is cut there. */
  readonly answerBytesMax: number;
}
/** Who asks it: the node, which also sees to it that nothing of its own network is reached. Rejects without an answer. */
export interface HttpCaller {
  call(question: HttpQuestion): Promise<{ readonly status: number; readonly body: string }>;
}

/** What the service said of one client; `unavailable` = nothing that counts. */
export type HttpVerdict =
  | { readonly kind: 'allow'; readonly expiresAtMs: number; readonly acl: TokenAcl | null }
  | { readonly kind: 'deny' }
  | { readonly kind: 'unavailable' };
interface Remembered {
  readonly verdict: HttpVerdict;
  readonly untilMs: number;
}

const UNAVAILABLE: HttpVerdict = { kind: 'unavailable' };
const DENY: HttpVerdict = { kind: 'deny' };
/** Cached answers are found by a keyed hash: no password is kept. */
const KEY_BYTES = 32;

/**
 * Authentication by a tenant's own HTTP service. The question is a POST of JSON: `username`, `password`, `clientid`,
 * `peerhost`, `protocol`, `cluster`. Yes is 204, or 200 with `{"result": "allow"}` and, where wanted, `expire_at` (seconds)
 * and `acl` (see TokenAcl); no is 200 with `deny` or `ignore`, 401 and 403; everything else is no answer.
 */
export class HttpAuthentication {
  readonly #settings: HttpAuthenticationSettings;
  readonly #cluster: string;
  readonly #caller: HttpCaller;
  readonly #runtime: Runtime;
  readonly #key: Buffer;
  /** In the order of use, the newest last. */
  readonly #answers = new Map<string, Remembered>();
  readonly #asking = new Map<string, Promise<HttpVerdict>>();
  #running = 0;
  #waiting: (() => void)[] = [];
  #failures = 0;
  #pausedUntilMs = -Infinity;

  constructor(settings: HttpAuthenticationSettings, cluster: string, caller: HttpCaller, runtime: Runtime) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#caller = caller;
    this.#runtime = runtime;
    this.#key = runtime.randomBytes(KEY_BYTES);
  }

  /** What is known of this client without asking; null = it must be asked. */
  remembered(name: string, request: AdmitRequest): HttpVerdict | null {
    const key = this.#keyOf(name, request);
    const known = this.#answers.get(key);
    if (known === undefined || known.untilMs <= this.#runtime.nowMs()) return null;
    this.#answers.delete(key);
    this.#answers.set(key, known);
    return known.verdict;
  }
  /** Asks; clients that say the same of themselves share one question. Never rejects. */
  ask(name: string, request: AdmitRequest): Promise<HttpVerdict> {
    const key = this.#keyOf(name, request);
    const known = this.#asking.get(key);
    if (known !== undefined) return known;
    if (this.#runtime.monotonicMs() < this.#pausedUntilMs || this.#waiting.length >= WAITING_MAX) {
      return Promise.resolve(this.#withoutAnswer(key));
    }
    const asking = this.#ask(key, name, request).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(key: string, name: string, request: AdmitRequest): Promise<HttpVerdict> {
    if (!(await this.#turn())) return this.#withoutAnswer(key);
    try {
      // it may have gone down while this one waited
      if (this.#runtime.monotonicMs() < this.#pausedUntilMs) return this.#withoutAnswer(key);
      const { url, headers, timeoutMs } = this.#settings;
      const { status, body } = await this.#caller.call({
        ...{ url, method: 'POST', timeoutMs, answerBytesMax: ANSWER_BYTES_MAX },
        headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
        body: this.#question(name, request),
      });
      const verdict = readVerdict(status, body, this.#runtime.nowMs());
      if (verdict.kind === 'unavailable') throw new Error(`the answer was ${status}, in no form that is known`);
      this.#failures = 0;
      this.#remember(key, verdict);
      return verdict;
    } catch (error) {
      this.#failed(error);
      return this.#withoutAnswer(key);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
  /** Waits until the question may be asked; false = it took too long. */
  #turn(): Promise<boolean> {
    if (this.#running < ASKING_MAX) {
      this.#running++;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const begin = (): void => {
        cancel();
        resolve(true);
      };
      const cancel = this.#runtime.after(WAIT_MS_MAX, () => {
        this.#waiting = this.#waiting.filter((other) => other !== begin);
        resolve(false);
      });
      this.#waiting.push(begin);
    });
  }
  #failed(error: unknown): void {
    this.#runtime.log.warn({ cluster: this.#cluster, error }, 'the authentication service of a cluster gave no answer');
    if (++this.#failures < FAILURES_MAX) return;
    this.#failures = 0;
    this.#pausedUntilMs = this.#runtime.monotonicMs() + PAUSE_MS;
  }
  #question(name: string, { password, clientId, remoteAddress, protocol }: AdmitRequest): string {
    const cluster = this.#cluster;
    const text = password === null ? '' : password.toString('utf8');
    return JSON.stringify({
      ...{ username: name, password: text, clientid: clientId ?? '', peerhost: remoteAddress, protocol, cluster },
    });
  }
  #remember(key: string, verdict: HttpVerdict): void {
    const { allowCacheSeconds, denyCacheSeconds } = this.#settings;
    const nowMs = this.#runtime.nowMs();
    const seconds = verdict.kind === 'allow' ? allowCacheSeconds : denyCacheSeconds;
    const untilMs = Math.min(nowMs + seconds * 1000, verdict.kind === 'allow' ? verdict.expiresAtMs : Infinity);
    this.#answers.delete(key);
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.delete(this.#answers.keys().next().value!);
    this.#answers.set(key, { verdict, untilMs });
  }
  /** The service does not answer: nobody is let in, but for those it let in lately where the cluster wants that. */
  #withoutAnswer(key: string): HttpVerdict {
    if (this.#settings.whenUnavailable !== 'last-answer') return UNAVAILABLE;
    const last = this.#answers.get(key);
    const nowMs = this.#runtime.nowMs();
    if (last?.verdict.kind !== 'allow' || last.verdict.expiresAtMs <= nowMs) return UNAVAILABLE;
    return nowMs - last.untilMs < LAST_ANSWER_MS_MAX ? last.verdict : UNAVAILABLE;
  }
  #keyOf(name: string, { password, clientId, remoteAddress, protocol }: AdmitRequest): string {
    const secret = password === null ? '' : password.toString('base64');
    const what = JSON.stringify([name, secret, clientId ?? '', remoteAddress, protocol]);
    return createHmac('sha256', this.#key).update(what).digest('base64');
  }
}

/** What an answer says; `unavailable` for whatever is none. */
function readVerdict(status: number, body: string, nowMs: number): HttpVerdict {
  if (status === 204) return { kind: 'allow', expiresAtMs: Infinity, acl: null };
  if (status === 401 || status === 403) return DENY;
  if (status !== 200) return UNAVAILABLE;
  const answer = parse(body);
  if (answer?.['result'] === 'deny' || answer?.['result'] === 'ignore') return DENY;
  if (answer?.['result'] !== 'allow') return UNAVAILABLE;
  const { expire_at: expireAt, acl } = answer;
  if (expireAt !== undefined && (typeof expireAt !== 'number' || expireAt * 1000 <= nowMs)) return DENY;
  const rules = acl === undefined ? null : TokenAcl.parse(acl);
  // rules that are not understood would let in with fewer of them
  if (acl !== undefined && rules === null) return DENY;
  return { kind: 'allow', expiresAtMs: expireAt === undefined ? Infinity : expireAt * 1000, acl: rules };
}
function parse(body: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
