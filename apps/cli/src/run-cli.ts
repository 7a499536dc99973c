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
  const program = buildProgram(new Command(), io, async (work) => {
    const context = new CommandContext(io, program.opts());
    await work(context);
    exitCode = context.exitCode;
  });
  try {
    await program.parseAsync(fromKafkaShape(args), { from: 'user' });
    return exitCode;
  } catch (error) {
    // commander has said already what it has against the command.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.DONE : ExitCode.USAGE;
    const explanation = explainError(error);
    tell(io, program.opts(), explanation, error);
    return explanation.exitCode;
  }
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
