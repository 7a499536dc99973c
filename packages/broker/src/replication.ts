import type { LogManager } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import { AlterPartition } from '@millrace/protocol';
import type { ClusterImage } from './cluster/cluster-image.ts';
import type { InterBrokerVersions } from './cluster/inter-broker-versions.ts';
import type { Peers } from './cluster/peers.ts';
import { ControllerLink } from './commands/controller-link.ts';
import { handOver } from './commands/hand-over.ts';
import type { ConfigRepository } from './config/config-repository.ts';
import type { Controller } from './controller/controller.ts';
import { alterPartition, controlledShutdown } from './controller/requests.ts';
import { FollowerFetchers } from './replicas/follower-fetchers.ts';
import { IsrChangeSender } from './replicas/isr-changes.ts';
import { ReplicaManager } from './replicas/replica-manager.ts';
import { ReplicationThrottle } from './replicas/replication-throttle.ts';
import type { StorageReports } from './replicas/storage-reports.ts';
import type { Deadlines } from './shared/deadlines.ts';
import type { Logger } from './shared/logger.ts';
import type { Metrics } from './shared/metrics.ts';
import type { SessionKeeper } from './store/session-keeper.ts';

/** What the replicas of a broker stand on. */
export interface ReplicationOptions {
  readonly brokerId: number;
  /** What keeps the broker registered, once there is one. */
  readonly session: () => Pick<SessionKeeper, 'brokerEpoch' | 'registration'>;
  readonly cluster: ClusterImage;
  readonly peers: Peers;
  readonly versions: InterBrokerVersions;
  readonly logs: LogManager;
  readonly configs: ConfigRepository;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** This broker's own controller, which is asked without the network. */
  readonly controller: () => Controller;
  /** See {@link ReplicaManagerOptions.onBehind}. */
  readonly onBehind: () => void;
  /** See {@link ReplicaManagerOptions.onOnlineChanged}. */
  readonly onOnlineChanged: () => void;
  /** Where want of room is told of. */
  readonly storageReports: StorageReports;
}

/** The replicas of a broker with their ways to leaders and to the controller. */
export class Replication {
  readonly replicas: ReplicaManager;
  readonly #options: ReplicationOptions;
  readonly #link: ControllerLink;
  readonly #isrChanges: IsrChangeSender;
  readonly #followers: FollowerFetchers;

  constructor(options: ReplicationOptions) {
    this.#options = options;
    const { brokerId, session, cluster, peers, logs, configs, deadlines, clock, metrics, logger, controller } = options;
    const brokerEpoch = (): number => session().brokerEpoch;
    const config = configs.current;
    const listener = config.interBrokerListenerName;
    const link = new ControllerLink({
      brokerId,
      cluster,
      peers,
      listener,
      timeoutMs: config.controllerSocketTimeoutMs,
    });
    this.#link = link;
    this.#isrChanges = new IsrChangeSender({
      brokerId,
      brokerEpoch,
      clock,
      logger,
      ask: (body) =>
        link.ask(AlterPartition, body, (request, version) => alterPartition(controller(), request, version)),
    });
    this.#followers = this.#fetchers(listener);
    configs.onBrokerConfig(({ numReplicaFetchers }) => this.#followers.resize(numReplicaFetchers));
    const { replicaLagTimeMaxMs: lagMsMax } = config;
    const [isrChanges, followers] = [this.#isrChanges, this.#followers];
    const throttle = { leader: this.#throttle('leader') };
    const parts = { brokerId, cluster, logs, configs, clock, deadlines, lagMsMax, isrChanges, followers, throttle };
    const registration = (): number => session().registration;
    this.replicas = new ReplicaManager({
      ...parts,
      registration,
      onBehind: options.onBehind,
      onOnlineChanged: options.onOnlineChanged,
      storageReports: options.storageReports,
      metrics,
      logger,
    });
  }

  /** Has others take over what is led here, as far as settings want that. */
  async handOver(): Promise<void> {
    const { brokerId, session, cluster, configs, clock, logger, controller } = this.#options;
    const { controlledShutdownEnable, controlledShutdownMaxRetries, controlledShutdownRetryBackoffMs } =
      configs.current;
    if (!controlledShutdownEnable) return;
    this.replicas.beginHandOver();
    await handOver({
      brokerId,
      brokerEpoch: () => session().brokerEpoch,
      cluster,
      clock,
      logger,
      link: this.#link,
      own: (request) => controlledShutdown(controller(), request),
      hold: this.replicas.produceHold,
      attemptsMax: controlledShutdownMaxRetries,
      backoffMs: controlledShutdownRetryBackoffMs,
    });
  }

  /** Fetches and asks nothing more, and takes no more requests for any partition; the logs stay open. */
  async close(): Promise<void> {
    this.#isrChanges.close();
    this.#link.close();
    await this.#followers.close();
    this.replicas.close();
  }

  #throttle(side: 'leader' | 'follower'): ReplicationThrottle {
    const { brokerId, clock, configs } = this.#options;
    const { replicationQuotaWindowNum: windows, replicationQuotaWindowSizeSeconds: seconds } = configs.current;
    return new ReplicationThrottle({
      clock,
      brokerId,
      windows,
      windowMs: seconds * 1000,
      bytesPerSecond: () =>
        side === 'leader'
          ? configs.current.leaderReplicationThrottledRate
          : configs.current.followerReplicationThrottledRate,
      replicasOf: (topic) => configs.topicOverrides(topic)[`${side}.replication.throttled.replicas`],
    });
  }

  #fetchers(listener: string): FollowerFetchers {
    const { brokerId, session, cluster, peers, versions, configs, clock, metrics, logger } = this.#options;
    const config = configs.current;
    const bytesIn = metrics.counter(
      'kafka_server_brokertopicmetrics_replicationbytesin_total',
      'Bytes that were fetched from leaders',
    );
    return new FollowerFetchers({
      brokerId,
      brokerEpoch: () => session().brokerEpoch,
      cluster,
      peers,
      versions,
      listener,
      clock,
      logger,
      fetchersPerLeader: config.numReplicaFetchers,
      settings: {
        waitMsMax: config.replicaFetchWaitMaxMs,
        minBytes: config.replicaFetchMinBytes,
        partitionBytesMax: config.replicaFetchMaxBytes,
        responseBytesMax: config.replicaFetchResponseMaxBytes,
        backoffMs: config.replicaFetchBackoffMs,
        timeoutMs: config.replicaSocketTimeoutMs,
      },
      throttle: this.#throttle('follower'),
      onBytes: (sizeBytes) => bytesIn.add(sizeBytes),
    });
  }
}
