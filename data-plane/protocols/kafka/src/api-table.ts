import { serve, type Route } from './connection.ts';
import {
  handleCreatePartitions,
  handleDeleteRecords,
  handleDescribeLogDirs,
  handleDescribeTopicPartitions,
} from './handlers/admin.ts';
import { handleApiVersions, handleDescribeCluster, handleMetadata } from './handlers/cluster.ts';
import { handleFetch } from './handlers/fetch.ts';
import {
  handleDeleteGroups,
  handleDescribeGroups,
  handleFindCoordinator,
  handleHeartbeat,
  handleJoinGroup,
  handleLeaveGroup,
  handleListGroups,
  handleSyncGroup,
} from './handlers/groups.ts';
import { handleAlterConfigs, handleDescribeConfigs, handleIncrementalAlterConfigs } from './handlers/configs.ts';
import { handleConsumerGroupDescribe, handleConsumerGroupHeartbeat } from './handlers/consumer-groups.ts';
import { handleListOffsets, handleOffsetForLeaderEpoch } from './handlers/list-offsets.ts';
import { handleAlterPartitionReassignments, handleListPartitionReassignments } from './handlers/reassignments.ts';
import { handleOffsetCommit, handleOffsetDelete, handleOffsetFetch } from './handlers/offsets.ts';
import { handleProduce } from './handlers/produce.ts';
import { handleAlterClientQuotas, handleDescribeClientQuotas } from './handlers/quotas.ts';
import { handleSaslAuthenticate, handleSaslHandshake } from './handlers/sasl.ts';
import { handleAlterUserScramCredentials, handleDescribeUserScramCredentials } from './handlers/scram-users.ts';
import { handleCreateAcls, handleDeleteAcls, handleDescribeAcls } from './handlers/security.ts';
import {
  handleShareAcknowledge,
  handleShareFetch,
  handleShareGroupDescribe,
  handleShareGroupHeartbeat,
} from './handlers/share-groups.ts';
import { handleCreateTopics, handleDeleteTopics } from './handlers/topics.ts';
import {
  handleDescribeProducers,
  handleDescribeTransactions,
  handleListTransactions,
} from './handlers/transaction-views.ts';
import {
  handleAddOffsetsToTxn,
  handleAddPartitionsToTxn,
  handleEndTxn,
  handleInitProducerId,
  handleTxnOffsetCommit,
  handleWriteTxnMarkers,
} from './handlers/transactions.ts';
import {
  AlterClientQuotas,
  AlterConfigs,
  CreatePartitions,
  DeleteRecords,
  DescribeClientQuotas,
  DescribeLogDirs,
  DescribeTopicPartitions,
  IncrementalAlterConfigs,
} from './messages/admin.ts';
import { ApiVersions, DescribeCluster, Metadata } from './messages/cluster.ts';
import { ConsumerGroupDescribe, ConsumerGroupHeartbeat } from './messages/consumer-groups.ts';
import { Fetch, ListOffsets, OffsetForLeaderEpoch } from './messages/fetch.ts';
import {
  DeleteGroups,
  DescribeGroups,
  FindCoordinator,
  Heartbeat,
  JoinGroup,
  LeaveGroup,
  ListGroups,
  SyncGroup,
} from './messages/groups.ts';
import { AlterPartitionReassignments, ListPartitionReassignments } from './messages/reassignments.ts';
import { OffsetCommit, OffsetDelete, OffsetFetch } from './messages/offsets.ts';
import { InitProducerId, Produce } from './messages/produce.ts';
import { SaslAuthenticate, SaslHandshake } from './messages/sasl.ts';
import {
  AlterUserScramCredentials,
  CreateAcls,
  DeleteAcls,
  DescribeAcls,
  DescribeUserScramCredentials,
} from './messages/security.ts';
import { ShareAcknowledge, ShareFetch, ShareGroupDescribe, ShareGroupHeartbeat } from './messages/share-groups.ts';
import { CreateTopics, DeleteTopics, DescribeConfigs } from './messages/topics.ts';
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  DescribeProducers,
  DescribeTransactions,
  EndTxn,
  ListTransactions,
  TxnOffsetCommit,
  WriteTxnMarkers,
} from './messages/transactions.ts';

/** Every API that is served, and nothing else: what ApiVersions lists is made from this table. */
export const ROUTES: readonly Route[] = [
  serve(Produce, handleProduce),
  serve(Fetch, handleFetch),
  serve(ListOffsets, handleListOffsets),
  serve(Metadata, handleMetadata),
  serve(OffsetCommit, handleOffsetCommit),
  serve(OffsetFetch, handleOffsetFetch),
  serve(FindCoordinator, handleFindCoordinator),
  serve(JoinGroup, handleJoinGroup),
  serve(Heartbeat, handleHeartbeat),
  serve(LeaveGroup, handleLeaveGroup),
  serve(SyncGroup, handleSyncGroup),
  serve(DescribeGroups, handleDescribeGroups),
  serve(ListGroups, handleListGroups),
  serve(SaslHandshake, handleSaslHandshake, false),
  serve(ApiVersions, handleApiVersions, false),
  serve(CreateTopics, handleCreateTopics),
  serve(DeleteTopics, handleDeleteTopics),
  serve(InitProducerId, handleInitProducerId),
  serve(AddPartitionsToTxn, handleAddPartitionsToTxn),
  serve(AddOffsetsToTxn, handleAddOffsetsToTxn),
  serve(EndTxn, handleEndTxn),
  serve(WriteTxnMarkers, handleWriteTxnMarkers),
  serve(TxnOffsetCommit, handleTxnOffsetCommit),
  serve(OffsetForLeaderEpoch, handleOffsetForLeaderEpoch),
  serve(DescribeConfigs, handleDescribeConfigs),
  serve(SaslAuthenticate, handleSaslAuthenticate, false),
  serve(DeleteGroups, handleDeleteGroups),
  serve(OffsetDelete, handleOffsetDelete),
  serve(DescribeCluster, handleDescribeCluster),
  serve(DescribeProducers, handleDescribeProducers),
  serve(DescribeTransactions, handleDescribeTransactions),
  serve(ListTransactions, handleListTransactions),
  serve(DeleteRecords, handleDeleteRecords),
  serve(CreatePartitions, handleCreatePartitions),
  serve(AlterConfigs, handleAlterConfigs),
  serve(IncrementalAlterConfigs, handleIncrementalAlterConfigs),
  serve(AlterPartitionReassignments, handleAlterPartitionReassignments),
  serve(ListPartitionReassignments, handleListPartitionReassignments),
  serve(DescribeLogDirs, handleDescribeLogDirs),
  serve(DescribeTopicPartitions, handleDescribeTopicPartitions),
  serve(DescribeClientQuotas, handleDescribeClientQuotas),
  serve(AlterClientQuotas, handleAlterClientQuotas),
  serve(DescribeAcls, handleDescribeAcls),
  serve(CreateAcls, handleCreateAcls),
  serve(DeleteAcls, handleDeleteAcls),
  serve(DescribeUserScramCredentials, handleDescribeUserScramCredentials),
  serve(AlterUserScramCredentials, handleAlterUserScramCredentials),
  serve(ConsumerGroupHeartbeat, handleConsumerGroupHeartbeat),
  serve(ConsumerGroupDescribe, handleConsumerGroupDescribe),
  serve(ShareGroupHeartbeat, handleShareGroupHeartbeat),
  serve(ShareGroupDescribe, handleShareGroupDescribe),
  serve(ShareFetch, handleShareFetch),
  serve(ShareAcknowledge, handleShareAcknowledge),
];
