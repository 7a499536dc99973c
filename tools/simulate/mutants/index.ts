import type { Build } from '../build.ts';
import { acknowledgesBeforeSync, ignoresFailedSync, skipsCrc, takesEveryStopForClean } from './disk-mutants.ts';
import { commitsTooSoon, dropsRecords, forgetsSequences, leavesGaps, overtakes } from './request-mutants.ts';

/** Brokers that are broken on purpose: if one of them is not caught, the simulator is blind. */
export const mutants: readonly Build[] = [
  acknowledgesBeforeSync,
  ignoresFailedSync,
  skipsCrc,
  takesEveryStopForClean,
  dropsRecords,
  forgetsSequences,
  overtakes,
  leavesGaps,
  commitsTooSoon,
];
