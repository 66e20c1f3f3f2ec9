import { Controller } from '@nestjs/common';
import { ClusterSettings, type AclRule, type BlacklistEntry } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { base62 } from '../auth/tokens.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { validated } from '../http/validation.ts';
import { existingCluster } from './cluster-change.ts';
import { placeOf, settingsOf, SettingsWriter } from './settings-writer.ts';

const ID_LENGTH = 12;

const sorted = <T extends { readonly id: string }>(list: readonly T[]): T[] =>
  list.toSorted((a, b) => (a.id < b.id ? -1 : 1));

const pageFrom = <T extends { readonly id: string }>(
  list: readonly T[],
  query: { cursor?: string | undefined; limit: number },
) => {
  const after = readCursor(query.cursor, 1)?.[0] ?? '';
  const rest = sorted(list).filter((one) => one.id > after);
  return pageOf(rest.slice(0, query.limit + 1), query.limit, (one) => [one.id]);
};

function addedTo<T extends { readonly id: string }>(list: readonly T[], one: T): T[] {
  if (list.some((other) => other.id === one.id))
    throw new ProblemError('name-taken', { detail: `There is an entry "${one.id}" already.` });
  return [...list, one];
}

/** ACL rules and the blacklist: single entries of the settings, each change a revision like any other. */
@Controller()
export class AclController {
  readonly #database: Database;
  readonly #writer: SettingsWriter;
  constructor(database: Database, writer: SettingsWriter) {
    this.#database = database;
    this.#writer = writer;
  }

  @Route('listAclRules')
  async rules(@Input() { params, query }: RouteInput<'listAclRules'>): Promise<RouteOutput<'listAclRules'>> {
    const { acl } = await this.#settings(params);
    return { ...pageFrom(acl.rules, query), whenNoRuleMatches: acl.whenNoRuleMatches };
  }

  @Route('createAclRule')
  async addRule(@Input() input: RouteInput<'createAclRule'>): Promise<RouteOutput<'createAclRule'>> {
    const rule: AclRule = { ...input.body, id: input.body.id ?? `rule-${base62(ID_LENGTH)}` };
    return this.#rules(input, 'acl-rule.create', rule.id, (rules) => addedTo(rules, rule));
  }

  @Route('updateAclRule')
  async changeRule(@Input() input: RouteInput<'updateAclRule'>): Promise<RouteOutput<'updateAclRule'>> {
    const id = input.params.ruleId;
    return this.#rules(input, 'acl-rule.update', id, (rules) => rules.with(placeOf(rules, id), { ...input.body, id }));
  }

  @Route('deleteAclRule')
  async removeRule(@Input() input: RouteInput<'deleteAclRule'>): Promise<void> {
    const id = input.params.ruleId;
    await this.#change(input, 'acl-rule.delete', (settings) => {
      const { rules } = settings.acl;
      return { ...settings, acl: { ...settings.acl, rules: rules.toSpliced(placeOf(rules, id), 1) } };
    });
  }

  @Route('listBlacklist')
  async blacklist(@Input() { params, query }: RouteInput<'listBlacklist'>): Promise<RouteOutput<'listBlacklist'>> {
    return pageFrom((await this.#settings(params)).blacklist, query);
  }

  @Route('createBlacklistEntry')
  async addEntry(@Input() input: RouteInput<'createBlacklistEntry'>): Promise<RouteOutput<'createBlacklistEntry'>> {
    const entry: BlacklistEntry = { ...input.body, id: input.body.id ?? `ban-${base62(ID_LENGTH)}` };
    const written = await this.#change(input, 'blacklist.create', (settings) => ({
      ...settings,
      blacklist: addedTo(settings.blacklist, entry),
    }));
    return written.blacklist.find((one) => one.value === entry.value && one.kind === entry.kind) ?? entry;
  }

  @Route('deleteBlacklistEntry')
  async removeEntry(@Input() input: RouteInput<'deleteBlacklistEntry'>): Promise<void> {
    const id = input.params.entryId;
    await this.#change(input, 'blacklist.delete', (settings) => ({
      ...settings,
      blacklist: settings.blacklist.toSpliced(placeOf(settings.blacklist, id), 1),
    }));
  }

  async #settings(params: { readonly tenantId: string; readonly clusterId: string }): Promise<ClusterSettings> {
    return settingsOf(await this.#database.withTenant(params.tenantId, (tx) => existingCluster(tx, params.clusterId)));
  }

  async #rules(
    input: RouteInput<'createAclRule'> | RouteInput<'updateAclRule'>,
    reason: string,
    id: string,
    next: (rules: AclRule[]) => AclRule[],
  ): Promise<AclRule> {
    const { acl } = await this.#change(input, reason, (settings) => ({
      ...settings,
      acl: { ...settings.acl, rules: next(settings.acl.rules) },
    }));
    // a repeated request answers the rule the first one made, whatever id this one would have given it
    return acl.rules.find((rule) => rule.id === id) ?? acl.rules.at(-1)!;
  }

  async #change(
    input: Parameters<SettingsWriter['change']>[0],
    reason: string,
    next: (settings: ClusterSettings) => ClusterSettings,
  ): Promise<ClusterSettings> {
    const checked = (current: ClusterSettings): ClusterSettings => validated(ClusterSettings, next(current), 'body');
    return (await this.#writer.change(input, { reason, next: checked })).settings;
  }
}
