import { ErrorCode, type MetadataResponse, type MetadataResponseTopic, ZERO_UUID } from '@millrace/protocol';

/** A broker as the cluster announces it. */
export interface BrokerNode {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** A partition as last heard of. */
export interface PartitionMetadata {
  readonly partition: number;
  /** -1 where the partition has no leader. */
  readonly leaderId: number;
  /** -1 where the broker does not tell. */
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly inSyncReplicas: readonly number[];
  readonly offlineReplicas: readonly number[];
  /** The partition's own error, such as LEADER_NOT_AVAILABLE; 0 without. */
  readonly errorCode: number;
}

/** A topic as last heard of. */
export interface TopicMetadata {
  readonly name: string;
  /** `AAAAAAAAAAAAAAAAAAAAAA` from brokers before 2.8. */
  readonly topicId: string;
  /** Whether it is one of Kafka's own, such as `__consumer_offsets`. */
  readonly internal: boolean;
  /** By partition number, without gaps. */
  readonly partitions: readonly PartitionMetadata[];
}

/** A newer leader than the one that was asked, as Produce and Fetch responses tell it (KIP-951). */
export interface LeaderHint {
  readonly topic: string;
  readonly partition: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

interface CachedTopic {
  metadata: TopicMetadata;
  /** Asked about since the last periodic refresh. */
  used: boolean;
}

/**
 * What is known of brokers, topics and leaders.
 *
 * A leader is replaced only by one of a newer epoch: brokers learn of changes at different times, and an answer from one that
 * lags must not send the client back to a deposed leader (KIP-320). A topic that was deleted and made again has another id,
 * and starts anew.
 */
export class MetadataCache {
  #brokers = new Map<number, BrokerNode>();
  readonly #topics = new Map<string, CachedTopic>();
  readonly #topicNames = new Map<string, string>();
  #clusterId: string | null = null;
  #controllerId = -1;

  get brokers(): ReadonlyMap<number, BrokerNode> {
    return this.#brokers;
  }

  get clusterId(): string | null {
    return this.#clusterId;
  }

  /** -1 where it is not known. */
  get controllerId(): number {
    return this.#controllerId;
  }

  topic(name: string): TopicMetadata | undefined {
    const cached = this.#topics.get(name);
    if (cached === undefined) return undefined;
    cached.used = true;
    return cached.metadata;
  }

  partition(topic: string, partition: number): PartitionMetadata | undefined {
    return this.topic(topic)?.partitions[partition];
  }

  nameOf(topicId: string): string | undefined {
    return this.#topicNames.get(topicId);
  }

  topicNames(): string[] {
    return [...this.#topics.keys()];
  }

  /** Takes in an answer; topics of which it says that they do not exist are forgotten. */
  update(response: MetadataResponse): void {
    // A broker that has only just started may not know the others yet; nothing is gained by forgetting them.
    if (response.brokers.length > 0) {
      this.#brokers = new Map(
        response.brokers.map(({ nodeId, host, port, rack }) => [nodeId, { nodeId, host, port, rack }]),
      );
      this.#controllerId = response.controllerId;
    }
    this.#clusterId = response.clusterId ?? this.#clusterId;
    for (const topic of response.topics) {
      if (topic.errorCode === ErrorCode.NONE && topic.name !== null) {
        this.#put(toTopic(topic, topic.name, this.#topics.get(topic.name)?.metadata));
      } else if (topic.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION && topic.name !== null) {
        this.forget(topic.name);
      }
    }
  }

  /** Takes in newer leaders. True when one was news. */
  applyHints(hints: readonly LeaderHint[], nodes: readonly BrokerNode[] = []): boolean {
    for (const { nodeId, host, port, rack } of nodes) {
      this.#brokers.set(nodeId, { nodeId, host, port, rack });
    }
    let changed = false;
    for (const { topic, partition, leaderId, leaderEpoch } of hints) {
      const cached = this.#topics.get(topic);
      const known = cached?.metadata.partitions[partition];
      if (
        cached !== undefined &&
        known !== undefined &&
        leaderEpoch > known.leaderEpoch &&
        this.#brokers.has(leaderId)
      ) {
        const partitions = [...cached.metadata.partitions];
        partitions[partition] = { ...known, leaderId, leaderEpoch, errorCode: ErrorCode.NONE };
        cached.metadata = { ...cached.metadata, partitions };
        changed = true;
      }
    }
    return changed;
  }

  addBroker(node: BrokerNode): void {
    this.#brokers.set(node.nodeId, node);
  }

  forget(topic: string): void {
    const cached = this.#topics.get(topic);
    if (cached !== undefined) {
      this.#topics.delete(topic);
      this.#topicNames.delete(cached.metadata.topicId);
    }
  }

  /** Forgets the topics that nobody has asked about since the last call; gives the others. */
  dropUnused(): string[] {
    for (const [name, cached] of this.#topics) {
      if (cached.used) {
        cached.used = false;
      } else {
        this.forget(name);
      }
    }
    return this.topicNames();
  }

  #put(metadata: TopicMetadata): void {
    const before = this.#topics.get(metadata.name);
    if (before !== undefined && before.metadata.topicId !== metadata.topicId) {
      this.#topicNames.delete(before.metadata.topicId);
    }
    this.#topics.set(metadata.name, { metadata, used: before?.used ?? true });
    if (metadata.topicId !== ZERO_UUID) this.#topicNames.set(metadata.topicId, metadata.name);
  }
}

/** The topic as an answer tells it, except where a newer leader is known already. */
export function toTopic(answer: MetadataResponseTopic, name: string, before?: TopicMetadata): TopicMetadata {
  const sameTopic = before !== undefined && before.topicId === answer.topicId;
  const partitions: PartitionMetadata[] = [];
  for (const told of [...answer.partitions].sort((a, b) => a.partitionIndex - b.partitionIndex)) {
    const known = sameTopic ? before.partitions[told.partitionIndex] : undefined;
    const stale = known !== undefined && told.leaderEpoch >= 0 && told.leaderEpoch < known.leaderEpoch;
    partitions[told.partitionIndex] = stale
      ? known
      : {
          partition: told.partitionIndex,
          leaderId: told.leaderId,
          leaderEpoch: told.leaderEpoch,
          replicas: told.replicaNodes,
          inSyncReplicas: told.isrNodes,
          offlineReplicas: told.offlineReplicas,
          errorCode: told.errorCode,
        };
  }
  return { name, topicId: answer.topicId, internal: answer.isInternal, partitions: fillGaps(partitions) };
}

/** A broker lists all partitions of a topic. Should one be missing, the places of the others must not shift. */
function fillGaps(partitions: readonly (PartitionMetadata | undefined)[]): PartitionMetadata[] {
  return Array.from(
    partitions,
    (partition, index) =>
      partition ?? {
        partition: index,
        leaderId: -1,
        leaderEpoch: -1,
        replicas: [],
        inSyncReplicas: [],
        offlineReplicas: [],
        errorCode: ErrorCode.LEADER_NOT_AVAILABLE,
      },
  );
}
