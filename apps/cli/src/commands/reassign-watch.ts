import type { Admin, PartitionReassignment } from '@millrace/admin';
import type { TopicPartition } from '@millrace/client';
import type { CommandContext } from '../context.ts';
import { usageError } from '../errors.ts';
import { counted, formatBytes, formatRanges, listPartitions } from '../output/format.ts';
import type { Paint } from '../output/paint.ts';
import { renderTable } from '../output/table.ts';
import { findTopics, newsToSpread } from './find-topics.ts';
import {
  type FolderMove,
  folderMovesIn,
  folderMovesOf,
  isPlaced,
  type LogDirsTold,
  logDirsOf,
  renderFolderMoves,
  warnOfSilent,
  wishesOf,
} from './folder-moves.ts';
import { placedOf, replicasOf } from './reassign.ts';
import { readPlan } from './reassignment-file.ts';
import type { PlacedPartition } from './reassignment-plan.ts';
import { type ClearedThrottles, clearThrottles } from './reassignment-throttle.ts';

/** Which moves are meant: those of a plan, or all of some topics. */
export interface MovesOptions {
  readonly plan?: string;
  readonly topics?: readonly string[];
  /** All topics there are, the cluster's own too. */
  readonly allTopics?: boolean;
  readonly all?: boolean;
  readonly preserveThrottles?: boolean;
}

type MoveStatus = 'completed' | 'in progress' | 'not as planned';

interface PartitionStatus extends TopicPartition {
  readonly status: MoveStatus;
  readonly wanted: readonly number[];
  readonly replicas: readonly number[];
}

export async function verifyPlan(context: CommandContext, options: MovesOptions): Promise<void> {
  const plan = options.plan === undefined ? undefined : await readPlan(options.plan, context.io.stdin);
  const { topics, allTopics } = options;
  if ([plan, topics, allTopics].filter((each) => each !== undefined).length !== 1) {
    throw usageError('Say what is to be looked at: `--plan FILE`, `--topics orders` or `--all-topics`');
  }
  await context.withAdmin(async (admin) => {
    const running = await admin.listPartitionReassignments('all');
    const names = async (): Promise<readonly string[]> => topics ?? (await admin.listTopics({ internal: true }));
    const targets = plan ?? (await findTopics(admin, await names())).flatMap(placedOf);
    let told = await logDirsOf(admin);
    const look = async (): Promise<PartitionStatus[]> =>
      statusesOf(targets, await replicasOf(admin, targets), running, told);
    let statuses = await look();
    if (statuses.some(({ status }) => status === 'not as planned')) {
      // The controller is through with them, and the broker that was asked may not have heard so.
      await newsToSpread();
      told = await logDirsOf(admin);
      statuses = await look();
    }
    const done = statuses.every(({ status }) => status === 'completed');
    const folders = folderMovesIn(told);
    if (targets.some((each) => wishesOf(each).length > 0)) warnOfSilent(context.out, told);
    const cleared = await clearWhenStill(admin, { running, folders }, statuses, options);
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
    const others = [...running, ...folders];
    if (others.length > 0 && done) context.out.note(`Others are still on their way: ${listPartitions(others)}.`);
  });
}

function statusesOf(
  targets: readonly PlacedPartition[],
  now: readonly (readonly number[])[],
  running: readonly PartitionReassignment[],
  told: LogDirsTold,
): PartitionStatus[] {
  const copied = new Set(folderMovesIn(told).map(copyName));
  return targets.map((target, index) => {
    const { topic, partition, replicas: wanted } = target;
    const replicas = now[index]!;
    const misplaced = folderMovesOf(told, [target]);
    const isMoving =
      running.some((each) => each.topic === topic && each.partition === partition) ||
      (misplaced.length > 0 && misplaced.every((each) => copied.has(copyName(each))));
    const isThere = wanted.join() === replicas.join() && isPlaced(told, target);
    const status = isMoving ? 'in progress' : isThere ? 'completed' : 'not as planned';
    return { topic, partition, status, wanted, replicas };
  });
}

function copyName({ topic, partition, brokerId, toLogDir }: FolderMove): string {
  return `${topic}-${partition} ${brokerId} ${toLogDir}`;
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

/** What is on its way: to other brokers, and into other log directories. */
interface Moving {
  readonly running: readonly PartitionReassignment[];
  readonly folders: readonly FolderMove[];
}

/** Throttles are for moves: when none runs any more, they only slow down replicas that are behind. */
async function clearWhenStill(
  admin: Admin,
  { running, folders }: Moving,
  partitions: readonly TopicPartition[],
  { preserveThrottles }: MovesOptions,
): Promise<ClearedThrottles | undefined> {
  if (running.length + folders.length > 0 || preserveThrottles === true || partitions.length === 0) return undefined;
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
    const told = await logDirsOf(admin);
    warnOfSilent(context.out, told);
    const folders = folderMovesIn(told).filter(isMeant);
    await callBack(admin, folders);
    const left = await admin.listPartitionReassignments('all');
    const moving = folders.length > 0 ? await logDirsOf(admin) : told;
    const cleared = await clearWhenStill(
      admin,
      { running: left, folders: folderMovesIn(moving) },
      plan ?? [...cancelled, ...folders],
      options,
    );
    const partitions = cancelled.map(({ topic, partition, replicas, addingReplicas }) => ({
      topic,
      partition,
      replicas: replicas.filter((id) => !addingReplicas.includes(id)),
    }));
    await context.out.done({ cancelled: partitions, folders, cleared: cleared ?? null }, () => {
      const lines = [
        ...(cancelled.length > 0
          ? [`${counted(cancelled.length, 'move')} cancelled: ${listPartitions(cancelled)}`]
          : []),
        ...(folders.length > 0
          ? [
              `${counted(folders.length, 'replica')} left in the log directory it was in: ${folders.map(whose).join(', ')}`,
            ]
          : []),
      ];
      return lines.length === 0 ? 'None of them is being moved; nothing to cancel' : lines.join('\n');
    });
    tellCleared(context, cleared);
  });
}

/** A broker that is told to have a replica where it is leaves off the copy that was to replace it. */
async function callBack(admin: Admin, folders: readonly FolderMove[]): Promise<void> {
  if (folders.length === 0) return;
  await admin.alterReplicaLogDirs(
    folders.map(({ topic, partition, brokerId, fromLogDir }) => ({ topic, partition, brokerId, logDir: fromLogDir })),
  );
}

function whose({ topic, partition, brokerId }: FolderMove): string {
  return `${topic} ${partition} on broker ${brokerId}`;
}

export async function listMoves(context: CommandContext): Promise<void> {
  await context.withAdmin(async (admin) => {
    const running = await admin.listPartitionReassignments('all');
    running.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
    const told = await logDirsOf(admin);
    const folders = folderMovesIn(told);
    warnOfSilent(context.out, told);
    if (running.length === 0) context.out.note('No partition is on its way to other brokers.');
    const progress = progressIn(told);
    const moves = running.map((each) => ({ ...each, ...progress(each) }));
    await context.out.result([...moves, ...folders], (paint) => {
      const tables = [
        ...(moves.length > 0 ? [renderRunning(moves, paint)] : []),
        ...(folders.length > 0 ? [renderFolderMoves(folders, paint)] : []),
      ];
      return tables.join('\n');
    });
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
function progressIn({ dirs }: LogDirsTold): (move: PartitionReassignment) => CopyProgress {
  const sizes = new Map<string, number>();
  for (const { brokerId, replicas } of dirs) {
    for (const { topic, partition, sizeBytes, isMoving } of replicas) {
      if (!isMoving) sizes.set(`${brokerId}:${topic}-${partition}`, sizeBytes);
    }
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
