import type { Command } from 'commander';
import type { LogDirsOptions } from '../commands/cluster.ts';
import type { Run } from '../context.ts';
import { partitions as numbers } from '../parse/values.ts';

const commands = () => import('../commands/cluster.ts');

export function addCluster(program: Command, run: Run): void {
  program
    .command('cluster')
    .summary("show the cluster's brokers and controller")
    .description(
      "Shows the cluster's id, its controller, its brokers with their racks, and how many partitions each leads and holds.",
    )
    .helpCommand(false)
    .command('describe', { isDefault: true })
    .summary('what `cluster` alone does')
    .description('Shows what `millrace cluster` alone shows.')
    .addHelpText('after', '\nExamples:\n  millrace cluster')
    .action(() => run(async (context) => (await commands()).describeCluster(context)));
  program
    .command('log-dirs')
    .argument('[topic...]')
    .summary('show what the data takes on the disks')
    .description(
      "Shows the brokers' log folders and what is free there; with topics, what each of their partitions takes.",
    )
    .option('--broker <ids>', 'only these brokers, e.g. 1,2', numbers)
    .option('--partitions', 'every partition, without naming topics')
    .addHelpText('after', '\nExamples:\n  millrace log-dirs\n  millrace log-dirs orders --broker 1,2')
    .action((topics: string[], options: LogDirsOptions) =>
      run(async (context) => (await commands()).describeLogDirs(context, topics, options)),
    );
}
