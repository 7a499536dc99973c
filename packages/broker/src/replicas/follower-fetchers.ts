import type { Clock } from '@millrace/ports';
import type { BrokerEndpoint } from '../cluster/broker-channel.ts';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { InterBrokerVersions } from '../cluster/inter-broker-versions.ts';
import type { Peers } from '../cluster/peers.ts';
import { Guard } from '../shared/guard.ts';
import { javaAbs, javaStringHash } from '../shared/java-hash.ts';
import type { Logger } from '../shared/logger.ts';
import { type FetcherSettings, FollowerFetcher } from './follower-fetcher.ts';
import type { Partition } from './partition.ts';
import type { ReplicationThrottle } from './replication-throttle.ts';

/** What the fetchers of a broker work with. */
export interface FollowerFetchersOptions {
  readonly brokerId: number;
  readonly brokerEpoch: () => number;
  readonly cluster: ClusterImage;
  readonly peers: Peers;
  readonly versions: InterBrokerVersions;
  /** The listener that brokers use among themselves. */
  readonly listener: string;
  /** `num.replica.fetchers`: how many fetches are under way to one leader, to begin with. */
  readonly fetchersPerLeader: number;
  readonly settings: FetcherSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly throttle: ReplicationThrottle;
  readonly onBytes: (sizeBytes: number) => void;
}

interface Entry {
  readonly fetcher: FollowerFetcher;
  readonly endpoint: BrokerEndpoint;
}

/**
 * All that this broker follows, each partition with a fetcher of its leader. A partition whose leader is not known to live waits until
 * it is; Kafka would leave it alone until the controller speaks of it again.
 */
export class FollowerFetchers {
  readonly #options: FollowerFetchersOptions;
  readonly #guard: Guard;
  /** By leader and fetcher number. */
  readonly #entries = new Map<string, Entry>();
  readonly #byPartition = new Map<Partition, FollowerFetcher>();
  readonly #homeless = new Set<Partition>();
  /** On their way from one fetcher to another, which begins when the one before has let go of their logs. */
  readonly #moving = new Map<Partition, Promise<void>>();
  #fetchersPerLeader: number;
  readonly #forget: () => void;

  constructor(options: FollowerFetchersOptions) {
    this.#options = options;
    this.#guard = new Guard(options.logger);
    this.#fetchersPerLeader = options.fetchersPerLeader;
    this.#forget = options.cluster.onChange(() => this.#lookAround());
  }

  /** How many partitions are fetched. */
  get size(): number {
    return this.#byPartition.size;
  }

  /** Fetches a partition from now on from the leader that it follows. */
  add(partition: Partition): void {
    const leaderId = partition.following?.leaderId ?? -1;
    // Nobody leads it: the controller will say who does.
    if (leaderId < 0) return;
    const endpoint = this.#endpointOf(leaderId);
    if (endpoint === undefined) {
      this.#homeless.add(partition);
      return;
    }
    const fetcher = this.#fetcherOf(leaderId, partition, endpoint);
    this.#byPartition.set(partition, fetcher);
    fetcher.add(partition);
  }

  /** Fetches a partition no more; resolves when nothing is done to its log any more. */
  async remove(partition: Partition): Promise<void> {
    this.#homeless.delete(partition);
    const moving = this.#moving.get(partition);
    this.#moving.delete(partition);
    await moving;
    const fetcher = this.#byPartition.get(partition);
    if (fetcher === undefined) return;
    this.#byPartition.delete(partition);
    await fetcher.remove(partition);
    if (fetcher.size === 0) await this.#drop(fetcher);
  }

  async close(): Promise<void> {
    this.#forget();
    this.#homeless.clear();
    this.#byPartition.clear();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    const moving = [...this.#moving.values()];
    this.#moving.clear();
    await Promise.all([...moving, ...entries.map(({ fetcher }) => fetcher.close())]);
  }

  /** From now on so many fetches are under way to one leader; partitions go to the fetchers that are theirs then (`AbstractFetcherManager.resizeThreadPool`). */
  resize(fetchersPerLeader: number): void {
    if (fetchersPerLeader === this.#fetchersPerLeader) return;
    this.#fetchersPerLeader = fetchersPerLeader;
    for (const [key, { fetcher }] of [...this.#entries]) this.#move(key, fetcher);
  }

  /** Leaders have come, or come back under another address. */
  #lookAround(): void {
    for (const partition of [...this.#homeless]) {
      if (this.#endpointOf(partition.following?.leaderId ?? -1) === undefined) continue;
      this.#homeless.delete(partition);
      this.#takeUp(partition);
    }
    for (const [key, { fetcher, endpoint }] of [...this.#entries]) {
      const now = this.#endpointOf(Number(key.split(':')[0]));
      if (now === undefined || (now.host === endpoint.host && now.port === endpoint.port)) continue;
      this.#move(key, fetcher);
    }
  }

  /** Adds a partition where nobody waits for it. One that no fetcher can be given to is tried again, and holds no other up. */
  #takeUp(partition: Partition): void {
    if (this.#guard.run('Giving a partition to a fetcher', () => this.add(partition))) return;
    this.#homeless.add(partition);
    const { clock, settings } = this.#options;
    clock.schedule(settings.backoffMs, () => this.#guard.run('Finding fetchers', () => this.#lookAround()));
  }

  /** Has what a fetcher fetches fetched by others. */
  #move(key: string, fetcher: FollowerFetcher): void {
    const partitions = [...fetcher.partitions()];
    this.#entries.delete(key);
    const moved = fetcher.close().then(() => {
      for (const partition of partitions) {
        // It is fetched no more, or was closed with all others.
        if (this.#moving.get(partition) !== moved) continue;
        this.#moving.delete(partition);
        this.#takeUp(partition);
      }
    });
    for (const partition of partitions) {
      this.#byPartition.delete(partition);
      this.#moving.set(partition, moved);
    }
  }

  #endpointOf(brokerId: number): BrokerEndpoint | undefined {
    const { cluster, listener } = this.#options;
    return cluster.endpoint(brokerId, listener) ?? cluster.brokers.get(brokerId)?.endpoints[0];
  }

  #fetcherOf(leaderId: number, { topic, partition }: Partition, endpoint: BrokerEndpoint): FollowerFetcher {
    const number = fetcherNumber(topic, partition, this.#fetchersPerLeader);
    const key = `${leaderId}:${number}`;
    const known = this.#entries.get(key);
    if (known !== undefined) return known.fetcher;
    const { brokerId, brokerEpoch, peers, versions, settings, clock, logger, throttle, onBytes } = this.#options;
    const { host, port, securityProtocol } = endpoint;
    const lane = peers.lane(
      { brokerId: leaderId, host, port, securityProtocol },
      `broker-${brokerId}-fetcher-${number}`,
    );
    const options = { brokerId, brokerEpoch, leaderId, lane, versions, settings, clock, logger, throttle, onBytes };
    const fetcher = new FollowerFetcher(options);
    this.#entries.set(key, { fetcher, endpoint });
    return fetcher;
  }

  async #drop(fetcher: FollowerFetcher): Promise<void> {
    for (const [key, entry] of this.#entries) if (entry.fetcher === fetcher) this.#entries.delete(key);
    await fetcher.close();
  }
}

/** Which of a leader's fetchers a partition belongs to (`AbstractFetcherManager.getFetcherId`). */
function fetcherNumber(topic: string, partition: number, count: number): number {
  return javaAbs((Math.imul(31, javaStringHash(topic)) + partition) | 0) % count;
}
