/**
 * What the controller tells a broker. The commands are LeaderAndIsr, UpdateMetadata and StopReplica of the Kafka protocol
 * with the versions' history taken out: the controller calls its own broker through this port, and others
 * through one that puts the same commands on the wire.
 *
 * A broker refuses a command of an older controller epoch than it has seen (STALE_CONTROLLER_EPOCH), and one that was meant for
 * its life before a restart (STALE_BROKER_EPOCH, KIP-380).
 */

/** Where clients reach a broker under one listener. */
export interface BrokerEndpoint {
  /** The listener's name, such as `PLAINTEXT`. */
  readonly listener: string;
  /** `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`. */
  readonly securityProtocol: string;
  readonly host: string;
  readonly port: number;
}

/** A live broker. */
export interface LiveBroker {
  readonly id: number;
  readonly rack: string | null;
  readonly endpoints: readonly BrokerEndpoint[];
}

/** One partition's state as the controller decided it. `leader` -1 means none, -2 that its topic is being deleted. */
export interface PartitionState {
  readonly topic: string;
  /** 22 characters of base64url. */
  readonly topicId: string;
  readonly partition: number;
  readonly controllerEpoch: number;
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  /** Version of the partition's state znode; what a later conditional change of the ISR expects. */
  readonly partitionEpoch: number;
  /** The assigned replicas; the first is the preferred leader. */
  readonly replicas: readonly number[];
  /** Replicas whose broker or log folder is down. */
  readonly offlineReplicas: readonly number[];
}

/** A leader has all records of the partition. 1 stands for one that was elected out of sync and is still recovering (KIP-704). */
export const LEADER_RECOVERED = 0;
export const LEADER_RECOVERING = 1;

/** In place of a leader: nobody leads the partition. */
export const NO_LEADER = -1;

/** In place of a leader: the partition's topic is being deleted. */
export const LEADER_OF_DELETED = -2;

/** A topic that is being deleted, in place of a leader epoch of StopReplica: whatever epoch the replica has, it counts. */
export const EPOCH_OF_DELETED = -2;

/** One partition's state as its replicas are told of it. */
export interface ReplicaState extends Omit<PartitionState, 'offlineReplicas'> {
  /** Replicas that a running reassignment adds; they are among `replicas`. */
  readonly addingReplicas: readonly number[];
  /** Replicas that will leave when a running reassignment is done. */
  readonly removingReplicas: readonly number[];
  /** {@link LEADER_RECOVERED}, or 1. */
  readonly leaderRecoveryState: number;
  /** Whether the partition has just been created, so that its folder is expected to be missing. */
  readonly isNew: boolean;
}

/** Who commands whom, as every command says. */
export interface CommandHeader {
  readonly controllerId: number;
  readonly controllerEpoch: number;
  /** The registration of the broker that the command is for; -1 where the controller does not know it. */
  readonly brokerEpoch: number;
}

/** Replicas that this broker must lead or follow from now on. */
export interface LeaderAndIsrCommand extends CommandHeader {
  readonly partitions: readonly ReplicaState[];
  /** The live brokers among the partitions' leaders. Receivers take what UpdateMetadata says; Kafka sends it all the same. */
  readonly liveLeaders: readonly LiveBroker[];
}

/** What every broker shall know of the cluster; only what changed is sent. */
export interface UpdateMetadataCommand extends CommandHeader {
  /** All live brokers: this list replaces the one before it. */
  readonly liveBrokers: readonly LiveBroker[];
  /** Partitions that changed; with {@link LEADER_OF_DELETED} for a leader, they are gone, and a topic goes with its last. */
  readonly partitions: readonly PartitionState[];
}

/** Replicas that this broker no longer has. */
export interface StopReplicaCommand extends CommandHeader {
  readonly partitions: readonly StoppedReplica[];
}

export interface StoppedReplica {
  readonly topic: string;
  readonly partition: number;
  /** -2 for a topic that is being deleted, -1 where it is not known; both count whatever the replica's epoch is. */
  readonly leaderEpoch: number;
  /** Whether the replica's files go too. */
  readonly deletePartition: boolean;
}

/** The outcome for one partition; `errorCode` 0 is success. */
export interface PartitionOutcome {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly errorCode: number;
}

/** The outcome of a command; `errorCode` speaks for the command as a whole. */
export interface CommandOutcome {
  readonly errorCode: number;
  readonly partitions: readonly PartitionOutcome[];
}

/**
 * A broker as the controller sees it. Commands to one broker are carried out one after the other, in call order; each is sent again
 * until the broker has answered or the channel is closed, because its registration has gone. What was not answered by then never
 * resolves otherwise than with `undefined`.
 */
export interface BrokerChannel {
  /** Resolves when the partitions' logs are open and they lead (or follow) with the given epoch. */
  leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome | undefined>;
  /** Resolves when the broker answers Metadata requests with the new state. */
  updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome | undefined>;
  /** Resolves when the replicas take no more requests and, where asked for, their folders are renamed for deletion. */
  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome | undefined>;
  /** Sends nothing more. */
  close(): void;
}
