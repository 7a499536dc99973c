import { PassThrough, Readable, Writable } from 'node:stream';
import type { CliIo } from '../io.ts';
import { runCli } from '../run-cli.ts';

/** How a command line is run in a test. */
export interface TestRunOptions {
  readonly stdin?: string | Buffer | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** What Ctrl-C calls is kept here. */
  readonly interrupts?: (() => void)[] | undefined;
  /** Told of what is written to standard output, as it is written. */
  readonly onOutput?: ((text: string) => void) | undefined;
  /** Told of what is written to standard error. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** What a command line did. */
export interface TestRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process; `bootstrap` is where its cluster is. */
export async function millrace(
  bootstrap: string | undefined,
  args: readonly string[],
  { stdin = '', env = {}, interrupts = [], onOutput, onNote }: TestRunOptions = {},
): Promise<TestRun> {
  const stdout = collector(onOutput);
  const stderr = collector(onNote);
  const io: CliIo = {
    stdin: stdin === '' ? new PassThrough().end() : Readable.from([Buffer.from(stdin)]),
    stdout: stdout.stream,
    stderr: stderr.stream,
    // No test may depend on the profiles of whoever runs it.
    env: { XDG_CONFIG_HOME: '/nowhere', ...(bootstrap === undefined ? {} : { MILLRACE_BOOTSTRAP: bootstrap }), ...env },
    onInterrupt(listener) {
      interrupts.push(listener);
      return () => {};
    },
  };
  const exitCode = await runCli(args, io);
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
}

function collector(onText?: (text: string) => void): { readonly stream: Writable; text(): string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      onText?.(chunk.toString());
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') };
}
