import { z } from 'zod';
import { NODE_VIEWS } from '../node-views.ts';
import { Explanation, ExplainQuery, livePageOf, LivePageQuery, ResetOffsets, ResetOffsetsBody } from '../rest/live.ts';
import { clusterParams, IN_CLUSTER } from './paths.ts';
import type { Route } from './route.ts';

const text = z.string().min(1).max(1_024);
const client = clusterParams.extend({ clientId: z.string().min(1).max(4_096) });
const nothing = z.void();
const look = {
  method: 'get',
  tag: 'live',
  access: { permission: 'live:read' },
  params: clusterParams,
  status: 200,
  problems: ['unavailable'],
} as const;
const act = {
  tag: 'live',
  access: { permission: 'live:write' },
  params: clusterParams,
  status: 204,
  response: nothing,
  problems: ['unavailable'],
} as const;

/** What goes on in a cluster at this moment: asked of the node through its agent, so `unavailable` while that is away. */
export const LIVE_ROUTES = {
  listClients: {
    ...look,
    ...{ path: `${IN_CLUSTER}/clients`, query: LivePageQuery.extend({ prefix: text.optional() }) },
    response: livePageOf(NODE_VIEWS.clients.reply),
    summary: 'Live: connected clients',
  },
  kickClient: {
    ...act,
    ...{ method: 'delete', path: `${IN_CLUSTER}/clients/{clientId}`, params: client },
    summary: 'Cuts a client’s connection; it may come back',
  },
  listSessions: {
    ...look,
    ...{ path: `${IN_CLUSTER}/sessions`, query: LivePageQuery.extend({ prefix: text.optional() }) },
    response: livePageOf(NODE_VIEWS.sessions.reply),
    summary: 'Live: MQTT sessions, connected or not',
  },
  endSession: {
    ...act,
    ...{ method: 'delete', path: `${IN_CLUSTER}/sessions/{clientId}`, params: client },
    summary: 'Ends a session and forgets what it was owed',
  },
  listInbox: {
    ...look,
    ...{ path: `${IN_CLUSTER}/sessions/{clientId}/inbox`, params: client, query: LivePageQuery },
    ...{ access: { permission: 'record:read' }, response: livePageOf(NODE_VIEWS.inbox.reply) },
    summary: 'Live: messages owed to a session',
  },
  clearInbox: {
    ...act,
    ...{ method: 'delete', path: `${IN_CLUSTER}/sessions/{clientId}/inbox`, params: client },
    summary: 'Forgets the messages owed to a session',
  },
  listSubscriptions: {
    ...look,
    ...{ path: `${IN_CLUSTER}/subscriptions`, query: LivePageQuery.extend({ clientId: text.optional() }) },
    response: livePageOf(NODE_VIEWS.subscriptions.reply),
    summary: 'Live: who subscribes to what',
  },
  listRetained: {
    ...look,
    ...{ path: `${IN_CLUSTER}/retained`, query: LivePageQuery.extend({ filter: text.default('#') }) },
    ...{ access: { permission: 'record:read' }, response: livePageOf(NODE_VIEWS.retained.reply) },
    summary: 'Live: retained messages under an MQTT filter',
  },
  deleteRetained: {
    ...act,
    ...{ method: 'delete', path: `${IN_CLUSTER}/retained`, query: z.object({ topic: text }) },
    summary: 'Removes the retained message of a topic',
  },
  listDelayed: {
    ...look,
    ...{ path: `${IN_CLUSTER}/delayed`, query: LivePageQuery },
    response: livePageOf(NODE_VIEWS.delayed.reply),
    summary: 'Live: messages that wait for their time',
  },
  cancelDelayed: {
    ...act,
    ...{ method: 'delete', path: `${IN_CLUSTER}/delayed/{delayedId}` },
    params: clusterParams.extend({ delayedId: z.string().min(1).max(200) }),
    summary: 'Cancels a delayed message',
  },
  listSlowSubscribers: {
    ...look,
    ...{ path: `${IN_CLUSTER}/slow-subscribers` },
    response: livePageOf(NODE_VIEWS['slow-subscribers'].reply),
    summary: 'Live: the slowest deliveries',
  },
  listEvents: {
    ...look,
    ...{ path: `${IN_CLUSTER}/events`, query: LivePageQuery },
    response: livePageOf(NODE_VIEWS.events.reply),
    summary: 'Live: refused connections and requests, newest first: who, at which stage, why',
  },
  explainAccess: {
    ...look,
    ...{ path: `${IN_CLUSTER}/explain`, query: ExplainQuery, response: Explanation },
    ...{ access: { permission: 'settings:read' } },
    summary: 'Live: whether somebody may do something by the ACL in force at the node, and which rule decides',
  },
  listBans: {
    ...look,
    ...{ path: `${IN_CLUSTER}/bans`, response: livePageOf(NODE_VIEWS.bans.reply) },
    summary: 'Live: who is kept out now: the blacklist, and clients that flapped',
  },
  liftBan: {
    ...act,
    ...{ method: 'delete', path: `${IN_CLUSTER}/bans`, query: NODE_VIEWS.unban.query },
    summary: 'Lifts a ban for flapping',
  },
  listGroups: {
    ...look,
    ...{ path: `${IN_CLUSTER}/groups`, query: LivePageQuery },
    response: livePageOf(NODE_VIEWS.groups.reply),
    summary: 'Live: consumer groups with members, offsets and lag',
  },
  resetOffsets: {
    ...act,
    ...{ method: 'put', path: `${IN_CLUSTER}/groups/{groupName}/offsets`, body: ResetOffsetsBody },
    params: clusterParams.extend({ groupName: z.string().min(1).max(1_024) }),
    ...{ status: 200, response: ResetOffsets },
    summary: 'Moves a group’s offsets of a topic; the group must be empty',
    problems: ['unavailable', 'conflict'],
  },
} as const satisfies Record<string, Route>;
