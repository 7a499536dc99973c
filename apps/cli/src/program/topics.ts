import { type Command, InvalidArgumentError } from 'commander';
import type {
  AddPartitionsOptions,
  CreateTopicOptions,
  DeleteTopicsOptions,
  DescribeTopicsOptions,
  ListTopicsOptions,
} from '../commands/topics.ts';
import type { Run } from '../context.ts';
import { partitionCount, replicaCount, setting } from '../parse/values.ts';

const commands = () => import('../commands/topics.ts');

export function addTopics(program: Command, run: Run): void {
  const topics = program
    .command('topics')
    .summary('create, list, describe, extend and delete topics')
    .description('Create, list, describe, extend and delete topics.')
    .helpCommand(false);
  topics
    .command('create')
    .argument('<name...>')
    .summary('create topics')
    .description("Creates topics. What is not given is the cluster's default.")
    .option('-p, --partitions <n>', 'how many partitions', partitionCount)
    .option('-r, --replication-factor <n>', 'how many replicas of each partition', replicaCount)
    .option('--replicas <n>', 'short for --replication-factor', replicaCount)
    .option('--replica-assignment <list>', 'brokers of each partition instead, e.g. 1:2,2:3', replicaAssignment)
    .option('-c, --config <name=value>', 'a config of the topic; may be repeated', setting)
    .option('--if-not-exists', 'leave a topic that is there as it is')
    .option('--dry-run', 'check, and create nothing')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace topics create orders --partitions 6 --replicas 3 --config retention.ms=86400000',
    )
    .action((names: string[], options: CreateTopicOptions) =>
      run(async (context) => (await commands()).createTopics(context, names, options)),
    );
  topics
    .command('list')
    .summary('list topics')
    .description('Lists topics with their partitions. With --quiet the names only.')
    .option('--internal', "Kafka's own topics too, such as __consumer_offsets")
    .addHelpText('after', '\nExamples:\n  millrace topics list\n  millrace topics list --quiet')
    .action((options: ListTopicsOptions) => run(async (context) => (await commands()).listTopics(context, options)));
  topics
    .command('describe')
    .argument('[name...]')
    .summary('show partitions, replicas, offsets and configs of topics')
    .description('Shows partitions, leaders, replicas, offsets and configs of topics; of all where none is named.')
    .option('--under-replicated', 'only partitions with replicas that are not in sync, of all topics in one table')
    .option('--under-min-isr', 'only partitions with fewer replicas in sync than min.insync.replicas asks for')
    .option('--unavailable', 'only partitions without a leader')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace topics describe orders\n  millrace topics describe --under-replicated',
    )
    .action((names: string[], options: DescribeTopicsOptions) =>
      run(async (context) => (await commands()).describeTopics(context, names, options)),
    );
  addChanges(topics, run);
}

function addChanges(topics: Command, run: Run): void {
  topics
    .command('delete')
    .argument('<name...>')
    .summary('delete topics with all their records')
    .description('Deletes topics with all their records. They cannot be brought back.')
    .option('--if-exists', 'do not mind topics that are not there')
    .option('--internal', "Kafka's own topics too, such as __consumer_offsets with the offsets of all groups")
    .addHelpText('after', '\nExamples:\n  millrace topics delete orders bills')
    .action((names: string[], options: DeleteTopicsOptions) =>
      run(async (context) => (await commands()).deleteTopics(context, names, options)),
    );
  topics
    .command('add-partitions')
    .argument('<name>')
    .summary('give a topic more partitions')
    .description('Gives a topic more partitions. Partitions can never be removed.')
    .option('-p, --partitions <n>', 'how many there are to be in all', partitionCount)
    .option('--add <n>', 'how many more', partitionCount)
    .option('--internal', "Kafka's own topics too, such as __consumer_offsets with the offsets of all groups")
    .option('--dry-run', 'check, and add none')
    .addHelpText('after', '\nExamples:\n  millrace topics add-partitions orders --add 3')
    .action((name: string, options: AddPartitionsOptions) =>
      run(async (context) => (await commands()).addPartitions(context, name, options)),
    );
}

/** `1:2,2:3`, as kafka-topics takes it: partitions are divided by commas, the brokers of one by colons. */
function replicaAssignment(text: string): number[][] {
  if (!/^\d+(?::\d+)*(?:,\d+(?::\d+)*)*$/.test(text)) {
    throw new InvalidArgumentError('Partitions are divided by commas, the brokers of one by colons: 1:2,2:3.');
  }
  return text.split(',').map((partition) => partition.split(':').map(Number));
}
