import type { Command } from 'commander';
import type { MetadataOptions, RestoreOptions } from '../commands/metadata.ts';
import type { Run } from '../context.ts';
import { assignment } from '../parse/values.ts';

export function addMetadata(program: Command, run: Run): void {
  const metadata = program
    .command('metadata')
    .summary("look into a cluster's metadata, check and mend it")
    .description(
      "Look into a cluster's metadata: on ZooKeeper where zookeeper.connect is set, in a local cluster that runs, or in the files of a " +
        "broker's own store, which can be checked and mended, too.",
    )
    .helpCommand(false);
  metadata.addHelpText(
    'after',
    `
Examples:
  millrace metadata ls /brokers/ids --data ./data
  millrace metadata get /controller --override zookeeper.connect=zk1:2181/kafka`,
  );
  located(metadata.command('ls'))
    .argument('[path]', 'a node', '/')
    .summary('list what is below a node')
    .description('Lists the names below a node, as `ls` of zookeeper-shell does.')
    .addHelpText('after', '\nExamples:\n  millrace metadata ls /brokers/topics')
    .action((path: string, options: MetadataOptions) =>
      run(async (context) => (await import('../commands/metadata.ts')).listNodes(context, path, options)),
    );
  located(metadata.command('get'))
    .argument('<path>', 'a node')
    .summary('print what a node holds')
    .description('Prints what a node holds; its versions and transactions go beside it.')
    .addHelpText('after', '\nExamples:\n  millrace metadata get /controller')
    .action((path: string, options: MetadataOptions) =>
      run(async (context) => (await import('../commands/metadata.ts')).getNode(context, path, options)),
    );
  located(metadata.command('dump'))
    .argument('[path]', 'a node', '/')
    .summary('print a node and all below it')
    .description('Prints a node and all below it, with what each holds.')
    .addHelpText('after', '\nExamples:\n  millrace metadata dump /config --data ./data')
    .action((path: string, options: MetadataOptions) =>
      run(async (context) => (await import('../commands/metadata.ts')).dumpNodes(context, path, options)),
    );
  located(metadata.command('check'))
    .summary('say whether the store is whole')
    .description(
      'Reads every file of the store and says what is damaged, if anything is. Exit code 1 where something is.',
    )
    .addHelpText('after', '\nExamples:\n  millrace metadata check --data ./data')
    .action((options: MetadataOptions) =>
      run(async (context) => (await import('../commands/metadata.ts')).checkStore(context, options)),
    );
  located(metadata.command('export'))
    .argument('[file]', 'where to; standard output when left out')
    .summary('write all nodes as JSON lines')
    .description(
      'Writes what is whole of the store as JSON lines, which `restore --from` takes. Works beside a running broker.',
    )
    .addHelpText('after', '\nExamples:\n  millrace metadata export metadata.jsonl --data ./data')
    .action((file: string | undefined, options: MetadataOptions) =>
      run(async (context) => (await import('../commands/metadata.ts')).exportStore(context, file, options)),
    );
  addRestore(metadata, run);
}

function addRestore(metadata: Command, run: Run): void {
  located(metadata.command('restore'))
    .summary('bring a damaged store back')
    .description(
      "Writes the store anew from what is whole of it, or from an export, and takes topics that are missing from the logs' own " +
        'files. Epochs and transaction numbers go on above all that can have been; configs that are lost are the defaults again. ' +
        'The broker must be stopped. Without --execute it shows what it would do.',
    )
    .option('--from <file>', 'begin with an export instead')
    .option('--execute', 'do it')
    .addHelpText('after', '\nExamples:\n  millrace metadata restore --data ./data --execute')
    .action((options: RestoreOptions) =>
      run(async (context) => (await import('../commands/metadata.ts')).restoreStore(context, options)),
    );
}

function located(command: Command): Command {
  return command
    .option('-d, --data <folder>', "where the broker's data is (log.dirs)")
    .option('-c, --config <file>', "the broker's settings, as in Kafka's server.properties")
    .option('-o, --override <name=value>', 'a setting; may be repeated', assignment);
}
