/**
 * The admin SDK for Kafka-compatible clusters: topics, configs, groups, records, log directories.
 * @packageDocumentation
 */
export type {
  Acl,
  AclCodes,
  AclFilter,
  AclOperation,
  AclPatternType,
  AclPermission,
  AclResourceType,
  NewAcl,
} from './acls.ts';
export { Admin, type AdminOptions } from './admin.ts';
export type { ClusterDescription, DescribeLogDirsOptions, LogDir, ReplicaPlace, ReplicaSize } from './cluster.ts';
export type {
  ConfigChanges,
  ConfigEntry,
  ConfigResource,
  ConfigSource,
  ConfigValueType,
  DescribeConfigsOptions,
  DescribedConfigs,
} from './configs.ts';
export type { DelegationToken, NewDelegationToken } from './delegation-tokens.ts';
export { AdminItemsError } from './errors.ts';
export type { GroupOffset, NewGroupOffset } from './group-offsets.ts';
export type { DescribedGroup, GroupMember, ListedGroup, ListGroupsOptions, MemberToRemove } from './groups.ts';
export type { PartitionProducers, ProducerState } from './producers.ts';
export type {
  ClientQuotas,
  DescribeQuotasOptions,
  QuotaChanges,
  QuotaEntity,
  QuotaEntityType,
  QuotaFilter,
} from './quotas.ts';
export type {
  ElectLeadersOptions,
  LeaderElection,
  NewReassignment,
  PartitionReassignment,
} from './reassignments.ts';
export type {
  DeletedRecords,
  FoundOffset,
  ListOffsetsOptions,
  OffsetQuery,
  OffsetSpec,
  RecordsToDelete,
} from './records.ts';
export type { NewScramPassword, ScramDeletion, ScramMechanism, ScramUser } from './scram-users.ts';
export type { CreatedTopic, MorePartitions, NewTopic, ValidatingOptions } from './topics.ts';
export type {
  DescribedTransaction,
  FencedProducer,
  FindHangingTransactionsOptions,
  HangingTransaction,
  ListedTransaction,
  ListTransactionsOptions,
  TransactionToAbort,
} from './transactions.ts';
