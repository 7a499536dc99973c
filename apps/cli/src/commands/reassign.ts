import {
  type Admin,
  AdminItemsError,
  type ClusterDescription,
  type ConfigChanges,
  type PartitionReassignment,
} from '@millrace/admin';
import type { TopicMetadata, TopicPartition } from '@millrace/client';
import type { CommandContext } from '../context.ts';
import { failure, usageError } from '../errors.ts';
import { counted, formatBytes, formatCount, formatRanges, listPartitions } from '../output/format.ts';
import type { Paint } from '../output/paint.ts';
import { renderTable } from '../output/table.ts';
import { choosePartitions, findTopics, newsToSpread } from './find-topics.ts';
import { assignmentJson, readPlan, readTopics } from './reassignment-file.ts';
import { type PlacedPartition, planReassignment } from './reassignment-plan.ts';
import {
  type ClearedThrottles,
  clearThrottles,
  type Move,
  setThrottles,
  throttleChanges,
} from './reassignment-throttle.ts';

/** What is to be spread over which brokers. */
export interface SpreadOptions {
  readonly topics?: readonly string[];
  /** A file with topics, as kafka-reassign-partitions takes it. */
  readonly topicsFile?: string;
  readonly brokers?: readonly number[];
  readonly replicationFactor?: number;
  /** False where racks do not count. */
  readonly rackAware?: boolean;
}

export interface ExecuteOptions extends SpreadOptions {
  readonly plan?: string;
  readonly throttle?: number;
  readonly additional?: boolean;
  readonly dryRun?: boolean;
}

/** Which moves are meant: those of a plan, or all of some topics. */
export interface MovesOptions {
  readonly plan?: string;
  readonly topics?: readonly string[];
  readonly all?: boolean;
  readonly preserveThrottles?: boolean;
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
function currentOf(moves: readonly Move[]): ReturnType<typeof assignmentJson> {
  return assignmentJson(moves.map(({ topic, partition, before }) => ({ topic, partition, replicas: before })));
}

/** Plans where partitions are to go. */
async function spread(context: CommandContext, admin: Admin, options: SpreadOptions): Promise<Move[]> {
  const names = [...(options.topics ?? [])];
  if (options.topicsFile !== undefined) names.push(...(await readTopics(options.topicsFile, context.io.stdin)));
  if (names.length === 0 || options.brokers === undefined) {
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

function placedOf({ name, partitions }: TopicMetadata): PlacedPartition[] {
  return partitions
    .map(({ partition, replicas }) => ({ topic: name, partition, replicas }))
    .sort((a, b) => a.partition - b.partition);
}

function refuseMissingBrokers({ brokers }: ClusterDescription, wanted: readonly number[]): void {
  const ids = brokers.map(({ nodeId }) => nodeId);
  const missing = [...new Set(wanted)].filter((id) => !ids.includes(id));
  if (missing.length === 0) return;
  throw failure(
    `There is no broker ${formatRanges(missing)}: alive ${ids.length === 1 ? 'is' : 'are'} ${formatRanges(ids)}`,
    '`millrace cluster` shows the brokers there are.',
  );
}

export async function executePlan(context: CommandContext, options: ExecuteOptions): Promise<void> {
  if ((options.plan === undefined) === (options.topics === undefined && options.topicsFile === undefined)) {
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
    if (options.dryRun !== true) await placeReplicas(admin, moves);
    if (options.dryRun !== true && changed.length > 0) {
      if (options.throttle !== undefined) {
        await slowDown(context, admin, throttleChanges(changed, running, options.throttle));
      }
      await admin.alterPartitionReassignments(
        changed.map(({ topic, partition, replicas }) => ({ topic, partition, replicas })),
      );
    }
    const value = {
      moves: changed,
      current: currentOf(moves),
      throttle: options.throttle ?? null,
      dryRun: options.dryRun ?? false,
    };
    await context.out.done(value, (paint) =>
      changed.length === 0 ? summary(moves) : `${renderMoves(moves, paint)}\n${summary(moves)}`,
    );
    if (changed.length > 0 || moves.some(({ logDirs }) => logDirs !== undefined)) tellWhatNext(context, options, moves);
  });
}

/** Has replicas moved into the log directories of a plan, and those that are yet to come made there. */
async function placeReplicas(admin: Admin, moves: readonly Move[]): Promise<void> {
  const places = moves.flatMap(({ topic, partition, replicas, logDirs = [] }) =>
    replicas.flatMap((brokerId, index) => {
      const logDir = logDirs[index];
      return logDir === undefined ? [] : [{ topic, partition, brokerId, logDir }];
    }),
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

function tellWhatNext(context: CommandContext, options: ExecuteOptions, moves: readonly Move[]): void {
  if (options.dryRun === true) {
    context.out.note('Nothing has been moved.');
    return;
  }
  const which =
    options.plan === undefined
      ? `--topics ${[...new Set(moves.map(({ topic }) => topic))].join(',')}`
      : `--plan ${options.plan}`;
  const throttled =
    options.throttle === undefined ? '' : `, and takes away the throttle of ${formatBytes(options.throttle)} a second`;
  context.out.note(
    `They are on their way; \`millrace partitions reassign verify ${which}\` tells when they are there${throttled}.`,
  );
  context.out.note(`Where they were, as a plan that leads back:\n${JSON.stringify(currentOf(moves))}`);
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
async function replicasOf(admin: Admin, partitions: readonly TopicPartition[]): Promise<(readonly number[])[]> {
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
  const placed = moves.filter(({ logDirs = [] }) => logDirs.some((each) => each !== undefined)).length;
  if (changed.length === 0 && placed > 0) {
    return `${counted(placed, 'partition')} to be in the log directories of the plan`;
  }
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

type MoveStatus = 'completed' | 'in progress' | 'not as planned';

interface PartitionStatus extends TopicPartition {
  readonly status: MoveStatus;
  readonly wanted: readonly number[];
  readonly replicas: readonly number[];
}

export async function verifyPlan(context: CommandContext, options: MovesOptions): Promise<void> {
  const plan = options.plan === undefined ? undefined : await readPlan(options.plan, context.io.stdin);
  if ((plan === undefined) === (options.topics === undefined)) {
    throw usageError('Say what is to be looked at: `--plan FILE`, or `--topics orders`');
  }
  await context.withAdmin(async (admin) => {
    const running = await admin.listPartitionReassignments('all');
    const targets = plan ?? (await findTopics(admin, options.topics!)).flatMap(placedOf);
    const look = async (): Promise<PartitionStatus[]> =>
      statusesOf(targets, await replicasOf(admin, targets), running, await misplacedOf(admin, targets));
    let statuses = await look();
    if (statuses.some(({ status }) => status === 'not as planned')) {
      // The controller is through with them, and the broker that was asked may not have heard so.
      await newsToSpread();
      statuses = await look();
    }
    const done = statuses.every(({ status }) => status === 'completed');
    const cleared = await clearWhenStill(admin, running, statuses, options);
    if (!done) context.exitCode = 1;
    await context.out.result({ done, partitions: statuses, cleared: cleared ?? null }, (paint) =>
      renderStatuses(statuses, paint),
    );
    if (statuses.some(({ status }) => status === 'not as planned')) {
      context.out.warn(
        'Partitions that are not as planned are not on their way: `execute` sends them, unless a later plan has moved them.',
      );
    }
    tellCleared(context, cleared);
    if (running.length > 0 && done) context.out.note(`Others are still on their way: ${listPartitions(running)}.`);
  });
}

/** Partitions with replicas that are not in the log directories that a plan wishes for, by name. */
async function misplacedOf(admin: Admin, targets: readonly PlacedPartition[]): Promise<ReadonlySet<string>> {
  const placed = targets.filter(({ logDirs = [] }) => logDirs.some((each) => each !== undefined));
  if (placed.length === 0) return new Set();
  const dirs = await admin.describeLogDirs({
    partitions: placed.map(({ topic, partition }) => ({ topic, partition })),
  });
  const isThere = ({ topic, partition }: TopicPartition, brokerId: number, logDir: string): boolean =>
    dirs.some(
      (dir) =>
        dir.brokerId === brokerId &&
        dir.path === logDir &&
        dir.replicas.some((each) => each.topic === topic && each.partition === partition && !each.isMoving),
    );
  const misplaced = placed.filter(({ replicas, logDirs = [], ...place }) =>
    replicas.some((id, index) => logDirs[index] !== undefined && !isThere(place, id, logDirs[index])),
  );
  return new Set(misplaced.map(({ topic, partition }) => `${topic}-${partition}`));
}

function statusesOf(
  targets: readonly PlacedPartition[],
  now: readonly (readonly number[])[],
  running: readonly PartitionReassignment[],
  misplaced: ReadonlySet<string>,
): PartitionStatus[] {
  return targets.map(({ topic, partition, replicas: wanted }, index) => {
    const replicas = now[index]!;
    const isMoving =
      misplaced.has(`${topic}-${partition}`) ||
      running.some((each) => each.topic === topic && each.partition === partition);
    const status = isMoving ? 'in progress' : wanted.join() === replicas.join() ? 'completed' : 'not as planned';
    return { topic, partition, status, wanted, replicas };
  });
}

function renderStatuses(statuses: readonly PartitionStatus[], paint: Paint): string {
  const colors = { completed: paint.green, 'in progress': paint.yellow, 'not as planned': paint.red };
  return renderTable(
    [
      { header: 'TOPIC' },
      { header: 'PARTITION', align: 'right' },
      { header: 'PLANNED' },
      { header: 'NOW' },
      { header: 'STATUS' },
    ],
    statuses.map(({ topic, partition, status, wanted, replicas }) => [
      topic,
      String(partition),
      wanted.join(','),
      replicas.join(','),
      colors[status](status),
    ]),
    paint,
  );
}

/** Throttles are for moves: when none runs any more, they only slow down replicas that are behind. */
async function clearWhenStill(
  admin: Admin,
  running: readonly PartitionReassignment[],
  partitions: readonly TopicPartition[],
  { preserveThrottles }: MovesOptions,
): Promise<ClearedThrottles | undefined> {
  if (running.length > 0 || preserveThrottles === true || partitions.length === 0) return undefined;
  return clearThrottles(admin, [...new Set(partitions.map(({ topic }) => topic))]);
}

function tellCleared(context: CommandContext, cleared: ClearedThrottles | undefined): void {
  if (cleared === undefined) return;
  const where = [
    ...(cleared.topics.length === 0
      ? []
      : [`${cleared.topics.length === 1 ? 'topic' : 'topics'} ${cleared.topics.join(', ')}`]),
    ...(cleared.brokers.length === 0
      ? []
      : [`${cleared.brokers.length === 1 ? 'broker' : 'brokers'} ${formatRanges(cleared.brokers)}`]),
  ];
  if (where.length > 0) context.out.note(`Throttles are taken away from ${where.join(' and ')}.`);
}

export async function cancelMoves(context: CommandContext, options: MovesOptions): Promise<void> {
  if ([options.plan, options.topics, options.all].filter((each) => each !== undefined).length !== 1) {
    throw usageError('Say what is to be cancelled: `--plan FILE`, `--topics orders`, or `--all`');
  }
  const plan = options.plan === undefined ? undefined : await readPlan(options.plan, context.io.stdin);
  await context.withAdmin(async (admin) => {
    if (options.topics !== undefined) await findTopics(admin, options.topics);
    const running = await admin.listPartitionReassignments('all');
    const isMeant = ({ topic, partition }: TopicPartition): boolean =>
      options.all === true ||
      options.topics?.includes(topic) === true ||
      plan?.some((each) => each.topic === topic && each.partition === partition) === true;
    const cancelled = running.filter(isMeant);
    if (cancelled.length > 0) {
      await admin.alterPartitionReassignments(
        cancelled.map(({ topic, partition }) => ({ topic, partition, replicas: null })),
      );
    }
    const left = await admin.listPartitionReassignments('all');
    const cleared = await clearWhenStill(admin, left, plan ?? cancelled, options);
    const partitions = cancelled.map(({ topic, partition, replicas, addingReplicas }) => ({
      topic,
      partition,
      replicas: replicas.filter((id) => !addingReplicas.includes(id)),
    }));
    await context.out.done({ cancelled: partitions, cleared: cleared ?? null }, () =>
      cancelled.length === 0
        ? 'None of them is being moved; nothing to cancel'
        : `${counted(cancelled.length, 'move')} cancelled: ${listPartitions(cancelled)}`,
    );
    tellCleared(context, cleared);
  });
}

export async function listMoves(context: CommandContext): Promise<void> {
  await context.withAdmin(async (admin) => {
    const running = await admin.listPartitionReassignments('all');
    running.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
    if (running.length === 0) context.out.note('No partition is on its way to other brokers.');
    const progress = await progressOf(admin, running);
    const value = running.map((each) => ({ ...each, ...progress(each) }));
    await context.out.result(value, (paint) => (value.length === 0 ? '' : renderRunning(value, paint)));
  });
}

function renderRunning(moves: readonly (PartitionReassignment & CopyProgress)[], paint: Paint): string {
  return renderTable(
    [
      { header: 'TOPIC' },
      { header: 'PARTITION', align: 'right' },
      { header: 'REPLICAS' },
      { header: 'COME' },
      { header: 'GO' },
      { header: 'COPIED', align: 'right' },
      { header: 'OF', align: 'right' },
    ],
    moves.map(({ topic, partition, replicas, addingReplicas, removingReplicas, copiedBytes, totalBytes }) => [
      topic,
      String(partition),
      replicas.join(','),
      addingReplicas.join(','),
      removingReplicas.join(','),
      copiedBytes === null ? '' : formatBytes(copiedBytes),
      totalBytes === null ? '' : formatBytes(totalBytes),
    ]),
    paint,
  );
}

/** How much of a partition the brokers that come have by now; null where that cannot be asked. */
interface CopyProgress {
  readonly copiedBytes: number | null;
  readonly totalBytes: number | null;
}

/** By the sizes of the logs: what brokers tell as a replica's lag is how far it is behind what it has heard of itself. */
async function progressOf(
  admin: Admin,
  running: readonly PartitionReassignment[],
): Promise<(move: PartitionReassignment) => CopyProgress> {
  const brokerIds = [...new Set(running.flatMap(({ replicas }) => replicas))];
  const partitions = running.map(({ topic, partition }) => ({ topic, partition }));
  const dirs = running.length === 0 ? [] : await admin.describeLogDirs({ brokerIds, partitions }).catch(() => []);
  const sizes = new Map<string, number>();
  for (const { brokerId, replicas } of dirs) {
    for (const { topic, partition, sizeBytes } of replicas) sizes.set(`${brokerId}:${topic}-${partition}`, sizeBytes);
  }
  return ({ topic, partition, replicas, addingReplicas }) => {
    const sizesOf = (ids: readonly number[]): number[] =>
      ids.map((id) => sizes.get(`${id}:${topic}-${partition}`)).filter((size) => size !== undefined);
    const whole = Math.max(...sizesOf(replicas.filter((id) => !addingReplicas.includes(id))));
    if (!Number.isFinite(whole)) return { copiedBytes: null, totalBytes: null };
    // A broker that has not begun has no log of it yet.
    const copied = addingReplicas.map((id) => sizesOf([id])[0] ?? 0);
    return {
      copiedBytes: copied.reduce((sum, size) => sum + Math.min(size, whole), 0),
      totalBytes: whole * addingReplicas.length,
    };
  };
}
