/** Replicas on their way from one log directory of their broker into another (KIP-113): what no controller knows of, only the brokers. */
import type { Admin, LogDir } from '@millrace/admin';
import type { TopicPartition } from '@millrace/client';
import { counted, formatBytes, formatRanges } from '../output/format.ts';
import type { Output } from '../output/output.ts';
import type { Paint } from '../output/paint.ts';
import { renderTable } from '../output/table.ts';
import type { PlacedPartition } from './reassignment-plan.ts';

/** A replica that goes from one log directory of its broker into another. */
export interface FolderMove extends TopicPartition {
  readonly brokerId: number;
  /** Where its log is. */
  readonly fromLogDir: string;
  readonly toLogDir: string;
  readonly copiedBytes: number;
  readonly totalBytes: number;
}

/** The log directories of the brokers, and which brokers did not tell. */
export interface LogDirsTold {
  readonly dirs: readonly LogDir[];
  /** Brokers that are gone, have a directory that has failed, or do not tell everybody. */
  readonly silent: readonly number[];
}

/** Where replicas lie, as their brokers tell it. Those that do not tell keep nobody from hearing of the others. */
export async function logDirsOf(admin: Admin, partitions?: readonly TopicPartition[]): Promise<LogDirsTold> {
  const { brokers } = await admin.describeCluster();
  const silent: number[] = [];
  const told = brokers.map(async ({ nodeId }) => {
    try {
      return await admin.describeLogDirs({ brokerIds: [nodeId], partitions });
    } catch {
      silent.push(nodeId);
      return [];
    }
  });
  return { dirs: (await Promise.all(told)).flat(), silent };
}

/** What is on its way, by topic, partition and broker. */
export function folderMovesIn({ dirs }: LogDirsTold): FolderMove[] {
  const moves = dirs.flatMap((to) =>
    to.replicas
      .filter(({ isMoving }) => isMoving)
      .flatMap(({ topic, partition, sizeBytes }): FolderMove[] => {
        const from = placeOf(dirs, { topic, partition }, to.brokerId);
        if (from === undefined) return [];
        return [
          {
            topic,
            partition,
            brokerId: to.brokerId,
            fromLogDir: from.logDir,
            toLogDir: to.path,
            copiedBytes: Math.min(sizeBytes, from.sizeBytes),
            totalBytes: from.sizeBytes,
          },
        ];
      }),
  );
  return moves.sort(
    (a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition) || a.brokerId - b.brokerId,
  );
}

/** What a plan has moved into other log directories; replicas that are yet to come are made where they are to be. */
export function folderMovesOf({ dirs }: LogDirsTold, plan: readonly PlacedPartition[]): FolderMove[] {
  return plan.flatMap((each) =>
    wishesOf(each).flatMap(({ brokerId, logDir }): FolderMove[] => {
      const { topic, partition } = each;
      const now = placeOf(dirs, each, brokerId);
      if (now === undefined || now.logDir === logDir) return [];
      const sizes = { copiedBytes: 0, totalBytes: now.sizeBytes };
      return [{ topic, partition, brokerId, fromLogDir: now.logDir, toLogDir: logDir, ...sizes }];
    }),
  );
}

/** The log directories that a plan wishes for. */
export function wishesOf({ replicas, logDirs = [] }: PlacedPartition): { brokerId: number; logDir: string }[] {
  return replicas.flatMap((brokerId, index) => {
    const logDir = logDirs[index];
    return logDir === undefined ? [] : [{ brokerId, logDir }];
  });
}

/** Whether all replicas of a partition are in the log directories that a plan wishes for, as far as their brokers tell. */
export function isPlaced({ dirs }: LogDirsTold, plan: PlacedPartition): boolean {
  return wishesOf(plan).every(({ brokerId, logDir }) => placeOf(dirs, plan, brokerId)?.logDir === logDir);
}

function placeOf(
  dirs: readonly LogDir[],
  { topic, partition }: TopicPartition,
  brokerId: number,
): { readonly logDir: string; readonly sizeBytes: number } | undefined {
  for (const dir of dirs) {
    if (dir.brokerId !== brokerId) continue;
    const found = dir.replicas.find((each) => each.topic === topic && each.partition === partition && !each.isMoving);
    if (found !== undefined) return { logDir: dir.path, sizeBytes: found.sizeBytes };
  }
  return undefined;
}

export function renderFolderMoves(moves: readonly FolderMove[], paint?: Paint): string {
  return renderTable(
    [
      { header: 'TOPIC' },
      { header: 'PARTITION', align: 'right' },
      { header: 'BROKER', align: 'right' },
      { header: 'FROM' },
      { header: 'TO' },
      { header: 'COPIED', align: 'right' },
      { header: 'OF', align: 'right' },
    ],
    moves.map(({ topic, partition, brokerId, fromLogDir, toLogDir, copiedBytes, totalBytes }) => [
      topic,
      String(partition),
      String(brokerId),
      fromLogDir,
      toLogDir,
      formatBytes(copiedBytes),
      formatBytes(totalBytes),
    ]),
    paint,
  );
}

/** `2 replicas to be copied into another log directory`. */
export function folderSummary(moves: readonly FolderMove[]): string {
  return `${counted(moves.length, 'replica')} to be copied into another log directory`;
}

/** Says whose log directories are not known. */
export function warnOfSilent(out: Output, { silent }: LogDirsTold): void {
  if (silent.length === 0) return;
  const who = `${silent.length === 1 ? 'Broker' : 'Brokers'} ${formatRanges(silent)}`;
  out.warn(`${who} did not tell all log directories: moves from one into another are not seen there`);
}
