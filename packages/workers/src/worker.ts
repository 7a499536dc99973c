import { type CleaningSlice, cleanSlice as cleanSliceHere } from '@millrace/log';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { collectGarbage } from './collect-garbage.ts';
import { type RecompressTask, runRecompressTask } from './recompress-task.ts';

/** What runs in a thread of the pool: one exported function per kind of task, named as the pool asks for it. */

/** Recompresses a group of batches and hands the memory of the results over. Those that are refused leave no garbage. */
export function recompress(task: RecompressTask): unknown {
  const outcomes = runRecompressTask(task);
  const memory = outcomes.flatMap((outcome) => ('batch' in outcome ? [outcome.batch] : []));
  if (memory.length < outcomes.length) collectGarbage();
  return move({ [transferableSymbol]: memory, [valueSymbol]: outcomes });
}

/** Does a slice of a compaction and hands the memory of what stays over. */
export function cleanSlice(slice: CleaningSlice): unknown {
  const outcome = cleanSliceHere(slice);
  return move({ [transferableSymbol]: [outcome.output.buffer], [valueSymbol]: outcome });
}
