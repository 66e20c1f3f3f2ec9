import { z } from 'zod';
import { AclRule, BlacklistEntry, ClusterSettings } from '../cluster-settings.ts';
import { pageOf } from './page.ts';

/** `?dry_run=true` checks everything and changes nothing. */
export const DryRunQuery = z.object({ dry_run: z.enum(['true', 'false']).default('false') });

/** One place that differs between two revisions: an RFC 6901 pointer; an absent side means it was not there. */
export const SettingsChange = z.object({ path: z.string(), from: z.unknown().optional(), to: z.unknown().optional() });
export type SettingsChange = z.infer<typeof SettingsChange>;

/** `GET …/clusters/{clusterId}/settings`. Secrets inside (symmetric token keys) are shown as `***`; sent back, they stay. */
export const Settings = z.object({
  /** Grows by one with every change; 0 = nobody has changed anything. The ETag. */
  revision: z.int(),
  settings: ClusterSettings,
  /** True once the node applies this revision. */
  applied: z.boolean(),
});
export type Settings = z.infer<typeof Settings>;

/** The answer to a write: the revision it made, or would make. */
export const SettingsWritten = Settings.extend({ changes: z.array(SettingsChange), dryRun: z.boolean() });
export type SettingsWritten = z.infer<typeof SettingsWritten>;

/** `PATCH …/settings`: a JSON merge patch (RFC 7396): objects are merged, lists replaced, null takes back to the default. */
export const SettingsPatch = z.record(z.string(), z.unknown());

export const SettingsRevision = z.object({
  revision: z.int(),
  at: z.iso.datetime(),
  author: z.object({ type: z.enum(['user', 'api-key', 'system']), id: z.string() }),
  /** `set`, `patch`, `rollback to N`, `acl-rule.create` … */
  reason: z.string(),
  changes: z.array(SettingsChange),
});
export const SettingsRevisionPage = pageOf(SettingsRevision);
export const SettingsRevisionDetail = SettingsRevision.extend({ settings: ClusterSettings });

/** `POST …/acl-rules`: rules are asked in no order, a matching deny wins; `id` is made when it is left out. */
export const CreateAclRuleBody = AclRule.partial({ id: true });
export const UpdateAclRuleBody = AclRule.omit({ id: true });
export const AclRulePage = pageOf(AclRule).extend({
  /** What happens where no rule matches; changed through `settings`. */
  whenNoRuleMatches: z.enum(['allow', 'deny']),
});

export const CreateBlacklistEntryBody = BlacklistEntry.partial({ id: true });
export const BlacklistPage = pageOf(BlacklistEntry);
