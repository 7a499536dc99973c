import { type Admin, AdminItemsError, type ConfigChanges } from '@millrace/admin';
import type { TopicMetadata, TopicPartition } from '@millrace/client';
import type { CommandContext } from '../context.ts';
import { failure, usageError } from '../errors.ts';
import { counted, formatBytes, formatCount, formatRanges, listPartitions } from '../output/format.ts';
import type { Paint } from '../output/paint.ts';
import { renderTable } from '../output/table.ts';
import { refuseMissingBrokers } from './find-brokers.ts';
import { choosePartitions, findTopics } from './find-topics.ts';
import {
  type FolderMove,
  folderMovesOf,
  folderSummary,
  logDirsOf,
  renderFolderMoves,
  warnOfSilent,
  wishesOf,
} from './folder-moves.ts';
import { assignmentJson, readPlan, readTopics } from './reassignment-file.ts';
import { type PlacedPartition, planReassignment } from './reassignment-plan.ts';
import { type Move, setThrottles, throttleChanges } from './reassignment-throttle.ts';

/** What is to be spread over which brokers. */
export interface SpreadOptions {
  readonly topics?: readonly string[];
  /** A file with topics, as kafka-reassign-partitions takes it. */
  readonly topicsFile?: string;
  /** All topics there are, the cluster's own too: for a broker that is to go. */
  readonly allTopics?: boolean;
  readonly brokers?: readonly number[];
  readonly replicationFactor?: number;
  /** False where racks do not count. */
  readonly rackAware?: boolean;
}

export interface ExecuteOptions extends SpreadOptions {
  readonly plan?: string;
  readonly throttle?: number;
  /** Of copies from one log directory into another; like `throttle`, where nothing is said. */
  readonly logDirsThrottle?: number;
  readonly additional?: boolean;
  readonly dryRun?: boolean;
}

export async function generatePlan(context: CommandContext, options: SpreadOptions): Promise<void> {
  await context.withAdmin(async (admin) => {
    const moves = await spread(context, admin, options);
    const proposed = assignmentJson(moves);
    if (context.out.json) {
      await context.out.result({ current: currentOf(moves), proposed }, () => '');
      return;
    }
    if (moves.some(isChanged)) context.out.note(renderMoves(moves));
    context.out.note(
      `${summary(moves)}; nothing has been moved. \`millrace partitions reassign execute --plan FILE\` does it.`,
    );
    await context.out.write(`${JSON.stringify(proposed)}\n`);
  });
}

/** What a plan replaces, as a plan. */
function currentOf(moves: readonly Move[], folders: readonly FolderMove[] = []): ReturnType<typeof assignmentJson> {
  const left = new Map(folders.map((each) => [`${each.topic}-${each.partition} ${each.brokerId}`, each.fromLogDir]));
  return assignmentJson(
    moves.map(({ topic, partition, before }) => ({
      topic,
      partition,
      replicas: before,
      logDirs: before.map((id) => left.get(`${topic}-${partition} ${id}`)),
    })),
  );
}

/** Plans where partitions are to go. */
async function spread(context: CommandContext, admin: Admin, options: SpreadOptions): Promise<Move[]> {
  const names = [...(options.topics ?? [])];
  if (options.topicsFile !== undefined) names.push(...(await readTopics(options.topicsFile, context.io.stdin)));
  if (options.allTopics === true) names.push(...(await admin.listTopics({ internal: true })));
  if ((names.length === 0 && options.allTopics !== true) || options.brokers === undefined) {
    throw usageError('Say which topics are to go to which brokers: `--topics orders --brokers 1,2,3`');
  }
  const topics = await findTopics(admin, [...new Set(names)]);
  const cluster = await admin.describeCluster();
  refuseMissingBrokers(cluster, options.brokers);
  const wanted = new Set(options.brokers);
  const brokers = cluster.brokers
    .filter(({ nodeId }) => wanted.has(nodeId))
    .map(({ nodeId, rack }) => ({ id: nodeId, rack: options.rackAware === false ? null : (rack ?? null) }));
  if (brokers.some(({ rack }) => rack === null) && brokers.some(({ rack }) => rack !== null)) {
    const without = brokers.filter(({ rack }) => rack === null).map(({ id }) => id);
    throw failure(
      `Only some of these brokers tell their rack: ${formatRanges(without)} ${without.length === 1 ? 'does' : 'do'} not`,
      'Set broker.rack on all of them, or leave racks out of it with `--no-rack-aware`.',
    );
  }
  const factor =
    options.replicationFactor ?? Math.max(...topics.flatMap(placedOf).map(({ replicas }) => replicas.length));
  if (factor > brokers.length) {
    throw failure(
      `${counted(factor, 'replica')} of a partition need as many brokers, and ${counted(brokers.length, 'is named', 'are named')}`,
      'Name more brokers, or ask for fewer replicas with `--replication-factor`.',
    );
  }
  const now = topics.flatMap(placedOf);
  const plan = planReassignment(now, brokers, { replicationFactor: options.replicationFactor });
  return plan.map((each, index) => ({ ...each, before: now[index]!.replicas }));
}

export function placedOf({ name, partitions }: TopicMetadata): PlacedPartition[] {
  return partitions
    .map(({ partition, replicas }) => ({ topic: name, partition, replicas }))
    .sort((a, b) => a.partition - b.partition);
}

export async function executePlan(context: CommandContext, options: ExecuteOptions): Promise<void> {
  const { plan, topics, topicsFile, allTopics } = options;
  if ((plan === undefined) === (topics === undefined && topicsFile === undefined && allTopics === undefined)) {
    throw usageError('Give a plan with `--plan FILE`, or what it would be made of: `--topics orders --brokers 1,2,3`');
  }
  await context.withAdmin(async (admin) => {
    const moves =
      options.plan === undefined ? await spread(context, admin, options) : await planned(context, admin, options.plan);
    const changed = moves.filter(isChanged);
    const running = await admin.listPartitionReassignments('all');
    if (running.length > 0 && options.additional !== true && options.dryRun !== true) {
      throw failure(
        `Partitions are being moved already: ${listPartitions(running)}`,
        'Wait for them (`millrace partitions reassign list`), or move these as well with `--additional`.',
      );
    }
    const folders = await foldersOf(context, admin, moves);
    if (options.dryRun !== true) {
      const { throttle, logDirsThrottle = throttle } = options;
      const brokers = folders.map(({ brokerId }) => brokerId);
      await slowDown(context, admin, throttleChanges(changed, running, throttle, { brokers, rate: logDirsThrottle }));
      await placeReplicas(admin, moves);
    }
    if (options.dryRun !== true && changed.length > 0) {
      await admin.alterPartitionReassignments(
        changed.map(({ topic, partition, replicas }) => ({ topic, partition, replicas })),
      );
    }
    const current = currentOf(moves, folders);
    const value = {
      moves: changed,
      folders,
      current,
      throttle: options.throttle ?? null,
      dryRun: options.dryRun ?? false,
    };
    await context.out.done(value, (paint) => renderPlanned(moves, folders, paint));
    if (changed.length > 0 || folders.length > 0) tellWhatNext(context, options, moves, current);
  });
}

/** The replicas that go into other log directories of their brokers. */
async function foldersOf(context: CommandContext, admin: Admin, moves: readonly Move[]): Promise<FolderMove[]> {
  const placed = moves.filter((each) => wishesOf(each).length > 0);
  if (placed.length === 0) return [];
  const told = await logDirsOf(
    admin,
    placed.map(({ topic, partition }) => ({ topic, partition })),
  );
  warnOfSilent(context.out, told);
  return folderMovesOf(told, placed);
}

function renderPlanned(moves: readonly Move[], folders: readonly FolderMove[], paint: Paint): string {
  const replicas = moves.some(isChanged) ? [renderMoves(moves, paint), summary(moves)] : [];
  const logs = folders.length > 0 ? [renderFolderMoves(folders, paint), folderSummary(folders)] : [];
  return replicas.length + logs.length === 0 ? summary(moves) : [...replicas, ...logs].join('\n');
}

/** Has replicas moved into the log directories of a plan, and those that are yet to come made there. */
async function placeReplicas(admin: Admin, moves: readonly Move[]): Promise<void> {
  const places = moves.flatMap((each) =>
    wishesOf(each).map((wish) => ({ topic: each.topic, partition: each.partition, ...wish })),
  );
  if (places.length === 0) return;
  try {
    await admin.alterReplicaLogDirs(places);
  } catch (error) {
    // Brokers that have not the replica yet keep the wish in mind.
    const isAwaited = error instanceof AdminItemsError && [...error.failures.values()].every(isNotThereYet);
    if (!isAwaited) throw error;
  }
}

function isNotThereYet({ code }: { readonly code: string }): boolean {
  return code === 'KAFKA_REPLICA_NOT_AVAILABLE';
}

async function slowDown(context: CommandContext, admin: Admin, changes: readonly ConfigChanges[]): Promise<void> {
  const deaf = await setThrottles(admin, changes);
  if (deaf.length === 0) return;
  const who = `${deaf.length === 1 ? 'Broker' : 'Brokers'} ${formatRanges(deaf)}`;
  context.out.warn(`${who} cannot slow down replication: records are copied as fast as they can be`);
}

function tellWhatNext(
  context: CommandContext,
  options: ExecuteOptions,
  moves: readonly Move[],
  current: ReturnType<typeof assignmentJson>,
): void {
  if (options.dryRun === true) {
    context.out.note('Nothing has been moved.');
    return;
  }
  const which =
    options.plan === undefined
      ? `--topics ${[...new Set(moves.map(({ topic }) => topic))].join(',')}`
      : `--plan ${options.plan}`;
  const { throttle = options.logDirsThrottle } = options;
  const throttled = throttle === undefined ? '' : `, and takes away the throttle of ${formatBytes(throttle)} a second`;
  context.out.note(
    `They are on their way; \`millrace partitions reassign verify ${which}\` tells when they are there${throttled}.`,
  );
  context.out.note(`Where they were, as a plan that leads back:\n${JSON.stringify(current)}`);
}

/** The moves of a plan in a file, held against what there is. */
async function planned(context: CommandContext, admin: Admin, path: string): Promise<Move[]> {
  const plan = await readPlan(path, context.io.stdin);
  if (plan.length === 0) return [];
  const now = await replicasOf(admin, plan);
  refuseMissingBrokers(
    await admin.describeCluster(),
    plan.flatMap(({ replicas }) => replicas),
  );
  return plan.map((each, index) => ({ ...each, before: now[index]! }));
}

/** Where these partitions are now, in their order. */
export async function replicasOf(admin: Admin, partitions: readonly TopicPartition[]): Promise<(readonly number[])[]> {
  const topics = new Map(
    (await findTopics(admin, [...new Set(partitions.map(({ topic }) => topic))])).map((each) => [each.name, each]),
  );
  return partitions.map(({ topic, partition }) => {
    const found = topics.get(topic)!;
    choosePartitions(found, [partition]);
    return found.partitions.find((each) => each.partition === partition)!.replicas;
  });
}

function isChanged({ before, replicas }: Move): boolean {
  return before.join() !== replicas.join();
}

function summary(moves: readonly Move[]): string {
  const changed = moves.filter(isChanged);
  if (changed.length === 0) {
    return moves.length === 1
      ? 'The partition is where it is to be'
      : `All ${counted(moves.length, 'partition')} are where they are to be`;
  }
  const copies = changed.reduce(
    (sum, { before, replicas }) => sum + replicas.filter((id) => !before.includes(id)).length,
    0,
  );
  const led = changed.filter(({ before, replicas }) => before[0] !== replicas[0]).length;
  return `${formatCount(changed.length)} of ${counted(moves.length, 'partition')}: ${counted(copies, 'replica')} to be copied, ${counted(led, 'other preferred leader')}`;
}

function renderMoves(moves: readonly Move[], paint?: Paint): string {
  return renderTable(
    [
      { header: 'TOPIC' },
      { header: 'PARTITION', align: 'right' },
      { header: 'REPLICAS' },
      { header: 'BECOME' },
      { header: 'COPIED TO' },
    ],
    moves
      .filter(isChanged)
      .map(({ topic, partition, before, replicas }) => [
        topic,
        String(partition),
        before.join(','),
        replicas.join(','),
        replicas.filter((id) => !before.includes(id)).join(','),
      ]),
    paint,
  );
}
