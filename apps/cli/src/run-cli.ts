import { Writable } from 'node:stream';
import { Command, CommanderError } from 'commander';
import { CommandContext, type GlobalOptions } from './context.ts';
import { ExitCode } from './errors.ts';
import { type Explanation, explainError } from './explain-error.ts';
import type { CliIo } from './io.ts';
import { paintFor, takesColor } from './output/paint.ts';
import { fromKafkaShape } from './parse/kafka-shapes.ts';
import { buildProgram } from './program/program.ts';

/**
 * Runs one command line.
 * @param args What stands after the program's name.
 * @returns The exit code: 0 done, 1 failed, 2 for a command that cannot be meant, 130 interrupted; `start` has codes of its own.
 */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  let exitCode: number = ExitCode.DONE;
  const complaints: string[] = [];
  const isScripted = args.slice(0, args.indexOf('--') >>> 0).includes('--json');
  const said = isScripted ? { ...io, stderr: collecting(complaints) } : io;
  const program = buildProgram(new Command(), said, async (work) => {
    const context = new CommandContext(io, program.opts());
    await work(context);
    exitCode = context.exitCode;
  });
  let words: readonly string[] = args;
  try {
    words = fromKafkaShape(args);
    await program.parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has said already what it has against the command.
      if (error.exitCode === 0) return ExitCode.DONE;
      tellReading(said, args, words, error.message);
      if (isScripted) tell(io, { json: true }, complaintOf(complaints.join('')), error);
      return ExitCode.USAGE;
    }
    const explanation = explainError(error);
    tell(io, program.opts(), explanation, error);
    return explanation.exitCode;
  }
}

function collecting(texts: string[]): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      texts.push(String(chunk));
      done();
    },
  });
}

/** What commander has against a command, for a script: it writes a line of its own, and below that what to do instead, or all of the help. */
function complaintOf(text: string): Explanation {
  const [first = '', ...others] = text.split('\n');
  const message = first.startsWith('error: ') ? first.slice('error: '.length) : 'The command is not complete.';
  const hint = (message === first.slice('error: '.length) ? others : [first, ...others]).join('\n').trim();
  return { code: 'CLI_USAGE', messages: [message], hint: hint || undefined, exitCode: ExitCode.USAGE };
}

/** Where an option is refused that nobody gave, since the line was in Kafka's shape: what of it was read so. */
function tellReading(io: CliIo, args: readonly string[], words: readonly string[], message: string): void {
  const option = /^error: option '(?:-\w, )?(--[\w-]+)/.exec(message)?.[1];
  const at = option === undefined ? -1 : words.indexOf(option);
  if (at < 0 || args.some((word) => word === option || word.startsWith(`${option}=`))) return;
  const verbs = words.slice(
    0,
    words.findIndex((word) => word.startsWith('-')),
  );
  io.stderr.write(`(The line was read as: millrace ${verbs.join(' ')} ... ${words.slice(at, at + 2).join(' ')})\n`);
}

function tell(io: CliIo, options: GlobalOptions, { code, messages, hint }: Explanation, error: unknown): void {
  const paint = paintFor(takesColor(io.stderr, io.env));
  if (options.json === true) {
    io.stderr.write(`${JSON.stringify({ error: { code, message: messages.join(' '), hint } })}\n`);
  } else {
    for (const message of messages) io.stderr.write(`${paint.red('error:')} ${message}\n`);
    if (hint !== undefined) io.stderr.write(`${paint.dim(hint)}\n`);
  }
  if (options.debug === true) io.stderr.write(`${traceOf(error)}\n`);
}

function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const trace = error.stack ?? error.message;
  return error.cause === undefined ? trace : `${trace}\nCaused by: ${traceOf(error.cause)}`;
}
