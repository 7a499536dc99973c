/**
 * What the page may ask and what the server answers: one definition for both. The page imports these types and nothing else of the
 * server; the server has to have a handler and a check of the input for each route, or it does not compile.
 */

import type {
  ExportBound,
  Message,
  MessageEdits,
  MessageMark,
  MessagePage,
  NewMessage,
  ReadEnd,
  ReadPlan,
  ReadProgress,
  TailGap,
  UnreadPartition,
} from './messages.ts';
import type { Said } from './refusals.ts';
import type { Rights } from './roles.ts';

export type {
  ExportBound,
  HeaderEdit,
  Message,
  MessageBatch,
  MessageEdits,
  MessageMark,
  MessagePage,
  NewMessage,
  ReadEnd,
  ReadPlan,
  ReadProgress,
  Shown,
  ShownHeader,
  TailGap,
  TransactionOutcome,
  UnreadPartition,
} from './messages.ts';

/** Who asks, what he may do, and what there is to see. */
export interface Session extends Rights {
  readonly user: string | null;
  readonly isReadOnly: boolean;
  readonly clusters: readonly string[];
  readonly version: string;
  /** Has come by a session that can be ended. */
  readonly canLogOut: boolean;
}

/** A broker with what it holds. */
export interface BrokerRow {
  readonly id: number;
  readonly address: string;
  readonly rack: string | null;
  readonly isController: boolean;
  /** False where partitions name it and the cluster does not: it is down. */
  readonly isUp: boolean;
  readonly leaders: number;
  readonly replicas: number;
  readonly inSync: number;
  /** Undefined where the broker does not tell. */
  readonly bytes: number | undefined;
  readonly diskTotal: number | undefined;
  readonly diskFree: number | undefined;
}

/** A partition on the map: who leads, who holds, who is in sync. */
export interface MapPartition {
  readonly partition: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

/** The partitions of a topic on the map. */
export interface MapTopic {
  readonly topic: string;
  readonly partitions: readonly MapPartition[];
}

/** A sum over partitions, as far as it is known: where a part is not known there is so much at least. */
export interface Count {
  /** Undefined where nothing of it is known. */
  readonly known: number | undefined;
  /** Of so many partitions it is not known. */
  readonly unknown: number;
}

/** The state of a cluster at a glance. */
export interface Overview {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly brokers: readonly BrokerRow[];
  readonly topics: number;
  readonly partitions: number;
  readonly underReplicated: number;
  readonly offline: number;
  readonly records: Count;
  /** Records a second since the last look; undefined at the first. */
  readonly rate: number | undefined;
  /** The first topics by name, and behind them those in trouble that are not among them; bounded. */
  readonly map: readonly MapTopic[];
  readonly mapLeftOut: number;
}

/** A group's lag on a topic: null where it has committed nothing there or the cluster does not tell, which is not zero. */
export interface GroupLag {
  readonly group: string;
  readonly lag: number | null;
}

/** A topic in the list. */
export interface TopicRow {
  readonly topic: string;
  readonly isInternal: boolean;
  readonly partitions: number;
  readonly replication: number;
  readonly underReplicated: number;
  readonly offline: number;
}

/** What the list shows of a topic beside its name: asked for by itself, so that nobody waits for it to see and search the names. */
export interface TopicFigures {
  readonly topic: string;
  /** From the first offset to the end: where the topic is compacted there are fewer. */
  readonly records: Count;
  /** On the brokers that lead its partitions. */
  readonly bytes: Count;
  /** Of the partitions whose ends are known. */
  readonly rate: number | undefined;
  /** What happens to old records; undefined where the cluster does not tell. */
  readonly cleanup: string | undefined;
  /** Groups that have read it, the slowest first. */
  readonly groups: readonly GroupLag[];
}

/** A replica of a partition in a folder of a broker. */
export interface ReplicaDir {
  readonly broker: number;
  readonly path: string;
  readonly bytes: number;
  /** How many records it lacks that the leader has; of a folder that it moves to, how many are still to come. */
  readonly behind: number;
  /** It is being moved here. */
  readonly isFuture: boolean;
}

/** A partition of a topic. */
export interface PartitionRow extends MapPartition {
  readonly offlineReplicas: readonly number[];
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly bytes: number | undefined;
  /** Where its replicas lie; empty where the brokers do not tell. */
  readonly dirs: readonly ReplicaDir[];
}

/** A config of a topic or broker, with where its value comes from. */
export interface ConfigRow {
  readonly name: string;
  readonly value: string | null;
  readonly source: string;
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
  readonly type: string;
  readonly documentation: string | null;
  readonly defaultValue: string | null;
}

/** What a topic that is being made may be told. */
export interface NewTopicConfig {
  readonly name: string;
  readonly type: string;
  readonly documentation: string | null;
  /** What holds where it is not told. */
  readonly byDefault: string | null;
}

/** A topic as its page shows it. */
export interface TopicDetail {
  readonly topic: string;
  readonly topicId: string;
  readonly isInternal: boolean;
  readonly partitions: readonly PartitionRow[];
}

/** What the stream of messages tells, by the name of the event. */
export interface MessageEvents {
  readonly messages: readonly Message[];
  readonly progress: ReadProgress;
  /** Of messages that were told before. */
  readonly marks: readonly MessageMark[];
  readonly end: ReadEnd;
  /** Of a live tail: what is not heard of for now. */
  readonly unread: readonly UnreadPartition[];
  /** Of a live tail: so many more are longer than its search looks. */
  readonly inPart: { readonly records: number };
  /** Of a live tail that was cut off and goes on: what of that time it does not tell. */
  readonly gap: TailGap;
  readonly failed: Failure;
}

/** A group in the list. */
export interface GroupRow {
  readonly group: string;
  readonly state: string;
  readonly protocolType: string;
  readonly coordinator: number;
  readonly members: number | null;
  readonly topics: readonly string[];
  /** Null where nothing is committed or the cluster does not tell. */
  readonly lag: number | null;
  /** It reads topics that whoever asks may not see: they are not among its topics, and not in its lag. */
  readonly hidesTopics: boolean;
  /** Its coordinator does not answer: its state and topics are those of before. */
  readonly isSilent: boolean;
}

/** The groups of a cluster. */
export interface GroupList {
  readonly groups: readonly GroupRow[];
  /** Brokers that have not said which groups they coordinate: there may be others than those. */
  readonly silentBrokers: readonly number[];
}

/** A member of a group. */
export interface MemberRow {
  readonly id: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly assignment: readonly { readonly topic: string; readonly partition: number }[];
}

/** What a group has committed in a partition. */
export interface GroupOffsetRow {
  readonly topic: string;
  readonly partition: number;
  readonly committed: number | null;
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly lag: number | null;
  readonly member: string | null;
}

/** A group as its page shows it. */
export interface GroupDetail {
  readonly group: string;
  readonly state: string;
  readonly assignor: string;
  readonly coordinator: number;
  readonly members: readonly MemberRow[];
  readonly offsets: readonly GroupOffsetRow[];
  /** Of all of it together; null where that of one partition is not known. */
  readonly lag: number | null;
  /** It reads topics that whoever asks may not see: nothing that is told here is of these, its lag neither. */
  readonly hidesTopics: boolean;
}

/** The lag of a group at one moment, in milliseconds since the Unix epoch; null where it was not known. */
export interface LagPoint {
  readonly at: number;
  readonly lag: number | null;
}

/** A look that found a group other than the one before: members are told by what they call themselves. */
export interface GroupEvent {
  readonly at: number;
  /** The first look: what was before it nobody knows. */
  readonly isFirst: boolean;
  readonly state: string;
  readonly members: number;
  /** The first of those that came, and how many they are. */
  readonly joined: readonly string[];
  readonly joinedCount: number;
  readonly left: readonly string[];
  readonly leftCount: number;
  /** Partitions that another member reads than before. */
  readonly moved: number;
}

/** How the lag of one partition went: a few of the points, the oldest first, for a line that shows no more. */
export interface PartitionTrend {
  readonly topic: string;
  readonly partition: number;
  readonly lags: readonly (number | null)[];
}

/** What the console has seen of a group since somebody first looked at it; bounded, the oldest first. */
export interface GroupHistory {
  /** Of the group, or of the partition that was asked for. */
  readonly points: readonly LagPoint[];
  readonly events: readonly GroupEvent[];
  /** Of the first partitions, where somebody has had the group open. */
  readonly trends: readonly PartitionTrend[];
}

/** Where a group's offsets are to go. */
export type ResetTo = 'earliest' | 'latest' | 'time' | 'offset' | 'shift' | 'each';

/** Where a partition is to go. */
export interface SeenReset {
  readonly partition: number;
  readonly offset: number;
  /** Where whoever moves it has seen it, null without a commit: where it is elsewhere by now, nothing is moved. */
  readonly from?: number | null | undefined;
}

/** A partition of a reset: from where to where. */
export interface ResetRow {
  readonly topic: string;
  readonly partition: number;
  readonly from: number | null;
  readonly to: number;
}

/** A folder of logs of a broker. */
export interface LogDirRow {
  readonly broker: number;
  readonly path: string;
  /** The volume's; undefined where the broker does not tell. */
  readonly totalBytes: number | undefined;
  readonly freeBytes: number | undefined;
  /** What its logs take. */
  readonly bytes: number;
  readonly replicas: number;
  /** The largest replicas, the first before the others; bounded. */
  readonly largest: readonly { readonly topic: string; readonly partition: number; readonly bytes: number }[];
}

/** What a rule of access can be about. */
export const ACL_RESOURCES = ['topic', 'group', 'cluster', 'transactional-id', 'delegation-token', 'user'] as const;
/** What a rule of access can be for. */
export const ACL_OPERATIONS = [
  'all',
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'cluster-action',
  'describe-configs',
  'alter-configs',
  'idempotent-write',
  'create-tokens',
  'describe-tokens',
] as const;

/** A rule of access: who may, or may not, do what on what. */
export interface AclRow {
  readonly resource: (typeof ACL_RESOURCES)[number];
  readonly name: string;
  readonly pattern: 'literal' | 'prefixed';
  readonly principal: string;
  readonly host: string;
  readonly operation: (typeof ACL_OPERATIONS)[number];
  readonly permission: 'allow' | 'deny';
}

/** A rule that a newer Kafka has made, as it tells it: it is shown, and neither made nor taken away, for a part of it has no word here. */
export interface ForeignAcl extends Pick<AclRow, 'name' | 'principal' | 'host'> {
  readonly resource: string;
  readonly pattern: string;
  readonly operation: string;
  readonly permission: string;
  readonly isForeign: true;
}

/** The rules of a cluster; one without an authorizer has none and asks nobody. */
export interface AclList {
  readonly hasAuthorizer: boolean;
  readonly acls: readonly (AclRow | ForeignAcl)[];
}

/** Ways of logging in with a password that the cluster keeps. */
export const SCRAM_MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
export type ScramMechanism = (typeof SCRAM_MECHANISMS)[number];

/** A user that the cluster keeps a password of. */
export interface UserRow {
  readonly user: string;
  readonly credentials: readonly { readonly mechanism: ScramMechanism; readonly iterations: number }[];
}

/** What a quota holds for: a name of null is everybody without one of his own. */
export interface QuotaEntityPart {
  readonly type: 'user' | 'client-id' | 'ip';
  readonly name: string | null;
}

/** The quotas of a user, a client or an address. */
export interface QuotaRow {
  readonly entity: readonly QuotaEntityPart[];
  readonly values: Readonly<Record<string, number>>;
}

/** A transactional id with the state of its transaction. */
export interface TransactionRow {
  readonly id: string;
  readonly state: string;
  readonly producerId: number;
  readonly coordinator: number;
  /** Undefined where the coordinator does not tell. */
  readonly epoch: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly startedMs: number | undefined;
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[];
}

/** The transactional ids of a cluster. */
export interface TransactionList {
  readonly transactions: readonly TransactionRow[];
  /** Brokers that have not said which they coordinate: there may be others than those. */
  readonly silentBrokers: readonly number[];
}

/** A topic with what goes with it. */
interface TopicInput {
  readonly cluster: string;
  readonly topic: string;
}

interface GroupInput {
  readonly cluster: string;
  readonly group: string;
}

/** A change of configs. */
export interface ConfigChange {
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
  /** The values that whoever changes them has seen: where one is another by now, nothing is changed. */
  readonly seen?: Readonly<Record<string, string | null>> | undefined;
}

/** The newest schema that the registry has for the keys or the values of a topic. */
export interface TopicSchema {
  readonly of: 'key' | 'value';
  readonly subject: string;
  readonly id: number;
  readonly version: number;
  /** AVRO, PROTOBUF, JSON. */
  readonly type: string;
}

/** A failure in words, with a code that stays. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** What the message says, to be said in another language; undefined for what others have said. */
  readonly said?: Said | undefined;
  /** Where somebody logs in, for whom that is missing. */
  readonly loginAt?: string | undefined;
}

/** How far a file is that somebody has asked for. */
export interface ExportProgress extends ReadProgress {
  /** `waiting` until it is begun; `stopped` and `failed` files are not whole. */
  readonly state: 'waiting' | 'running' | 'done' | 'stopped' | 'failed';
  /** Messages and bytes that it holds. */
  readonly found: number;
  readonly bytes: number;
  /** It was cut there; null where it holds all that was found. */
  readonly bound: ExportBound | null;
  /** What could not be read. */
  readonly unread: readonly UnreadPartition[];
  /** Why it failed. */
  readonly failure?: Failure | undefined;
}

/** Every route: what goes in and what comes out. Names in the path are taken from the input. */
export interface Api {
  'GET /api/session': { input: object; answer: Session };
  'GET /api/clusters/:cluster/overview': { input: { cluster: string }; answer: Overview };
  'GET /api/clusters/:cluster/topics': { input: { cluster: string }; answer: readonly TopicRow[] };
  'GET /api/clusters/:cluster/topic-figures': { input: { cluster: string }; answer: readonly TopicFigures[] };
  'GET /api/clusters/:cluster/new-topic-configs': { input: { cluster: string }; answer: readonly NewTopicConfig[] };
  'GET /api/clusters/:cluster/topics/:topic': { input: TopicInput; answer: TopicDetail };
  'GET /api/clusters/:cluster/topics/:topic/readers': { input: TopicInput; answer: readonly GroupLag[] };
  'GET /api/clusters/:cluster/topics/:topic/configs': { input: TopicInput; answer: readonly ConfigRow[] };
  'GET /api/clusters/:cluster/topics/:topic/schemas': { input: TopicInput; answer: readonly TopicSchema[] };
  'GET /api/clusters/:cluster/topics/:topic/messages': { input: TopicInput & ReadPlan; answer: MessagePage };
  'GET /api/clusters/:cluster/topics/:topic/messages/:partition/:offset': {
    input: TopicInput & { partition: number; offset: number };
    answer: Message;
  };
  'GET /api/clusters/:cluster/topics/:topic/exports/:id': {
    input: TopicInput & { id: string };
    answer: ExportProgress;
  };
  'GET /api/clusters/:cluster/groups': { input: { cluster: string }; answer: GroupList };
  'GET /api/clusters/:cluster/groups/:group': { input: GroupInput; answer: GroupDetail };
  'GET /api/clusters/:cluster/groups/:group/history': {
    /** With a topic and a partition the points are of these. */
    input: GroupInput & { readonly topic?: string | undefined; readonly partition?: number | undefined };
    answer: GroupHistory;
  };
  'GET /api/clusters/:cluster/brokers/:broker/configs': {
    input: { cluster: string; broker: number };
    answer: readonly ConfigRow[];
  };
  'GET /api/clusters/:cluster/log-dirs': { input: { cluster: string }; answer: readonly LogDirRow[] };
  'GET /api/clusters/:cluster/acls': { input: { cluster: string }; answer: AclList };
  'GET /api/clusters/:cluster/users': { input: { cluster: string }; answer: readonly UserRow[] };
  'GET /api/clusters/:cluster/quotas': { input: { cluster: string }; answer: readonly QuotaRow[] };
  'GET /api/clusters/:cluster/transactions': { input: { cluster: string }; answer: TransactionList };
  'POST /api/clusters/:cluster/acls': { input: { cluster: string; acl: AclRow }; answer: object };
  'POST /api/clusters/:cluster/acls/delete': {
    input: { cluster: string; acl: AclRow };
    answer: { deleted: number };
  };
  'POST /api/clusters/:cluster/users': {
    input: { cluster: string; user: string; mechanism: ScramMechanism; password: string };
    answer: object;
  };
  'POST /api/clusters/:cluster/users/delete': {
    input: { cluster: string; user: string; mechanism: ScramMechanism; confirm: string };
    answer: object;
  };
  'POST /api/clusters/:cluster/quotas': {
    input: {
      cluster: string;
      entity: readonly QuotaEntityPart[];
      values: Readonly<Record<string, number>>;
      unset: readonly string[];
    };
    answer: object;
  };
  'POST /api/clusters/:cluster/transactions/abort': {
    input: { cluster: string; id: string; confirm: string };
    answer: object;
  };
  'POST /api/clusters/:cluster/topics': {
    input: {
      cluster: string;
      topic: string;
      partitions?: number | undefined;
      replication?: number | undefined;
      configs: Readonly<Record<string, string>>;
      validateOnly?: boolean | undefined;
    };
    answer: { topic: string };
  };
  'POST /api/clusters/:cluster/topics/:topic/partitions': { input: TopicInput & { count: number }; answer: object };
  'POST /api/clusters/:cluster/topics/:topic/configs': { input: TopicInput & ConfigChange; answer: object };
  'POST /api/clusters/:cluster/topics/:topic/empty': { input: TopicInput & { confirm: string }; answer: object };
  'POST /api/clusters/:cluster/topics/:topic/delete': { input: TopicInput & { confirm: string }; answer: object };
  'POST /api/clusters/:cluster/topics/:topic/exports/:id/stop': { input: TopicInput & { id: string }; answer: object };
  'POST /api/clusters/:cluster/topics/:topic/messages': {
    input: TopicInput & NewMessage;
    answer: { partition: number; offset: number };
  };
  'POST /api/clusters/:cluster/topics/:topic/messages/:partition/:offset/copy': {
    input: TopicInput & { partition: number; offset: number; to: string; edits?: MessageEdits | undefined };
    answer: { partition: number; offset: number };
  };
  'POST /api/clusters/:cluster/groups/:group/reset': {
    input: GroupInput & {
      topic: string;
      to: ResetTo;
      at?: number | undefined;
      /** For `each`: the partitions that are moved; the others stay. */
      offsets?: readonly SeenReset[] | undefined;
      dryRun: boolean;
    };
    answer: readonly ResetRow[];
  };
  'POST /api/clusters/:cluster/groups/:group/forget': { input: GroupInput & { topic: string }; answer: object };
  'POST /api/clusters/:cluster/groups/:group/delete': { input: GroupInput & { confirm: string }; answer: object };
  'POST /api/clusters/:cluster/brokers/:broker/configs': {
    input: { cluster: string; broker: number } & ConfigChange;
    answer: object;
  };
}

/** A route's name: the method and the path. */
export type Route = keyof Api;
/** What a route is asked with. */
export type Input<R extends Route> = Api[R]['input'];
/** What a route answers. */
export type Answer<R extends Route> = Api[R]['answer'];

/** The header that every change carries: a page of another site cannot send it without being asked first. */
export const CHANGE_HEADER = 'x-millrace-console';
