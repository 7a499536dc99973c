import type { OffsetSpec } from '@millrace/admin';
import { type Command, InvalidArgumentError } from 'commander';
import type { DeleteRecordsOptions, OffsetsOptions } from '../commands/records.ts';
import type { Run } from '../context.ts';
import { parseMoment, partitions } from '../parse/values.ts';

const commands = () => import('../commands/records.ts');

export function addRecords(program: Command, run: Run): void {
  program
    .command('offsets')
    .argument('<topic...>')
    .summary('show the offsets of partitions: first, next, or by time')
    .description(
      'Shows the first offset of each partition and the one that the next record will get; or, with --at, the one at a time.',
    )
    .option(
      '-a, --at <when>',
      'earliest, latest, max-timestamp, or a time such as 2026-03-01T12:00:00Z (default: first and next)',
      when,
    )
    .option('-p, --partition <list>', 'only these partitions, e.g. 0,3-5', partitions)
    .addHelpText('after', '\nExamples:\n  millrace offsets orders\n  millrace offsets orders --at 2026-03-01T12:00:00Z')
    .action((topics: string[], options: OffsetsOptions) =>
      run(async (context) => (await commands()).listOffsets(context, topics, options)),
    );
  const records = program
    .command('records')
    .summary('delete records')
    .description('Delete records.')
    .helpCommand(false);
  records
    .command('delete')
    .argument('<topic>')
    .summary('delete the records before an offset')
    .description('Deletes the records before an offset. They cannot be brought back.')
    .requiredOption(
      '--before <offset>',
      'the offset that is to be the first one, or end for all records there are',
      beforeOffset,
    )
    .option('-p, --partition <list>', 'only these partitions, e.g. 0,3-5', partitions)
    .addHelpText('after', '\nExamples:\n  millrace records delete orders --partition 0 --before 100')
    .action((topic: string, options: DeleteRecordsOptions) =>
      run(async (context) => (await commands()).deleteRecords(context, topic, options)),
    );
}

function when(text: string): OffsetSpec {
  if (text === 'earliest' || text === 'latest' || text === 'max-timestamp') return text;
  const value = parseMoment(text);
  if (value === undefined) {
    throw new InvalidArgumentError(
      'It is earliest, latest, max-timestamp, 2026-03-01T12:00:00Z, or milliseconds since 1970.',
    );
  }
  return value;
}

function beforeOffset(text: string): number | 'end' {
  if (text === 'end') return text;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('It is an offset, or end.');
  return value;
}
