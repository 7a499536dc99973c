const STOP_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/** The terminal that this process was started on, if any. Asked early: one that is closed is none any more. */
export class Terminal {
  readonly isThere = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY === true);

  /** Lines that nobody can read any more must not end a broker before it has stopped in order. */
  constructor() {
    if (!this.isThere) return;
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }
}

/**
 * Calls `heard` for every signal that asks to stop until what is returned is called. SIGHUP stops what was started on a terminal, once;
 * what has none goes on, as with `nohup`, which Node would not heed by itself.
 * @param heard - `isRepeated` tells that one was heard before: whoever asks twice wants it at once
 */
export function onStopSignals(
  terminal: Terminal,
  heard: (signal: NodeJS.Signals, isRepeated: boolean) => void,
): () => void {
  let isRepeated = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    // A terminal that is closed says so twice: the kernel does, and the shell.
    if (signal === 'SIGHUP' && (isRepeated || !terminal.isThere)) return;
    heard(signal, isRepeated);
    isRepeated = true;
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  return () => {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  };
}
