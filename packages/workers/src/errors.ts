/** The stable codes of {@link WorkersError}. */
export type WorkersErrorCode =
  /** The pool is closed, or closing. */
  | 'WORKERS_CLOSED'
  /** A thread could not be started, or ended in the middle of a task. */
  | 'WORKERS_FAILED';

/** What the pool itself throws. What goes wrong inside a task comes as the error that it would be in the calling thread. */
export class WorkersError extends Error {
  readonly code: WorkersErrorCode;
  /** Whether the same call may succeed later: a thread that ended is replaced, a closed pool stays closed. */
  readonly retriable: boolean;

  constructor(code: WorkersErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WorkersError';
    this.code = code;
    this.retriable = code === 'WORKERS_FAILED';
  }
}

/** The error of a call that came after `close`. */
export function closedError(task: string): WorkersError {
  return new WorkersError('WORKERS_CLOSED', `Cannot do the task ${task}: the workers are closed.`);
}
