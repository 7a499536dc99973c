import type { MetadataStore } from '@millrace/metadata';
import type { Clock, Timer } from '@millrace/ports';
import { ErrorCode, Metadata, type MetadataResponse, ZERO_UUID } from '@millrace/protocol';
import type { LiveBroker, PartitionState } from '../cluster/broker-channel.ts';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { Peers } from '../cluster/peers.ts';
import { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import { endpointOf } from './wire.ts';

/** So long after the store has gone out of reach, and after each answer, another broker is asked. */
const ASK_PAUSE_MS = 500;
/** An answer about very many partitions costs both ends; it is not asked for again before a millisecond for each so many of them. */
const PARTITIONS_PER_PAUSED_MS = 20;
const ASK_TIMEOUT_MS = 2000;

/** What asks other brokers. */
export interface PeerNewsOptions {
  readonly brokerId: number;
  readonly store: Pick<MetadataStore, 'onSession'>;
  readonly cluster: ClusterImage;
  readonly peers: Peers;
  /** The listener that brokers use among themselves. */
  readonly listener: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes over leaders of later epochs than this broker knows. */
  readonly inbox: { learn(news: readonly PartitionState[]): Promise<void> };
}

/**
 * Asks other brokers who leads, as long as the metadata store is out of this one's reach. Its session may have ended there, and then the
 * controller, which takes it for gone, has had others lead and does not tell it so: it would keep producers waiting for followers that
 * follow another now (in Kafka until their requests time out), acknowledge what is lost to those who wait for none (`acks=1`), and send
 * clients that ask it for leaders to itself.
 *
 * Only later epochs are news. Where the store is out of everybody's reach nobody has any, and all go on as they are.
 */
export class PeerNews {
  readonly #options: PeerNewsOptions;
  readonly #guard: Guard;
  #forget: (() => void) | undefined;
  #timer: Timer | undefined;
  #isAsking = false;
  /** Whom to ask next. */
  #turn = 0;

  constructor(options: PeerNewsOptions) {
    this.#options = options;
    this.#guard = new Guard(options.logger);
  }

  start(): void {
    this.#forget = this.#options.store.onSession((state) => {
      if (state === 'disconnected') this.#askAfter(ASK_PAUSE_MS);
      else if (state !== 'expired') this.#rest();
    });
  }

  stop(): void {
    this.#forget?.();
    this.#rest();
  }

  #rest(): void {
    this.#isAsking = false;
    this.#timer?.cancel();
  }

  #askAfter(ms: number): void {
    this.#isAsking = true;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.schedule(ms, () => {
      const asked = this.#ask().finally(() => {
        const { partitionCount } = this.#options.cluster;
        if (this.#isAsking) this.#askAfter(Math.max(ASK_PAUSE_MS, partitionCount / PARTITIONS_PER_PAUSED_MS));
      });
      this.#guard.settle('Asking other brokers who leads', asked);
    });
  }

  async #ask(): Promise<void> {
    const { brokerId, cluster, logger, inbox } = this.#options;
    const others = [...cluster.brokers.values()].filter(({ id }) => id !== brokerId);
    const other = others[this.#turn % Math.max(1, others.length)];
    this.#turn += 1;
    try {
      const answer = other === undefined ? undefined : await this.#answerOf(other);
      if (!this.#isAsking) return;
      const news = answer === undefined ? [] : newsIn(answer, cluster);
      if (news.length > 0) {
        const fields = { partitions: news.length, of: other?.id };
        logger.warn(fields, 'The metadata store is out of reach, and another broker knows of later leaders');
        await inbox.learn(news);
      }
    } catch (err) {
      logger.debug({ err, of: other?.id }, 'Another broker could not be asked who leads');
    }
  }

  /** Over a connection of its own, which is rarely needed and shall hold nobody up. */
  async #answerOf({ id, endpoints }: LiveBroker): Promise<MetadataResponse | undefined> {
    const { brokerId, peers, listener } = this.#options;
    const endpoint = endpointOf(endpoints, listener);
    if (endpoint === undefined) return undefined;
    const { host, port, securityProtocol } = endpoint;
    const lane = peers.lane({ brokerId: id, host, port, securityProtocol }, String(brokerId));
    try {
      const request = { topics: null, allowAutoTopicCreation: false };
      const spoken = (version: number) => (version < 4 ? { ...request, allowAutoTopicCreation: true } : request);
      return await lane.send(Metadata, 'auto', spoken, { timeoutMs: ASK_TIMEOUT_MS });
    } finally {
      lane.close();
    }
  }
}

/** What an answer knows of later epochs than the image does, of the same topics. */
function newsIn(answer: MetadataResponse, cluster: ClusterImage): PartitionState[] {
  return answer.topics.flatMap(({ errorCode, name, topicId, partitions }) => {
    const topic = errorCode === ErrorCode.NONE && name !== null ? cluster.topic(name) : undefined;
    // Without an id a topic may have been made anew, and its epochs mean nothing here.
    if (topic === undefined || topicId === ZERO_UUID || topic.id !== topicId) return [];
    return partitions.flatMap((listed): PartitionState[] => {
      const known = topic.partitions[listed.partitionIndex];
      if (known === undefined || listed.leaderEpoch <= known.leaderEpoch) return [];
      const { leaderId: leader, leaderEpoch, isrNodes: isr, replicaNodes: replicas, offlineReplicas } = listed;
      // Clients are not told the state's version: whatever the controller says of this epoch is newer.
      return [{ ...known, leader, leaderEpoch, isr, replicas, offlineReplicas, partitionEpoch: -1 }];
    });
  });
}
