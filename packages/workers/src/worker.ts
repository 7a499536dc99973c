import { type CleaningSlice, cleanSlice as cleanSliceHere } from '@millrace/log';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { type BatchTask, runBatchTask } from './batch-task.ts';
import { collectGarbage } from './collect-garbage.ts';

/** What runs in a thread of the pool: one exported function per kind of task, named as the pool asks for it. */

/** What lies about after a task, in bytes, before it is collected at once. */
const GARBAGE_BYTES_MAX = 32 * 1024 * 1024;

/** Does the jobs of a group of batches and hands the memory of the results over. */
export function batches(task: BatchTask): unknown {
  const outcomes = runBatchTask(task);
  const memory = outcomes.flatMap((outcome) => ('batch' in outcome ? [outcome.batch] : []));
  const handedOverBytes = memory.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (process.memoryUsage().arrayBuffers - handedOverBytes > GARBAGE_BYTES_MAX) collectGarbage();
  return move({ [transferableSymbol]: memory, [valueSymbol]: outcomes });
}

/** Does a slice of a compaction and hands the memory of what stays over. */
export function cleanSlice(slice: CleaningSlice): unknown {
  const outcome = cleanSliceHere(slice);
  return move({ [transferableSymbol]: [outcome.output.buffer], [valueSymbol]: outcome });
}
