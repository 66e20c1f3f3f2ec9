import { apiErrorOf } from './api-error.ts';

/** The two tokens of a session. A session read back from a store may have lost its access token: it is refreshed first. */
export interface SessionTokens {
  readonly accessToken?: string | undefined;
  readonly refreshToken: string;
}

/**
 * Where a session's tokens live. A refresh token works once, and using it twice ends the session, so everybody who shares
 * a store (processes, browser tabs) must refresh under `exclusive` and look at `load` again inside it.
 */
export interface TokenStore {
  load(): Promise<SessionTokens | undefined> | SessionTokens | undefined;
  /** Called with the rotated tokens before anything uses them, and with undefined when the session is over. */
  save(tokens: SessionTokens | undefined): Promise<void> | void;
  /** Runs one refresh at a time among all users of the store. Default: one at a time within this client. */
  exclusive?<T>(run: () => Promise<T>): Promise<T>;
}

/** How a client proves who it is. */
export type Authentication =
  | { readonly kind: 'none' }
  | { readonly kind: 'api-key'; readonly key: string }
  | { readonly kind: 'session'; readonly store: TokenStore };

/** A store in memory, for tests and one-off scripts. */
export function memoryTokenStore(initial?: SessionTokens): TokenStore & { tokens: SessionTokens | undefined } {
  return {
    tokens: initial,
    load() {
      return this.tokens;
    },
    save(tokens) {
      this.tokens = tokens;
    },
  };
}

/** Hands out access tokens and rotates them: however many requests meet a 401, one refresh is sent. */
export class SessionRefresher {
  readonly #store: TokenStore;
  readonly #send: (refreshToken: string) => Promise<Response>;
  #running: Promise<string | undefined> | undefined;

  constructor(store: TokenStore, send: (refreshToken: string) => Promise<Response>) {
    this.#store = store;
    this.#send = send;
  }

  /** The access token to send, refreshing if the store has none; undefined when nobody is signed in. */
  async accessToken(): Promise<string | undefined> {
    const tokens = await this.#store.load();
    if (!tokens) return undefined;
    return tokens.accessToken ?? this.renew(undefined);
  }

  /**
   * A token newer than `refused`; undefined when the session is over. Rejects with ApiError or ConnectionError when the
   * server could not tell: the session is then kept.
   */
  renew(refused: string | undefined): Promise<string | undefined> {
    this.#running ??= this.#renewAlone(refused).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  #renewAlone(refused: string | undefined): Promise<string | undefined> {
    const run = async (): Promise<string | undefined> => {
      const latest = await this.#store.load();
      if (!latest) return undefined;
      // Another process or tab was faster: its token is good.
      if (latest.accessToken !== undefined && latest.accessToken !== refused) return latest.accessToken;
      const response = await this.#send(latest.refreshToken);
      if (response.status === 401 || response.status === 400) {
        await this.#store.save(undefined);
        return undefined;
      }
      if (!response.ok) throw await apiErrorOf(response);
      const session = (await response.json()) as { accessToken: string; refreshToken: string };
      await this.#store.save({ accessToken: session.accessToken, refreshToken: session.refreshToken });
      return session.accessToken;
    };
    return this.#store.exclusive ? this.#store.exclusive(run) : run();
  }
}
