import {
  allItems,
  bodyOf,
  createClient,
  type Authentication,
  type Cluster,
  type Me,
  type RestClient,
  type Session,
} from '@robustmq/client';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { print, type OutputFormat } from './output.ts';
import { configPath, ProfileStore, type Profile } from './profile-store.ts';
import type { Terminal } from './terminal.ts';

/** Options every command takes. */
export interface GlobalOptions {
  readonly output?: OutputFormat;
  readonly server?: string;
  readonly profile?: string;
  readonly tenant?: string;
}

export const DEFAULT_SERVER = 'http://localhost:8080';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Scheme, host and port of a control plane; throws a usage Failure for anything else. */
export function serverOf(text: string): string {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw usageFailure(`"${text}" is not the address of a control plane.`, `Use something like ${DEFAULT_SERVER}.`);
  }
  return url.origin;
}

/** One run of robust-ctl: the profile it uses, and ways to reach tenant and clusters. */
export class Context {
  readonly terminal: Terminal;
  readonly globals: GlobalOptions;
  readonly store: ProfileStore;
  readonly profileName: string;
  readonly profile: Profile;
  readonly server: string;
  readonly format: OutputFormat;
  #client: RestClient | undefined;

  private constructor(terminal: Terminal, globals: GlobalOptions, store: ProfileStore, profile: Profile) {
    this.terminal = terminal;
    this.globals = globals;
    this.store = store;
    this.profileName = profileNameOf(terminal, globals);
    this.profile = profile;
    this.server = serverOf(globals.server ?? (terminal.env['ROBUSTMQ_URL'] || profile.server || DEFAULT_SERVER));
    this.format = globals.output ?? profile.output ?? 'table';
  }

  static async open(terminal: Terminal, globals: GlobalOptions): Promise<Context> {
    const store = new ProfileStore(configPath(terminal.env));
    return new Context(terminal, globals, store, await store.read(profileNameOf(terminal, globals)));
  }

  /** Writes a result to stdout in the chosen format. */
  print(data: unknown, table: () => string): Promise<void> {
    return print(this.terminal, this.format, data, table);
  }

  /** A client that needs no account: sign-up, login. */
  anonymous(): RestClient {
    return createClient({ baseUrl: this.server, headers: { 'user-agent': 'robust-ctl' } });
  }

  /** The signed-in client; throws Failure `denied` when nobody is. */
  client(): RestClient {
    this.#client ??= createClient({
      baseUrl: this.server,
      authentication: this.#authentication(),
      headers: { 'user-agent': 'robust-ctl' },
    });
    return this.#client;
  }

  /** Whether there is anything to sign requests with. */
  signedIn(): boolean {
    return (
      Boolean(this.terminal.env['ROBUSTMQ_API_KEY']) ||
      (this.#profileIsOfServer() && Boolean(this.profile.refreshToken))
    );
  }

  #profileIsOfServer(): boolean {
    return (this.profile.server ?? DEFAULT_SERVER) === this.server;
  }

  #authentication(): Authentication {
    const key = this.terminal.env['ROBUSTMQ_API_KEY'];
    if (key) return { kind: 'api-key', key };
    if (!this.profile.refreshToken) {
      throw new Failure(
        EXIT.denied,
        'You are not logged in.',
        'robust-ctl login --email E --password P, or set ROBUSTMQ_API_KEY.',
      );
    }
    // Tokens of one server are never shown to another.
    if (!this.#profileIsOfServer()) {
      throw new Failure(
        EXIT.denied,
        `You are logged in at ${this.profile.server}, not at ${this.server}.`,
        `robust-ctl login --server ${this.server} --profile NAME --email E --password P`,
      );
    }
    return { kind: 'session', store: this.#tokenStore() };
  }

  #tokenStore() {
    const { store, profileName } = this;
    return {
      load: async () => {
        const { accessToken, refreshToken } = await store.read(profileName);
        return refreshToken === undefined ? undefined : { accessToken, refreshToken };
      },
      // Called inside `exclusive` only: the refresh is the one thing that rotates tokens.
      save: (tokens: { accessToken?: string | undefined; refreshToken: string } | undefined) =>
        store.updateLocked(profileName, ({ accessToken: _access, refreshToken: _refresh, ...rest }) =>
          tokens === undefined
            ? rest
            : {
                ...rest,
                refreshToken: tokens.refreshToken,
                ...(tokens.accessToken === undefined ? {} : { accessToken: tokens.accessToken }),
              },
        ),
      exclusive: <T>(work: () => Promise<T>) => store.exclusive(work),
    };
  }

  /** Remembers a new session in the profile, with the tenant to act on. */
  async remember(session: Session): Promise<void> {
    const wanted = this.globals.tenant;
    const tenant = session.tenants.find((t) => t.id === wanted || t.name === wanted) ?? session.tenants[0];
    await this.store.update(this.profileName, ({ tenant: _tenant, ...old }) => ({
      ...old,
      server: this.server,
      email: session.user.email,
      accessToken: session.accessToken,
      refreshToken: session.refreshToken,
      ...(tenant ? { tenant: tenant.id } : {}),
    }));
  }

  me(): Promise<Me> {
    return bodyOf(this.client().GET('/v1/me'));
  }

  /** The id of the tenant to act on: `--tenant` (id or name), `ROBUSTMQ_TENANT`, the profile's, or the only one there is. */
  async tenantId(): Promise<string> {
    const client = this.client();
    const viaKey = Boolean(this.terminal.env['ROBUSTMQ_API_KEY']);
    const wanted =
      this.globals.tenant ?? (this.terminal.env['ROBUSTMQ_TENANT'] || (viaKey ? undefined : this.profile.tenant));
    if (wanted !== undefined && UUID.test(wanted)) return wanted;
    const { tenants } = await bodyOf(client.GET('/v1/me'));
    const fitting = wanted === undefined ? tenants : tenants.filter((tenant) => tenant.name === wanted);
    if (fitting.length === 1) return fitting[0]!.id;
    if (fitting.length === 0 && wanted !== undefined) {
      throw new Failure(
        EXIT.notFound,
        `You belong to no tenant named "${wanted}".`,
        'See yours with: robust-ctl whoami',
      );
    }
    if (fitting.length === 0) throw new Failure(EXIT.notFound, 'You belong to no tenant.');
    const list = fitting.map((tenant) => `${tenant.name} (${tenant.id})`).join(', ');
    throw usageFailure(`You belong to several tenants: ${list}.`, 'Choose one with --tenant ID.');
  }

  /** Finds a cluster by id, name or key. `text` undefined = the profile's default cluster. */
  async cluster(text: string | undefined): Promise<Cluster> {
    const wanted = text ?? (this.terminal.env['ROBUSTMQ_CLUSTER'] || this.profile.cluster);
    if (wanted === undefined) {
      throw usageFailure('Which cluster?', 'Add --cluster NAME, or once: robust-ctl config set cluster NAME');
    }
    const tenantId = await this.tenantId();
    const client = this.client();
    if (UUID.test(wanted)) {
      return bodyOf(
        client.GET('/v1/tenants/{tenantId}/clusters/{clusterId}', {
          params: { path: { tenantId, clusterId: wanted } },
        }),
      );
    }
    const byName = await bodyOf(
      client.GET('/v1/tenants/{tenantId}/clusters', { params: { path: { tenantId }, query: { name: wanted } } }),
    );
    const found =
      byName.items.find((cluster) => cluster.name === wanted) ?? (await this.#clusterByKey(tenantId, wanted));
    if (!found) {
      throw new Failure(EXIT.notFound, `There is no cluster "${wanted}".`, 'See yours with: robust-ctl cluster list');
    }
    return found;
  }

  async #clusterByKey(tenantId: string, key: string): Promise<Cluster | undefined> {
    return (await this.clusters(tenantId)).find((cluster) => cluster.key === key);
  }

  clusters(tenantId: string): Promise<Cluster[]> {
    const client = this.client();
    return allItems((cursor) =>
      bodyOf(
        client.GET('/v1/tenants/{tenantId}/clusters', {
          params: { path: { tenantId }, query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } },
        }),
      ),
    );
  }
}

const profileNameOf = (terminal: Terminal, globals: GlobalOptions): string =>
  globals.profile ?? (terminal.env['ROBUSTMQ_PROFILE'] || 'default');
