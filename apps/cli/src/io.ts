import type { Readable, Writable } from 'node:stream';

/** A stream of the process that may be a terminal. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** What the command line has of the world. Tests give their own. */
export interface CliIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Has Ctrl-C and SIGTERM call the listener instead of ending the process, until what is returned is called. A second signal
   * ends the process at once.
   */
  onInterrupt(listener: () => void): () => void;
}

/** What a shell makes of a process that SIGINT has ended. */
const INTERRUPTED_EXIT_CODE = 130;
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/** The streams and signals of this process. A reader that goes away (`| head`) ends the program quietly. */
export function processIo(): CliIo & { flush(): Promise<void> } {
  const { stdin, stdout, stderr, env } = process;
  // head has seen enough; 0 because nothing went wrong.
  const onError = (error: NodeJS.ErrnoException): void => process.exit(error.code === 'EPIPE' ? 0 : 1);
  stdout.on('error', onError);
  stderr.on('error', onError);
  return {
    stdin,
    stdout,
    stderr,
    env,
    onInterrupt,
    flush: () => Promise.all([written(stdout), written(stderr)]).then(),
  };
}

function onInterrupt(listener: () => void): () => void {
  let isInterrupted = false;
  const onSignal = (): void => {
    if (isInterrupted) process.exit(INTERRUPTED_EXIT_CODE);
    isInterrupted = true;
    listener();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

function written(stream: Writable): Promise<void> {
  return stream.writableLength === 0 ? Promise.resolve() : new Promise((resolve) => stream.write('', () => resolve()));
}
