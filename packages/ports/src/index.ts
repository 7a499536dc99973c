/**
 * Clock, randomness, disk and logger as ports, with their real and simulated forms; and what every package needs.
 * @packageDocumentation
 */
export {
  aBoolean,
  aFunction,
  aList,
  anAbortSignal,
  anyText,
  anything,
  type FieldRules,
  faultOf,
  holdsByName,
  INT32_MAX,
  isPromise,
  milliseconds,
  millisecondsOrInfinity,
  objectWith,
  oneOf,
  orInfinity,
  orNull,
  required,
  type Shape,
  shown,
  someText,
  type ValueRule,
  valueFault,
  wholeNumber,
} from './checks.ts';
export { type Clock, holdingClock, systemClock, type Timer } from './clock.ts';
export type { Disk, DiskFile } from './disk.ts';
export { checkInvariants, InvariantError, invariant } from './invariant.ts';
export { isLocked } from './is-locked.ts';
export { withLineBudget } from './line-budget.ts';
export { listenFault } from './listen-fault.ts';
export { guardedLogger, type Logger, silentLogger } from './logger.ts';
export { makeFolders } from './make-folders.ts';
export { ManualClock } from './manual-clock.ts';
export {
  type CrashKeeps,
  type DiskCall,
  type DiskFault,
  type DiskOutcome,
  MemoryDisk,
  type PartialWrite,
} from './memory-disk.ts';
export { nearestName } from './nearest.ts';
export { NodeDisk } from './node-disk.ts';
export { NoPropertiesError, parseProperties, propertiesText } from './properties.ts';
export { type Random, seededRandom, systemRandom } from './random.ts';
export { monotonicMs, nextTurn, realTimers, runInMicrotask, runNextTick, runNextTurn } from './real-timers.ts';
export { type ArgumentCounts, takeNoMore } from './surplus.ts';
export { systemError } from './system-error.ts';
