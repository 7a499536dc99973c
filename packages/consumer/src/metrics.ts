import type { ConsumerEngine } from './engine.ts';

/** What a consumer has done and holds. */
export interface ConsumerMetrics {
  readonly assignedPartitions: number;
  /** Fetched and not yet handed out, in bytes. */
  readonly bufferedBytes: number;
  /** Of all partitions where it is known. */
  readonly lag: number;
  /** Fetches that were answered, and what they brought. */
  readonly fetches: number;
  readonly fetchedBytes: number;
  readonly failedFetches: number;
  readonly commits: number;
  readonly failedCommits: number;
  readonly rebalances: number;
  /** Partitions that the group gave to others before they were let go: what was in hand may be handled twice. */
  readonly lostPartitions: number;
  /** How many times a broker did not answer five fetches in a row; its end is told by a log line. */
  readonly brokerOutages: number;
  /** How many times a topic or partition that is to be read did not exist, or had no leader, for longer than a second; told by a log line. */
  readonly missingTopics: number;
  /** Calls of handlers of `run` that threw or were rejected. */
  readonly handlerFailures: number;
  /** Calls of handlers for what they had failed at before. */
  readonly handlerRetries: number;
  /** Records that were sent to the dead letters. */
  readonly deadLetters: number;
}

/** A snapshot. */
export function collectMetrics(engine: ConsumerEngine): ConsumerMetrics {
  let bufferedBytes = 0;
  let lag = 0;
  for (const state of engine.partitions) {
    bufferedBytes += state.bufferedBytes;
    const end = state.endOffset(engine.settings.readCommitted);
    if (state.position >= 0 && end > state.position) lag += end - state.position;
  }
  return {
    assignedPartitions: engine.partitions.size,
    bufferedBytes,
    lag,
    ...engine.flow.fetcher.stats,
    commits: engine.committer?.commits ?? 0,
    failedCommits: engine.committer?.failedCommits ?? 0,
    rebalances: engine.rebalances,
    lostPartitions: engine.keeper.lostPartitions,
    missingTopics: engine.missing.count,
    ...engine.handling,
  };
}
