import type { Command } from 'commander';
import type { DumpLogOptions } from '../commands/log-dump.ts';
import type { VerifyLogOptions } from '../commands/log-verify.ts';
import type { Run } from '../context.ts';

export function addLog(program: Command, run: Run): void {
  const log = program
    .command('log')
    .summary('look into the files of a log directory, and check them')
    .description("Look into the files of a broker's log directory, Millrace's or Apache Kafka's.")
    .helpCommand(false);
  log
    .command('dump')
    .argument('<file...>')
    .summary('print what is in files of a log directory')
    .description(
      'Prints what is in segments (.log), indexes (.index, .timeindex, .txnindex), producer snapshots (.snapshot), checkpoints, and what a start after a crash has set aside (.cut). With --json an object a line.',
    )
    .option('-r, --records', 'the records of batches, too')
    .option('--verify', 'hold each segment and its indexes against each other; exit code 1 where they do not agree')
    .addHelpText('after', '\nExamples:\n  millrace log dump data/orders-0/00000000000000000000.log --records')
    .action((files: string[], options: DumpLogOptions) =>
      run(async (context) => (await import('../commands/log-dump.ts')).dumpLog(context, files, options)),
    );
  log
    .command('verify')
    .argument('<folder...>')
    .summary('check all data of a stopped broker for damage')
    .description(
      "Reads every segment in log directories, or in a partition's folder: CRCs, offsets in order, indexes that lead where they say. Changes nothing. Exit code 1 where something is damaged.",
    )
    .option('--deep', 'decompress and decode all records, too')
    .addHelpText('after', '\nExamples:\n  millrace log verify data')
    .action((folders: string[], options: VerifyLogOptions) =>
      run(async (context) => (await import('../commands/log-verify.ts')).verifyLogs(context, folders, options)),
    );
}
