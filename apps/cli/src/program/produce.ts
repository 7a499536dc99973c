import type { Acks, CompressionName } from '@millrace/producer';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ProduceOptions } from '../commands/produce.ts';
import type { Run } from '../context.ts';
import { assignment, bytes, natural } from '../parse/values.ts';

export function addProduce(program: Command, run: Run): void {
  program
    .command('produce')
    .argument('<topic>')
    .summary('write records: lines of standard input or of a file')
    .description('Writes a record for each line of standard input or of a file.')
    .option('-f, --file <file>', 'read this file instead of standard input')
    .option('-K, --key-separator <text>', 'lines are key, this text, value; \\t is a tab')
    .option('-k, --key <text>', 'the key of all records')
    .option('--key-field <name>', 'lines are JSON objects, and this field of theirs is the key, e.g. customer.id')
    .option('-H, --header <name=value>', 'a header of all records; may be repeated', assignment)
    .option('-p, --partition <n>', 'write to this partition; by default the key decides', natural)
    .option('-z, --compression <codec>', 'none, gzip, snappy, lz4 or zstd (default: none)', compression)
    .option('-a, --acks <acks>', 'who must have it: all in-sync replicas, 1 the leader, 0 nobody (default: all)', acks)
    .option('--null-marker <text>', 'keys and values that are this text are null')
    .option('--transactional-id <id>', 'all in one transaction, seen as a whole by who reads what is committed')
    .option('--max-record-bytes <bytes>', 'the largest record, e.g. 5MiB (default: 1MiB)', bytes)
    .addOption(
      new Option(
        '--format <format>',
        'value: lines as they are, the default; json: objects as `consume --format json` writes them',
      ).choices(['value', 'json']),
    )
    .option('--keep-partitions', 'with the format json: write to the partitions that the lines name')
    .addHelpText(
      'after',
      `
Examples:
  echo hello | millrace produce greetings
  millrace produce orders --file orders.tsv --key-separator '\\t' --compression zstd
  millrace consume orders --format json --from-beginning --exit-at-end | millrace produce copy --format json`,
    )
    .action((topic: string, options: ProduceOptions) =>
      run(async (context) => (await import('../commands/produce.ts')).produce(context, topic, options)),
    );
}

const CODECS: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

function compression(text: string): CompressionName {
  const codec = CODECS.find((name) => name === text.toLowerCase());
  if (codec === undefined) throw new InvalidArgumentError(`There are ${CODECS.join(', ')}.`);
  return codec;
}

const ACKS: Readonly<Record<string, Acks>> = { '0': 0, '1': 1, all: 'all', '-1': 'all' };

function acks(text: string): Acks {
  const found = ACKS[text.toLowerCase()];
  if (found === undefined) throw new InvalidArgumentError('There are all, 1 and 0.');
  return found;
}
