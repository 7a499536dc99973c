import { fstatSync, writeSync } from 'node:fs';
import { type Readable, Writable } from 'node:stream';

/** A stream of the process that may be a terminal. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** What the command line has of the world. Tests give their own. */
export interface CliIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Has Ctrl-C, SIGTERM and a terminal that is closed call the listener instead of ending the process, until what is returned is
   * called. A second Ctrl-C ends the process at once. From then on a reader that goes away is no end either: writing tells it.
   */
  onInterrupt(listener: () => void): () => void;
}

/** What a shell makes of a process that SIGINT has ended. */
const INTERRUPTED_EXIT_CODE = 130;
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const STDOUT = 1;
/** What a write says whose reader has gone: a pipe, or a terminal that was closed. */
const READER_GONE = ['EPIPE', 'EIO'];

/** Whether nobody is there any more to read what is written, which is no fault: he has seen enough. */
export function isReaderGone(error: NodeJS.ErrnoException): boolean {
  return READER_GONE.includes(error.code ?? '') || error.code === 'ERR_STREAM_DESTROYED';
}

/**
 * A file as standard output. Node's own stream writes once and takes for written what a full disk has cut off; this one goes on until
 * all is there, or an error says why not.
 */
class FileOutput extends Writable {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    super({ decodeStrings: true });
    this.#descriptor = descriptor;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#descriptor, chunk, at);
      done();
    } catch (error) {
      done(error as Error);
    }
  }
}

function standardOutput(): OutputStream {
  return fstatSync(STDOUT).isFile() ? new FileOutput(STDOUT) : process.stdout;
}

/** The streams and signals of this process. A reader that goes away (`| head`) ends the program quietly. */
export function processIo(): CliIo & { flush(): Promise<void> } {
  const { stdin, stderr, env } = process;
  const stdout = standardOutput();
  let endsByItself = false;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (endsByItself) return;
    // head has seen enough; 0 because nothing went wrong.
    if (isReaderGone(error)) process.exit(0);
    stderr.write(`error: Cannot write the output: ${error.message}\n`);
    process.exit(1);
  });
  // Nobody hears what is said about the result, which is no reason to give up the result.
  stderr.on('error', () => undefined);
  return {
    stdin,
    stdout,
    stderr,
    env,
    onInterrupt(listener) {
      endsByItself = true;
      return onInterrupt(listener);
    },
    flush: () => Promise.all([written(stdout), written(stderr)]).then(),
  };
}

function onInterrupt(listener: () => void): () => void {
  let isInterrupted = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    // A terminal that is closed says so twice: the kernel does, and the shell.
    if (isInterrupted && signal === 'SIGHUP') return;
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
