import type { Build } from '../build.ts';
import { clusterMutants } from './cluster-mutants.ts';
import { controllerMutants } from './controller-mutants.ts';
import { credulousMutants } from './credulous-mutants.ts';
import {
  acknowledgesBeforeSync,
  forgetsFolders,
  ignoresFailedSync,
  leavesMetadataUnsynced,
  skipsCrc,
  takesEveryStopForClean,
} from './disk-mutants.ts';
import {
  commitsTooSoon,
  deletesTooSoon,
  dropsRecords,
  forgetsSequences,
  leavesGaps,
  overtakes,
  sharesPartitions,
} from './request-mutants.ts';
import { transactionMutants } from './transaction-mutants.ts';

/** Brokers that are broken on purpose: if one of them is not caught, the simulator is blind. */
export const mutants: readonly Build[] = [
  acknowledgesBeforeSync,
  ignoresFailedSync,
  leavesMetadataUnsynced,
  skipsCrc,
  takesEveryStopForClean,
  forgetsFolders,
  dropsRecords,
  forgetsSequences,
  overtakes,
  leavesGaps,
  commitsTooSoon,
  deletesTooSoon,
  sharesPartitions,
  ...clusterMutants,
  ...controllerMutants,
  ...credulousMutants,
  ...transactionMutants,
];
