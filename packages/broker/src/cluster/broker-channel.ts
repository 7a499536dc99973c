/**
 * What the controller tells a broker. The commands are LeaderAndIsr, UpdateMetadata and StopReplica of the Kafka protocol
 * with the versions' history taken out: the controller calls its own broker through this port, and will call others
 * through one that puts the same commands on the wire.
 *
 * A broker refuses a command of an older controller epoch than it has seen (STALE_CONTROLLER_EPOCH).
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

/** Replicas that this broker must lead or follow from now on. */
export interface LeaderAndIsrCommand {
  readonly controllerId: number;
  readonly controllerEpoch: number;
  readonly partitions: readonly (PartitionState & {
    /** Whether the partition has just been created, so that its folder is expected to be missing. */
    readonly isNew: boolean;
  })[];
}

/** What every broker shall know of the cluster; only what changed is sent. */
export interface UpdateMetadataCommand {
  readonly controllerId: number;
  readonly controllerEpoch: number;
  /** All live brokers: this list replaces the one before it. */
  readonly liveBrokers: readonly LiveBroker[];
  readonly partitions: readonly PartitionState[];
  /** Topics that are gone, by name. */
  readonly deletedTopics: readonly string[];
}

/** Replicas that this broker no longer has. */
export interface StopReplicaCommand {
  readonly controllerId: number;
  readonly controllerEpoch: number;
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly leaderEpoch: number;
    /** Whether the replica's files go too. */
    readonly deletePartition: boolean;
  }[];
}

/** The outcome for one partition; `errorCode` 0 is success. */
export interface PartitionOutcome {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
}

/** The outcome of a command; `errorCode` speaks for the command as a whole. */
export interface CommandOutcome {
  readonly errorCode: number;
  readonly partitions: readonly PartitionOutcome[];
}

/** A broker as the controller sees it. Commands to one broker are carried out one after the other, in call order. */
export interface BrokerChannel {
  /** Resolves when the partitions' logs are open and they lead (or follow) with the given epoch. */
  leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome>;
  /** Resolves when the broker answers Metadata requests with the new state. */
  updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome>;
  /** Resolves when the replicas take no more requests and, where asked for, their folders are renamed for deletion. */
  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome>;
}
