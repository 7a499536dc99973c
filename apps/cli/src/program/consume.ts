import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ConsumeOptions } from '../commands/consume-options.ts';
import type { Run } from '../context.ts';
import { parseStartAt, type StartAt } from '../parse/start-at.ts';
import { count, duration, partitions } from '../parse/values.ts';

export function addConsume(program: Command, run: Run): void {
  program
    .command('consume')
    .argument('<topic...>')
    .summary('print records')
    .description('Prints records as they come: new ones only, unless something else is said. Ctrl-C ends.')
    .option('-B, --from-beginning', 'from the first record there is; with a group, where it has no offset yet')
    .option(
      '-o, --offset <where>',
      'beginning, end, an offset, -10 for the last ten, or a time such as 2026-03-01T12:00:00Z',
      startAt,
    )
    .option('-p, --partition <list>', 'only these partitions, e.g. 0,3-5', partitions)
    .option('-g, --group <id>', 'read as a member of this group, and commit what was read')
    .option('--instance-id <name>', 'the name of a static member')
    .option('-n, --max-messages <n>', 'end after so many records', count)
    .option('-e, --exit-at-end', 'end when the records are read that were there at the start')
    .option('--idle-timeout <duration>', 'end when no record comes for so long, e.g. 5s', duration)
    .addOption(
      new Option(
        '--isolation-level <level>',
        'read_committed leaves out what is of open and aborted transactions; read_uncommitted is the default',
      ).choices(['read_uncommitted', 'read_committed']),
    )
    .option('-f, --format <format>', 'value, json, or a template such as "%o %k: %s\\n" (default: value)')
    .option('-k, --print-key', 'the key before the value')
    .option('--print-offset', 'the offset, too')
    .option('--print-partition', 'the partition, too')
    .option('--print-timestamp', 'the timestamp, too')
    .option('--print-headers', 'the headers, too')
    .option('--separator <text>', 'between what is printed of a record (default: a tab)')
    .addHelpText(
      'after',
      `
In a template: %s value, %S its length, %k key, %K its length, %t topic, %p partition, %o offset, %T timestamp,
%h headers, %% a percent sign; \\n, \\t, \\xNN.

Examples:
  millrace consume orders --from-beginning --print-key
  millrace consume orders --group billing --from-beginning --max-messages 100
  millrace consume orders --offset -10 --exit-at-end --format '%p:%o %k = %s\\n'`,
    )
    .action((topics: string[], options: ConsumeOptions) =>
      run(async (context) => (await import('../commands/consume.ts')).consume(context, topics, options)),
    );
}

function startAt(text: string): StartAt {
  const start = parseStartAt(text);
  if (start === undefined) {
    throw new InvalidArgumentError(
      'It is beginning, end, an offset, -10 for the last ten, timestamp:MS or 2026-03-01T12:00:00Z.',
    );
  }
  return start;
}
