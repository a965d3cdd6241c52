// SPDX-License-Identifier: MulanPSL-2.0
/** The requests of Kafka's protocol: their names, since when they are encoded compactly, and where their error stands. */

/** Where a response says that it failed, from its body's start; by first version, highest first. */
type Errors = readonly (readonly [version: number, offset: number])[];

export interface KafkaApi {
  readonly name: string;
  /** From this version on lengths are varints, and headers end with tags. */
  readonly compact: number;
  readonly errors: Errors;
}

const NEVER = 1000;
const NOWHERE: Errors = [];
const FIRST: Errors = [[0, 0]];
/** Behind the time that the client is asked to wait. */
const BEHIND_WAIT: Errors = [[0, 4]];
const BEHIND_WAIT_SINCE_1: Errors = [[1, 4], [0, 0]];
const BEHIND_WAIT_SINCE_2: Errors = [[2, 4], [0, 0]];

const APIS: readonly (readonly [key: number, name: string, compact: number, errors?: Errors])[] = [
  [0, "Produce", 9], // see kafka.ts
  [1, "Fetch", 12, [[7, 4]]],
  [2, "ListOffsets", 6],
  [3, "Metadata", 9],
  [4, "LeaderAndIsr", 4],
  [5, "StopReplica", 2],
  [6, "UpdateMetadata", 6],
  [7, "ControlledShutdown", 3],
  [8, "OffsetCommit", 8],
  [9, "OffsetFetch", 6],
  [10, "FindCoordinator", 3, [[4, NaN], [1, 4], [0, 0]]],
  [11, "JoinGroup", 6, BEHIND_WAIT_SINCE_2],
  [12, "Heartbeat", 4, BEHIND_WAIT_SINCE_1],
  [13, "LeaveGroup", 4, BEHIND_WAIT_SINCE_1],
  [14, "SyncGroup", 4, BEHIND_WAIT_SINCE_1],
  [15, "DescribeGroups", 5],
  [16, "ListGroups", 3, BEHIND_WAIT_SINCE_1],
  [17, "SaslHandshake", NEVER, FIRST],
  [18, "ApiVersions", 3, FIRST],
  [19, "CreateTopics", 5],
  [20, "DeleteTopics", 4],
  [21, "DeleteRecords", 2],
  [22, "InitProducerId", 2, BEHIND_WAIT],
  [23, "OffsetForLeaderEpoch", 4],
  [24, "AddPartitionsToTxn", 3],
  [25, "AddOffsetsToTxn", 3, BEHIND_WAIT],
  [26, "EndTxn", 3, BEHIND_WAIT],
  [27, "WriteTxnMarkers", 1],
  [28, "TxnOffsetCommit", 3],
  [29, "DescribeAcls", 2, BEHIND_WAIT],
  [30, "CreateAcls", 2],
  [31, "DeleteAcls", 2],
  [32, "DescribeConfigs", 4],
  [33, "AlterConfigs", 2],
  [34, "AlterReplicaLogDirs", 2],
  [35, "DescribeLogDirs", 2],
  [36, "SaslAuthenticate", 2, FIRST],
  [37, "CreatePartitions", 2],
  [38, "CreateDelegationToken", 2, FIRST],
  [39, "RenewDelegationToken", 2, FIRST],
  [40, "ExpireDelegationToken", 2, FIRST],
  [41, "DescribeDelegationToken", 2, FIRST],
  [42, "DeleteGroups", 2],
  [43, "ElectLeaders", 2],
  [44, "IncrementalAlterConfigs", 1],
  [45, "AlterPartitionReassignments", 0, BEHIND_WAIT],
  [46, "ListPartitionReassignments", 0, BEHIND_WAIT],
  [47, "OffsetDelete", NEVER, FIRST],
  [48, "DescribeClientQuotas", 1, BEHIND_WAIT],
  [49, "AlterClientQuotas", 1],
  [50, "DescribeUserScramCredentials", 0, BEHIND_WAIT],
  [51, "AlterUserScramCredentials", 0],
  [52, "Vote", 0, FIRST],
  [53, "BeginQuorumEpoch", 1, FIRST],
  [54, "EndQuorumEpoch", 1, FIRST],
  [55, "DescribeQuorum", 0, FIRST],
  [56, "AlterPartition", 0, BEHIND_WAIT],
  [57, "UpdateFeatures", 0, BEHIND_WAIT],
  [58, "Envelope", 0],
  [59, "FetchSnapshot", 0, BEHIND_WAIT],
  [60, "DescribeCluster", 0, BEHIND_WAIT],
  [61, "DescribeProducers", 0],
  [62, "BrokerRegistration", 0, BEHIND_WAIT],
  [63, "BrokerHeartbeat", 0, BEHIND_WAIT],
  [64, "UnregisterBroker", 0, BEHIND_WAIT],
  [65, "DescribeTransactions", 0],
  [66, "ListTransactions", 0, BEHIND_WAIT],
  [67, "AllocateProducerIds", 0, BEHIND_WAIT],
  [68, "ConsumerGroupHeartbeat", 0, BEHIND_WAIT],
  [69, "ConsumerGroupDescribe", 0],
  [70, "ControllerRegistration", 0, BEHIND_WAIT],
  [71, "GetTelemetrySubscriptions", 0, BEHIND_WAIT],
  [72, "PushTelemetry", 0, BEHIND_WAIT],
  [73, "AssignReplicasToDirs", 0, BEHIND_WAIT],
  [74, "ListClientMetricsResources", 0, BEHIND_WAIT],
  [75, "DescribeTopicPartitions", 0],
  [76, "ShareGroupHeartbeat", 0, BEHIND_WAIT],
  [77, "ShareGroupDescribe", 0],
  [78, "ShareFetch", 0, BEHIND_WAIT],
  [79, "ShareAcknowledge", 0, BEHIND_WAIT],
  [80, "AddRaftVoter", 0, BEHIND_WAIT],
  [81, "RemoveRaftVoter", 0, BEHIND_WAIT],
  [82, "UpdateRaftVoter", 0, BEHIND_WAIT],
];

const BY_KEY: ReadonlyMap<number, KafkaApi> = new Map(
  APIS.map(([key, name, compact, errors = NOWHERE]) => [key, { name, compact, errors }]),
);

export const [PRODUCE, FETCH, METADATA, API_VERSIONS] = [0, 1, 3, 18] as const;

export function kafkaApi(key: number): KafkaApi | undefined {
  return BY_KEY.get(key);
}

/** NaN: it says so nowhere, or not in one place. */
export function errorOffset({ errors }: KafkaApi, version: number): number {
  return errors.find(([first]) => version >= first)?.[1] ?? NaN;
}
