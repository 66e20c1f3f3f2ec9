import { Controller } from '@nestjs/common';
import { ClusterSettings } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { AgentViews } from '../agents/agent-views.ts';
import { notFound } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import type { Caller } from '../http/caller.ts';
import { TenantWrite } from '../http/tenant-write.ts';

interface LivePage {
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** A view's page query from a REST query. */
const pageQuery = ({ cursor, limit }: LivePage) => ({ limit, ...(cursor === undefined ? {} : { after: cursor }) });

/** A REST page from a view's page. */
const restPage = <T>({ items, next }: { readonly items: T[]; readonly next: string | null }) => ({
  items,
  ...(next === null ? {} : { nextCursor: next }),
});

/** What goes on in a cluster now; every answer comes from its node. */
@Controller()
export class LiveController {
  readonly #views: AgentViews;
  readonly #write: TenantWrite;
  readonly #database: Database;
  constructor(views: AgentViews, write: TenantWrite, database: Database) {
    this.#database = database;
    this.#views = views;
    this.#write = write;
  }

  @Route('listClients')
  async clients(@Input() { params, query }: RouteInput<'listClients'>): Promise<RouteOutput<'listClients'>> {
    const { prefix } = query;
    const asked = { ...pageQuery(query), ...(prefix === undefined ? {} : { prefix }) };
    return restPage(await this.#views.ask(params, 'clients', asked));
  }

  @Route('kickClient')
  async kick(@Input() input: RouteInput<'kickClient'>): Promise<void> {
    const { clientId } = input.params;
    await this.#act(input, 'client.kick', clientId, () => this.#views.ask(input.params, 'kick-client', { clientId }));
  }

  @Route('listSessions')
  async sessions(@Input() { params, query }: RouteInput<'listSessions'>): Promise<RouteOutput<'listSessions'>> {
    const { prefix } = query;
    const asked = { ...pageQuery(query), ...(prefix === undefined ? {} : { prefix }) };
    return restPage(await this.#views.ask(params, 'sessions', asked));
  }

  @Route('endSession')
  async endSession(@Input() input: RouteInput<'endSession'>): Promise<void> {
    const { clientId } = input.params;
    await this.#act(input, 'session.end', clientId, () => this.#views.ask(input.params, 'end-session', { clientId }));
  }

  @Route('listInbox')
  async inbox(@Input() { params, query }: RouteInput<'listInbox'>): Promise<RouteOutput<'listInbox'>> {
    return restPage(await this.#views.ask(params, 'inbox', { clientId: params.clientId, ...pageQuery(query) }));
  }

  @Route('clearInbox')
  async clearInbox(@Input() input: RouteInput<'clearInbox'>): Promise<void> {
    const { clientId } = input.params;
    await this.#act(input, 'inbox.clear', clientId, () => this.#views.ask(input.params, 'clear-inbox', { clientId }));
  }

  @Route('listSubscriptions')
  async subscriptions(
    @Input() { params, query }: RouteInput<'listSubscriptions'>,
  ): Promise<RouteOutput<'listSubscriptions'>> {
    const { clientId } = query;
    const asked = { ...pageQuery(query), ...(clientId === undefined ? {} : { clientId }) };
    return restPage(await this.#views.ask(params, 'subscriptions', asked));
  }

  @Route('listRetained')
  async retained(@Input() { params, query }: RouteInput<'listRetained'>): Promise<RouteOutput<'listRetained'>> {
    return restPage(await this.#views.ask(params, 'retained', { filter: query.filter, ...pageQuery(query) }));
  }

  @Route('deleteRetained')
  async deleteRetained(@Input() input: RouteInput<'deleteRetained'>): Promise<void> {
    const { topic } = input.query;
    await this.#act(input, 'retained.delete', topic, () => this.#views.ask(input.params, 'delete-retained', { topic }));
  }

  @Route('listDelayed')
  async delayed(@Input() { params, query }: RouteInput<'listDelayed'>): Promise<RouteOutput<'listDelayed'>> {
    return restPage(await this.#views.ask(params, 'delayed', pageQuery(query)));
  }

  @Route('cancelDelayed')
  async cancelDelayed(@Input() input: RouteInput<'cancelDelayed'>): Promise<void> {
    const id = input.params.delayedId;
    await this.#act(input, 'delayed.cancel', id, () => this.#views.ask(input.params, 'cancel-delayed', { id }));
  }

  @Route('listSlowSubscribers')
  async slow(@Input() { params }: RouteInput<'listSlowSubscribers'>): Promise<RouteOutput<'listSlowSubscribers'>> {
    return restPage(await this.#views.ask(params, 'slow-subscribers', {}));
  }

  @Route('listEvents')
  async events(@Input() { params, query }: RouteInput<'listEvents'>): Promise<RouteOutput<'listEvents'>> {
    return restPage(await this.#views.ask(params, 'events', pageQuery(query)));
  }

  @Route('explainAccess')
  async explain(@Input() { params, query }: RouteInput<'explainAccess'>): Promise<RouteOutput<'explainAccess'>> {
    const decided = await this.#views.ask(params, 'explain', query);
    const row = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.cluster.findUnique({ where: { id: params.clusterId }, select: { settings: true } }),
    );
    if (!row) throw notFound();
    const { acl } = ClusterSettings.parse(row.settings);
    const rule = acl.rules.find((one) => one.id === decided.ruleId) ?? null;
    return { ...decided, rule, whenNoRuleMatches: acl.whenNoRuleMatches };
  }

  @Route('listBans')
  async bans(@Input() { params }: RouteInput<'listBans'>): Promise<RouteOutput<'listBans'>> {
    return restPage(await this.#views.ask(params, 'bans', {}));
  }

  @Route('liftBan')
  async liftBan(@Input() input: RouteInput<'liftBan'>): Promise<void> {
    const { kind, value } = input.query;
    await this.#act(input, 'ban.lift', `${kind} ${value}`, () =>
      this.#views.ask(input.params, 'unban', { kind, value }),
    );
  }

  @Route('listGroups')
  async groups(@Input() { params, query }: RouteInput<'listGroups'>): Promise<RouteOutput<'listGroups'>> {
    return restPage(await this.#views.ask(params, 'groups', pageQuery(query)));
  }

  @Route('resetOffsets')
  async resetOffsets(@Input() input: RouteInput<'resetOffsets'>): Promise<RouteOutput<'resetOffsets'>> {
    const group = input.params.groupName;
    const reply = await this.#views.ask(input.params, 'reset-offsets', { group, ...input.body });
    await this.#record(input, 'group.reset-offsets', group, { ...input.body });
    return reply;
  }

  @Route('listTopicStats')
  async topics(@Input() { params, query }: RouteInput<'listTopicStats'>): Promise<RouteOutput<'listTopicStats'>> {
    return restPage(await this.#views.ask(params, 'topics', pageQuery(query)));
  }

  @Route('getTopicTiers')
  async tiers(@Input() { params }: RouteInput<'getTopicTiers'>): Promise<RouteOutput<'getTopicTiers'>> {
    return this.#views.ask(params, 'topic-tiers', { topic: params.topicName });
  }

  @Route('listRecords')
  async records(@Input() { params, query }: RouteInput<'listRecords'>): Promise<RouteOutput<'listRecords'>> {
    return this.#views.ask(params, 'records', { topic: params.topicName, ...query });
  }

  /** An action at the node, then its audit row: what was not done is not written down as done. */
  async #act(caller: Caller, action: string, id: string, work: () => Promise<{ done: boolean }>): Promise<void> {
    const { done } = await work();
    if (!done) throw notFound();
    await this.#record(caller, action, id);
  }

  async #record(caller: Caller, action: string, id: string, detail?: Record<string, unknown>): Promise<void> {
    const clusterId = caller.params['clusterId']!;
    await this.#write.run(caller, action, () =>
      Promise.resolve({
        answer: null,
        target: { type: action.split('.')[0]!, id: `${clusterId}/${id.slice(0, 500)}` },
        detail: { clusterId, ...detail },
      }),
    );
  }
}
