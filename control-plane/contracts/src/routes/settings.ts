import { z } from 'zod';
import { AclRule, BlacklistEntry, ClusterSettings } from '../cluster-settings.ts';
import { PageQuery } from '../rest/page.ts';
import {
  AclRulePage,
  BlacklistPage,
  CreateAclRuleBody,
  CreateBlacklistEntryBody,
  DryRunQuery,
  Settings,
  SettingsPatch,
  SettingsRevisionDetail,
  SettingsRevisionPage,
  SettingsWritten,
  UpdateAclRuleBody,
} from '../rest/settings.ts';
import { clusterParams, IN_CLUSTER } from './paths.ts';
import type { Route } from './route.ts';

const revision = clusterParams.extend({ revision: z.coerce.number().int().min(0).max(2_147_483_647) });
const rule = clusterParams.extend({ ruleId: z.string().min(1).max(64) });
const entry = clusterParams.extend({ entryId: z.string().min(1).max(64) });
const read = { tag: 'settings', access: { permission: 'settings:read' }, status: 200 } as const;
const write = { tag: 'settings', access: { permission: 'settings:write' } } as const;

/** A cluster's settings as revisions; ACL rules and blacklist are views of the same settings. */
export const SETTINGS_ROUTES = {
  getSettings: {
    ...{
      method: 'get',
      path: `${IN_CLUSTER}/settings`,
      ...read,
      params: clusterParams,
      response: Settings,
      etag: 'revision',
    },
    summary: 'Reads the settings in force',
  },
  setSettings: {
    ...{ method: 'put', path: `${IN_CLUSTER}/settings`, ...write, params: clusterParams, query: DryRunQuery },
    ...{ body: ClusterSettings, status: 200, response: SettingsWritten, etag: 'revision' },
    summary: 'Replaces the settings by a new revision; applied without a restart',
    problems: ['conflict', 'precondition-failed'],
  },
  patchSettings: {
    ...{ method: 'patch', path: `${IN_CLUSTER}/settings`, ...write, params: clusterParams, query: DryRunQuery },
    ...{ body: SettingsPatch, status: 200, response: SettingsWritten, etag: 'revision' },
    summary: 'Changes some settings (JSON merge patch) in a new revision',
    problems: ['conflict', 'precondition-failed'],
  },
  listSettingsRevisions: {
    ...{ method: 'get', path: `${IN_CLUSTER}/settings/revisions`, ...read, params: clusterParams, query: PageQuery },
    response: SettingsRevisionPage,
    summary: 'Lists revisions, newest first: who changed what',
  },
  getSettingsRevision: {
    ...{ method: 'get', path: `${IN_CLUSTER}/settings/revisions/{revision}`, ...read, params: revision },
    response: SettingsRevisionDetail,
    summary: 'Reads one revision',
  },
  rollbackSettings: {
    ...{ method: 'post', path: `${IN_CLUSTER}/settings/revisions/{revision}/rollback`, ...write, params: revision },
    ...{ query: DryRunQuery, status: 200, response: SettingsWritten, etag: 'revision' },
    summary: 'Makes the settings of an earlier revision the newest one',
    problems: ['conflict', 'precondition-failed'],
  },
  listAclRules: {
    ...{ method: 'get', path: `${IN_CLUSTER}/acl-rules`, ...read, params: clusterParams, query: PageQuery },
    response: AclRulePage,
    summary: 'Lists ACL rules',
  },
  createAclRule: {
    ...{ method: 'post', path: `${IN_CLUSTER}/acl-rules`, ...write, params: clusterParams },
    ...{ body: CreateAclRuleBody, status: 201, response: AclRule },
    dryRun: true,
    summary: 'Adds an ACL rule; a matching deny beats every allow',
    problems: ['conflict', 'name-taken'],
  },
  updateAclRule: {
    ...{ method: 'put', path: `${IN_CLUSTER}/acl-rules/{ruleId}`, ...write, params: rule },
    ...{ body: UpdateAclRuleBody, status: 200, response: AclRule },
    dryRun: true,
    summary: 'Replaces an ACL rule',
    problems: ['conflict'],
  },
  deleteAclRule: {
    ...{ method: 'delete', path: `${IN_CLUSTER}/acl-rules/{ruleId}`, ...write, params: rule },
    ...{ status: 204, response: z.void() },
    dryRun: true,
    summary: 'Removes an ACL rule',
    problems: ['conflict'],
  },
  listBlacklist: {
    ...{ method: 'get', path: `${IN_CLUSTER}/blacklist`, ...read, params: clusterParams, query: PageQuery },
    response: BlacklistPage,
    summary: 'Lists who is kept out',
  },
  createBlacklistEntry: {
    ...{ method: 'post', path: `${IN_CLUSTER}/blacklist`, ...write, params: clusterParams },
    ...{ body: CreateBlacklistEntryBody, status: 201, response: BlacklistEntry },
    dryRun: true,
    summary: 'Keeps a client, user or address out and cuts its connections',
    problems: ['conflict', 'name-taken'],
  },
  deleteBlacklistEntry: {
    ...{ method: 'delete', path: `${IN_CLUSTER}/blacklist/{entryId}`, ...write, params: entry },
    ...{ status: 204, response: z.void() },
    dryRun: true,
    summary: 'Lets them in again',
    problems: ['conflict'],
  },
} as const satisfies Record<string, Route>;
