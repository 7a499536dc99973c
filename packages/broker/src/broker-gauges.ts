import type { LogCleanerStatus, LogManager, LogManagerUsage } from '@millrace/log';
import type { Controller, ControllerOptions } from './controller/controller.ts';
import type { BrokerServices } from './handlers/services.ts';
import type { Partition } from './replicas/partition.ts';
import type { MetricLabels, Metrics } from './shared/metrics.ts';
import { TRANSACTION_STATE_BYTES_MAX } from './transactions/state-memory.ts';

type Labelled = readonly [MetricLabels, number];

/** Registers what a broker can be asked for at any time. Names follow Kafka's exporters. */
export function exposeRooms(services: BrokerServices, controller: Controller, logs: LogManager): void {
  exposeBroker(services, controller);
  exposeCleaner(services.metrics, () => logs.cleaner);
  exposeLogBounds(services.metrics, () => logs.usage);
  exposeMoves(services.metrics, logs);
}

function exposeBroker(services: BrokerServices, controller: Controller): void {
  exposePartitions(services);
  exposeLogs(services);
  exposeRequests(services);
  exposeGroups(services);
  exposeTransactions(services);
  exposeController(services, controller);
}

function exposePartitions({ metrics, replicas }: BrokerServices): void {
  const count = (counts: (partition: Partition) => boolean) => () => {
    let sum = 0;
    for (const partition of replicas.partitions) if (counts(partition)) sum += 1;
    return sum;
  };
  const gauge = metrics.gauge.bind(metrics);
  gauge(
    'kafka_server_replicamanager_partitioncount',
    'Replicas on this broker',
    count(() => true),
  );
  gauge(
    'kafka_server_replicamanager_leadercount',
    'Partitions that this broker leads',
    count((p) => p.isLeader),
  );
  gauge(
    'kafka_server_replicamanager_underreplicatedpartitions',
    'Partitions led here with fewer replicas in sync than assigned',
    count((partition) => partition.isUnderReplicated),
  );
  gauge(
    'kafka_server_replicamanager_underminisrpartitioncount',
    'Partitions led here with fewer replicas in sync than min.insync.replicas',
    count((partition) => partition.isUnderMinIsr),
  );
  gauge(
    'kafka_server_replicamanager_atminisrpartitioncount',
    'Partitions led here with just as many replicas in sync as min.insync.replicas asks for',
    count(({ leading }) => leading !== undefined && leading.isr.length === leading.minIsr),
  );
  gauge(
    'kafka_server_replicamanager_reassigningpartitions',
    'Partitions led here whose replicas are being moved',
    count((partition) => partition.isReassigning),
  );
  gauge(
    'kafka_server_replicamanager_offlinereplicacount',
    'Replicas on log folders that have failed',
    count(({ log }) => log.state === 'failed'),
  );
  gauge(
    'kafka_server_replicafetchermanager_maxlag',
    'Committed records that the follower here lacks that lags most',
    () => {
      let lag = 0;
      for (const { following } of replicas.partitions) lag = Math.max(lag, following?.lag ?? 0);
      return lag;
    },
  );
}

function exposeLogs({ metrics, replicas }: BrokerServices): void {
  const each = (read: (partition: Partition) => number) => () => labelled(replicas.partitions, read);
  const gauge = metrics.gauge.bind(metrics);
  gauge(
    'kafka_log_logmanager_offlinelogdirectorycount',
    'Log folders that have failed',
    () => replicas.logDirs.filter(({ isOnline }) => !isOnline).length,
  );
  gauge(
    'kafka_log_log_size',
    'Bytes of a partition’s log',
    each(({ log }) => log.sizeBytes),
  );
  gauge(
    'kafka_log_log_logstartoffset',
    'First offset of a partition’s log',
    each(({ log }) => log.logStartOffset),
  );
  gauge(
    'kafka_log_log_logendoffset',
    'Offset of a partition’s next record',
    each(({ log }) => log.logEndOffset),
  );
  gauge(
    'kafka_log_log_numlogsegments',
    'Segments of a partition’s log',
    each(({ log }) => log.segmentCount),
  );
}

/** What compaction is doing and has done. */
function exposeCleaner(metrics: Metrics, status: () => LogCleanerStatus): void {
  const prefix = 'kafka_log_logcleaner';
  const gauge = (name: string, help: string, read: (status: LogCleanerStatus) => number): void =>
    metrics.gauge(`${prefix}_${name}`, help, () => read(status()));
  gauge('bytesread', 'Bytes that compaction has read', ({ bytesRead }) => bytesRead);
  gauge('byteswritten', 'Bytes that compaction has written', ({ bytesWritten }) => bytesWritten);
  gauge('logscleaned', 'How many times a log was gone over', ({ logsCleaned }) => logsCleaned);
  gauge('recordsremoved', 'Records that compaction took away', (all) => all.recordsRead - all.recordsKept);
  gauge('uncleanablepartitions', 'Logs that cannot be compacted', ({ uncleanableLogs }) => uncleanableLogs.length);
  gauge('maxdirtypercent', 'Largest dirty share of a log, in percent', ({ dirtyRatioMax }) =>
    Math.round(100 * dirtyRatioMax),
  );
  metrics.gauge(`${prefix}_progress`, 'How far the compaction under way has come, from 0 to 1', () => {
    const { current } = status();
    if (current === undefined) return [];
    const { topic, partition, phase, bytesDone, bytesTotal } = current;
    return [[{ topic, partition: String(partition), phase }, bytesTotal === 0 ? 1 : bytesDone / bytesTotal]];
  });
}

/** Logs on their way from one log directory into another. */
export function exposeMoves(metrics: Metrics, logs: LogManager): void {
  const prefix = 'kafka_server_replicaalterlogdirsmanager';
  metrics.gauge(`${prefix}_maxlag`, 'Records that the copy lacks that lags most on its way into a log folder', () => {
    const lags = logs.moves.map(({ topic, partition, endOffset }) => {
      return (logs.get(topic, partition)?.logEndOffset ?? endOffset) - endOffset;
    });
    return Math.max(0, ...lags);
  });
  metrics.gauge(
    `${prefix}_failedpartitionscount`,
    'Replicas that could not be moved into another log folder, and are where they were',
    () => logs.failedMoves,
  );
  metrics.gauge(
    'millrace_log_moves',
    'Replicas on their way into another log folder, or waiting for their turn',
    () => logs.moves.length,
  );
  metrics.gauge('millrace_log_moves_bytes', 'Bytes of those replicas that are there', () =>
    logs.moves.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
}

/** What the logs take of files and memory, each beside what they may. */
function exposeLogBounds(metrics: Metrics, usage: () => LogManagerUsage): void {
  const gauge = (name: string, help: string, read: (usage: LogManagerUsage) => number): void =>
    metrics.gauge(`millrace_log_${name}`, help, () => read(usage()));
  gauge('open_files', 'Files of logs that are open', ({ openFiles }) => openFiles);
  gauge('open_files_max', 'Files of logs that may be open', ({ bounds }) => bounds.openFilesMax);
  gauge('index_cache_bytes', 'Memory of indexes read from files', ({ indexCacheBytes }) => indexCacheBytes);
  gauge('index_cache_bytes_max', 'Most memory for indexes', ({ bounds }) => bounds.indexCacheBytesMax);
  gauge('tail_cache_bytes', 'Memory of the newest batches', ({ tailCacheBytes }) => tailCacheBytes);
  gauge('tail_cache_bytes_max', 'Most memory for the newest batches', ({ bounds }) => bounds.tailCacheBytesMax);
  gauge('read_memory_bytes', 'Memory kept for reads from files', ({ readMemoryBytes }) => readMemoryBytes);
  gauge('read_memory_bytes_max', 'Most memory kept for such reads', ({ bounds }) => bounds.readMemoryBytesMax);
  gauge('producer_ids', 'Idempotent producers remembered, over all partitions', ({ producerIds }) => producerIds);
  gauge('producer_ids_largest', 'The same of the partition with the most', (all) => all.producerIdsLargest);
  gauge(
    'producer_ids_max',
    'Idempotent producers remembered of one partition at most',
    (all) => all.bounds.producerIdsMax,
  );
}

/** Longer than any transaction may be open, and 5 minutes for its end (`ReplicaManager`). */
const LATE_GRACE_MS = 300_000;

function exposeTransactions({ metrics, clock, config, replicas, transactions }: BrokerServices): void {
  const { coordinator } = transactions;
  const gauge = metrics.gauge.bind(metrics);
  const channels = 'kafka_coordinator_transaction_transactionmarkerchannelmanager';
  gauge(
    `${channels}_unknowndestinationqueuesize`,
    'Markers of partitions that nobody leads, or that are not known',
    () => coordinator.markersWaiting.withoutLeader,
  );
  gauge(
    `${channels}_logappendretryqueuesize`,
    'Transactions with all their markers, of which that could not be written down yet',
    () => coordinator.completionsWaiting,
  );
  gauge(`${channels}_queuesize`, 'Markers that wait for other brokers', () => coordinator.markersWaiting.queued);
  gauge(
    'kafka_server_replicamanager_partitionswithlatetransactionscount',
    'Partitions with a transaction that is open for longer than any may be',
    () => {
      const lateMs = config.transactionMaxTimeoutMs + LATE_GRACE_MS;
      let count = 0;
      for (const { log } of replicas.partitions) if (log.hasLateTransaction(clock.now(), lateMs)) count += 1;
      return count;
    },
  );
  gauge('millrace_transactions', 'Transactional ids that are coordinated here', () =>
    Array.from(coordinator.counts(), ([state, count]) => [{ state }, count] as const),
  );
  gauge(
    'millrace_transactions_state_bytes',
    'Memory of the transactional ids that are coordinated here, about',
    () => coordinator.memory.bytes,
  );
  gauge(
    'millrace_transactions_state_bytes_max',
    'Most memory for them; beyond it new ids are refused',
    () => TRANSACTION_STATE_BYTES_MAX,
  );
  gauge(
    'millrace_transactions_oldest_open_ms',
    'For how long the oldest transaction that is coordinated here has been open, in milliseconds',
    () => coordinator.oldestOpenMs,
  );
}

function* labelled(partitions: Iterable<Partition>, read: (partition: Partition) => number): Generator<Labelled> {
  for (const partition of partitions) {
    yield [{ topic: partition.topic, partition: String(partition.partition) }, read(partition)];
  }
}

function exposeRequests({ metrics, fetchSessions, fetchWaits }: BrokerServices): void {
  metrics.gauge('kafka_server_delayedoperationpurgatory_purgatorysize', 'Requests that wait for data', () => [
    [{ delayedOperation: 'Fetch' }, fetchWaits.size],
  ]);
  metrics.gauge(
    'kafka_server_fetchsessioncache_numincrementalfetchsessions',
    'Fetch sessions that are open',
    () => fetchSessions.size,
  );
  metrics.gauge(
    'kafka_server_fetchsessioncache_numincrementalfetchpartitionscached',
    'Partitions of all fetch sessions',
    () => fetchSessions.partitionCount,
  );
  metrics.gauge(
    'kafka_server_fetchsessioncache_evictions',
    'Fetch sessions that had to go for others',
    () => fetchSessions.evictionCount,
  );
}

function exposeGroups({ metrics, groups }: BrokerServices): void {
  metrics.gauge('kafka_coordinator_group_groupmetadatamanager_numgroups', 'Groups coordinated here, by state', () =>
    Array.from(groups.counts().groups, ([state, count]): Labelled => [{ state }, count]),
  );
  metrics.gauge(
    'kafka_coordinator_group_groupmetadatamanager_numoffsets',
    'Offsets that groups have committed',
    () => groups.counts().offsets,
  );
}

function exposeController({ metrics }: BrokerServices, controller: Controller): void {
  const gauge = metrics.gauge.bind(metrics);
  const prefix = 'kafka_controller_kafkacontroller';
  gauge(`${prefix}_activecontrollercount`, '1 on the controller, else 0', () => (controller.isActive ? 1 : 0));
  gauge(`${prefix}_globaltopiccount`, 'Topics in the cluster', () => controller.counts.topics);
  gauge(`${prefix}_globalpartitioncount`, 'Partitions in the cluster', () => controller.counts.partitions);
  gauge(`${prefix}_offlinepartitionscount`, 'Partitions that nobody leads', () => controller.counts.offlinePartitions);
}

/** What this broker has done as the controller. */
export function controllerStats(metrics: Metrics): Required<Pick<ControllerOptions, 'onElection' | 'onBrokerChange'>> {
  const prefix = 'kafka_controller_controllerstats';
  const unclean = metrics.counter(`${prefix}_uncleanleaderelections_total`, 'Leaders that were elected out of sync');
  // Kafka's name for what its state BrokerChange takes (`ControllerState`).
  const brokerChanges = metrics.histogram(
    `${prefix}_leaderelectionrateandtimems`,
    'Time until the controller has elected leaders after brokers came or went, in milliseconds',
  );
  return {
    onElection: (isClean) => {
      if (!isClean) unclean.add(1);
    },
    onBrokerChange: (tookMs) => brokerChanges.observe(tookMs),
  };
}
