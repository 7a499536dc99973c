import { batchBaseOffset, splitBatches } from '@millrace/records';
import type { Machine } from './machine.ts';

/** A batch as it stands in a replica's files. */
interface StoredBatch {
  readonly baseOffset: number;
  readonly bytes: Buffer;
}

/**
 * Holds the files of all replicas of a partition against each other, from where the log and all the files begin: they must be equal to
 * the byte. Says where they are not. Below where the log begins nobody asks a follower whether it has what the leader had.
 */
export function differenceOf(
  partition: string,
  machines: readonly Machine[],
  logStartOffset: number,
): string | undefined {
  const replicas = machines.flatMap((machine) => {
    const batches = batchesOf(partition, machine);
    // Retention takes all of a log on one broker before it does on another.
    return batches === undefined || batches.length === 0 ? [] : [{ id: machine.id, batches }];
  });
  const start = Math.max(logStartOffset, ...replicas.map(({ batches }) => batches[0]?.baseOffset ?? 0));
  const [first, ...others] = replicas.map(({ id, batches }) => ({
    id,
    batches: batches.filter(({ baseOffset }) => baseOffset >= start),
  }));
  if (first === undefined) return undefined;
  for (const other of others) {
    const length = Math.max(first.batches.length, other.batches.length);
    for (let index = 0; index < length; index += 1) {
      const [a, b] = [first.batches[index], other.batches[index]];
      if (a !== undefined && b !== undefined && a.bytes.equals(b.bytes)) continue;
      return `brokers ${first.id} and ${other.id} differ at offset ${a?.baseOffset ?? 'the end'} and ${b?.baseOffset ?? 'the end'}`;
    }
  }
  return undefined;
}

/** Undefined where the machine has no replica. */
function batchesOf(partition: string, { folders, disk }: Machine): StoredBatch[] | undefined {
  for (const folder of folders) {
    const segments = disk
      .filesBelow(`${folder}/${partition}`)
      .map(({ path }) => path)
      .filter((path) => path.endsWith('.log'))
      .sort();
    if (segments.length === 0) continue;
    return segments.flatMap((path) => {
      const log = disk.peek(path);
      const starts = [...splitBatches(log)];
      return starts.map((at, index) => ({
        baseOffset: batchBaseOffset(log, at),
        bytes: log.subarray(at, starts[index + 1] ?? log.length),
      }));
    });
  }
  return undefined;
}
