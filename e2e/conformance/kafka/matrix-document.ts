/** Names of API keys, as the protocol's specification has them. */
export const API_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries({
    Produce: 0,
    Fetch: 1,
    ListOffsets: 2,
    Metadata: 3,
    OffsetCommit: 8,
    OffsetFetch: 9,
    FindCoordinator: 10,
    JoinGroup: 11,
    Heartbeat: 12,
    LeaveGroup: 13,
    SyncGroup: 14,
    DescribeGroups: 15,
    ListGroups: 16,
    SaslHandshake: 17,
    ApiVersions: 18,
    CreateTopics: 19,
    DeleteTopics: 20,
    DeleteRecords: 21,
    InitProducerId: 22,
    OffsetForLeaderEpoch: 23,
    AddPartitionsToTxn: 24,
    AddOffsetsToTxn: 25,
    EndTxn: 26,
    WriteTxnMarkers: 27,
    TxnOffsetCommit: 28,
    DescribeAcls: 29,
    CreateAcls: 30,
    DeleteAcls: 31,
    DescribeConfigs: 32,
    AlterConfigs: 33,
    DescribeLogDirs: 35,
    SaslAuthenticate: 36,
    CreatePartitions: 37,
    DeleteGroups: 42,
    IncrementalAlterConfigs: 44,
    AlterPartitionReassignments: 45,
    ListPartitionReassignments: 46,
    OffsetDelete: 47,
    DescribeClientQuotas: 48,
    AlterClientQuotas: 49,
    DescribeUserScramCredentials: 50,
    AlterUserScramCredentials: 51,
    DescribeCluster: 60,
    DescribeProducers: 61,
    DescribeTransactions: 65,
    ListTransactions: 66,
    ConsumerGroupHeartbeat: 68,
    ConsumerGroupDescribe: 69,
    DescribeTopicPartitions: 75,
  }).map(([name, key]) => [key, name]),
);

const BEGIN = '<!-- matrix -->';
const END = '<!-- /matrix -->';

/** The document with its table made anew: client × API, with the versions that were sent. */
export function matrixOf(
  document: string,
  seen: ReadonlyMap<string, ReadonlyMap<number, ReadonlySet<number>>>,
): string {
  const clients = [...seen.keys()].sort();
  const keys = [...API_NAMES.keys()].filter((key) => clients.some((client) => seen.get(client)!.has(key)));
  const rows = keys.map((key) => {
    const cells = clients.map((client) => [...(seen.get(client)!.get(key) ?? [])].sort((a, b) => a - b).join(', '));
    return `| ${[`${API_NAMES.get(key)!} (${key})`, ...cells].join(' | ')} |`;
  });
  const table = [`| API | ${clients.join(' | ')} |`, `|${' --- |'.repeat(clients.length + 1)}`, ...rows].join('\n');
  const from = document.indexOf(BEGIN) + BEGIN.length;
  return `${document.slice(0, from)}\n\n${table}\n\n${document.slice(document.indexOf(END))}`;
}
