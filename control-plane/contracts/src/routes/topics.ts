import { z } from 'zod';
import { TopicTiers, NODE_VIEWS } from '../node-views.ts';
import { TopicName } from '../names.ts';
import { CreateTopicBody, Topic, TopicPage, UpdateTopicBody } from '../rest/clusters.ts';
import { livePageOf, LivePageQuery, ProducedRecord, ProduceRecordBody, RecordsQuery } from '../rest/live.ts';
import { PageQuery } from '../rest/page.ts';
import { TierForecast, TierForecastQuery } from '../rest/tier-forecast.ts';
import { clusterParams, IN_CLUSTER } from './paths.ts';
import type { Route } from './route.ts';

const topic = clusterParams.extend({ topicName: TopicName });

/** Topics, and what can be looked at live in them. */
export const TOPIC_ROUTES = {
  listTopics: {
    method: 'get',
    path: `${IN_CLUSTER}/topics`,
    tag: 'topics',
    access: { permission: 'topic:read' },
    params: clusterParams,
    query: PageQuery,
    status: 200,
    response: TopicPage,
    summary: 'Lists topics, those made by clients included',
  },
  createTopic: {
    method: 'post',
    path: `${IN_CLUSTER}/topics`,
    tag: 'topics',
    access: { permission: 'topic:write' },
    params: clusterParams,
    body: CreateTopicBody,
    status: 201,
    response: Topic,
    summary: 'Creates a topic',
    problems: ['name-taken', 'quota-exceeded', 'conflict'],
  },
  deleteTopic: {
    method: 'delete',
    path: `${IN_CLUSTER}/topics/{topicName}`,
    tag: 'topics',
    access: { permission: 'topic:write' },
    params: topic,
    status: 204,
    response: z.void(),
    summary: 'Deletes a topic and its data',
  },
  getTopic: {
    method: 'get',
    path: `${IN_CLUSTER}/topics/{topicName}`,
    tag: 'topics',
    access: { permission: 'topic:read' },
    params: topic,
    status: 200,
    response: Topic,
    summary: 'Reads a topic',
  },
  updateTopic: {
    method: 'patch',
    path: `${IN_CLUSTER}/topics/{topicName}`,
    tag: 'topics',
    access: { permission: 'topic:write' },
    params: topic,
    body: UpdateTopicBody,
    status: 200,
    response: Topic,
    summary: 'Changes retention, cleanup, compaction, tiers, or adds partitions',
    problems: ['conflict', 'quota-exceeded', 'unavailable'],
  },
  listTopicStats: {
    method: 'get',
    path: `${IN_CLUSTER}/topic-stats`,
    tag: 'topics',
    access: { permission: 'topic:read' },
    params: clusterParams,
    query: LivePageQuery,
    status: 200,
    response: livePageOf(NODE_VIEWS.topics.reply),
    summary: 'Live: topics with the offsets and sizes of their partitions',
    problems: ['unavailable'],
  },
  getTopicTiers: {
    method: 'get',
    path: `${IN_CLUSTER}/topics/{topicName}/tiers`,
    tag: 'topics',
    access: { permission: 'topic:read' },
    params: topic,
    status: 200,
    response: TopicTiers,
    summary: 'Live: where the bytes of a topic are, and the moves between hot, warm and cold',
    problems: ['unavailable'],
  },
  forecastTopicTiers: {
    method: 'get',
    path: `${IN_CLUSTER}/topics/{topicName}/tier-forecast`,
    tag: 'topics',
    access: { permission: 'topic:read' },
    params: topic,
    query: TierForecastQuery,
    status: 200,
    response: TierForecast,
    summary: 'What the topic would cost in storage over 30 days as it is, all on disk, and cold after so many days',
    problems: ['unavailable'],
  },
  listRecords: {
    method: 'get',
    path: `${IN_CLUSTER}/topics/{topicName}/records`,
    tag: 'topics',
    access: { permission: 'record:read' },
    params: topic,
    query: RecordsQuery,
    status: 200,
    response: NODE_VIEWS.records.reply,
    summary: 'Live: records of one partition from an offset, a time or a key',
    problems: ['unavailable'],
  },
  produceRecord: {
    method: 'post',
    path: `${IN_CLUSTER}/topics/{topicName}/records`,
    tag: 'topics',
    access: { permission: 'record:write' },
    params: topic,
    body: ProduceRecordBody,
    status: 201,
    response: ProducedRecord,
    summary: 'Produces one record, for testing; audited without its content',
    problems: ['quota-exceeded', 'payload-too-large', 'unavailable'],
  },
} as const satisfies Record<string, Route>;
