import { type DiskCall, type DiskFault, type DiskOutcome, systemError } from '@millrace/ports';
import type { Dice } from './dice.ts';
import type { Gate } from './gate.ts';
import type { Saboteur } from './saboteur.ts';
import type { SimulatedClock } from './simulated-clock.ts';

/** A fault that strikes the next call it fits, once. */
export interface PlannedFault {
  readonly kind: 'read' | 'write' | 'sync' | 'open' | 'truncate' | 'rename' | 'syncFolder';
  /** Only calls on files whose path has this in it. */
  readonly path: string;
  readonly code: 'EIO' | 'ENOSPC';
}

/** How long the calls take that take time, in milliseconds: the least and the most. */
const TIMES_MS: Partial<Record<DiskCall['kind'], readonly [number, number]>> = {
  read: [0.02, 0.3],
  write: [0.02, 0.4],
  sync: [0.1, 2],
  rename: [0, 0.2],
  truncate: [0, 0.1],
  syncFolder: [0.05, 0.5],
};

/** What befalls the calls on a machine's disk: they take time, and now and then one fails. Outlives the processes. */
export class DiskFaults {
  readonly #clock: SimulatedClock;
  readonly #dice: Dice;
  readonly #planned: PlannedFault[] = [];
  readonly #struck: (fault: PlannedFault, call: DiskCall) => void;
  #slowUntilMs = 0;
  #slowness = 1;
  #noHandlesUntilMs = 0;
  calls = 0;

  constructor(clock: SimulatedClock, dice: Dice, struck: (fault: PlannedFault, call: DiskCall) => void) {
    this.#clock = clock;
    this.#dice = dice;
    this.#struck = struck;
  }

  plan(fault: PlannedFault): void {
    this.#planned.push(fault);
  }

  /** Calls take `factor` times as long until `durationMs` from now. */
  slowDown(factor: number, durationMs: number): void {
    this.#slowness = factor;
    this.#slowUntilMs = this.#clock.monotonic() + durationMs;
  }

  /** No file can be opened until `durationMs` from now: too many are. */
  takeHandles(durationMs: number): void {
    this.#noHandlesUntilMs = this.#clock.monotonic() + durationMs;
  }

  /** No faults that have not struck yet, and the usual speed. */
  heal(): void {
    this.#planned.length = 0;
    this.#slowUntilMs = 0;
    this.#noHandlesUntilMs = 0;
  }

  /** The hook for the disk that a process uses. A dead process' calls stay where they are; a paused one learns later. */
  hookFor(process: Gate, saboteur: Saboteur): DiskFault {
    return (call) => {
      if (process.isClosed) return new Promise<DiskOutcome>(() => {});
      this.calls += 1;
      const outcome = saboteur.error('disk') ?? this.#outcome(call);
      const delayMs = this.#delayMs(call);
      if (delayMs === 0) return outcome;
      return new Promise((resolve) => void this.#clock.schedule(delayMs, () => process.pass(() => resolve(outcome))));
    };
  }

  #delayMs({ kind }: DiskCall): number {
    const range = TIMES_MS[kind];
    if (range === undefined) return 0;
    const isSlow = this.#clock.monotonic() < this.#slowUntilMs;
    return this.#dice.time(range[0], range[1]) * (isSlow ? this.#slowness : 1);
  }

  #outcome(call: DiskCall): DiskOutcome {
    if (call.kind === 'open' && this.#clock.monotonic() < this.#noHandlesUntilMs) {
      return systemError('EMFILE', `too many open files, open '${call.path}'`);
    }
    const index = this.#planned.findIndex(({ kind, path }) => kind === call.kind && call.path.includes(path));
    const [fault] = index < 0 ? [] : this.#planned.splice(index, 1);
    if (fault === undefined) return undefined;
    this.#struck(fault, call);
    const error = systemError(fault.code, `a planned fault of ${call.kind} '${call.path}'`);
    if (call.kind !== 'write') return error;
    return { error, writtenBytes: this.#dice.nextInt(call.sizeBytes + 1) };
  }
}
