import { type Command, Option } from 'commander';
import type { ElectOptions } from '../commands/elect.ts';
import type { ExecuteOptions, SpreadOptions } from '../commands/reassign.ts';
import type { MovesOptions } from '../commands/reassign-watch.ts';
import type { Run } from '../context.ts';
import { brokers, bytes, count, names, partitions, texts } from '../parse/values.ts';

const moving = () => import('../commands/reassign.ts');
const watching = () => import('../commands/reassign-watch.ts');

export function addPartitions(program: Command, run: Run): void {
  const command = program
    .command('partitions')
    .summary('move partitions to other brokers, and elect their leaders')
    .description('Move partitions to other brokers, and elect their leaders.')
    .helpCommand(false);
  addReassign(command, run);
  command
    .command('elect')
    .summary('elect leaders')
    .description(
      'Makes the first replica of each partition its leader again, where it is in sync: of the topics named, or of --all-topics. ' +
        'With --unclean, a partition without a leader gets one that may lack records, which are lost.',
    )
    .option('--preferred', 'the first of the replicas; the default')
    .option('--unclean', 'any replica that lives, where none is in sync')
    .option('-t, --topic <name>', 'only of this topic; may be repeated', texts)
    .option('-p, --partition <list>', 'only these partitions of it, e.g. 0,3-5', partitions)
    .option('--all-topics', 'of all partitions there are')
    .option('--file <file>', 'of the partitions in this file, as kafka-leader-election takes it')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace partitions elect --all-topics\n  millrace partitions elect --unclean --topic orders --partition 3',
    )
    .action((options: ElectOptions) =>
      run(async (context) => (await import('../commands/elect.ts')).electLeaders(context, options)),
    );
}

function addReassign(command: Command, run: Run): void {
  const reassign = command
    .command('reassign')
    .summary('move partitions to other brokers')
    .description(
      'Move partitions to other brokers, or give them more replicas or fewer. A plan is JSON as kafka-reassign-partitions reads and writes it.',
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      `
Examples:
  millrace partitions reassign generate --topics orders --brokers 1,2,3,4 > plan.json
  millrace partitions reassign execute --plan plan.json --throttle 50MB
  millrace partitions reassign list
  millrace partitions reassign verify --plan plan.json`,
    );
  spreading(reassign.command('generate'))
    .summary('make a plan')
    .description(
      'Makes a plan that spreads topics evenly over brokers and their racks and moves no more than it must. Prints it; moves nothing.',
    )
    .addHelpText(
      'after',
      `
Examples:
  millrace partitions reassign generate --topics orders,bills --brokers 1-4 > plan.json
  millrace partitions reassign generate --all-topics --brokers 1-3 > plan.json`,
    )
    .action((options: SpreadOptions) => run(async (context) => (await moving()).generatePlan(context, options)));
  spreading(reassign.command('execute').option('--plan <file>', 'the plan; - for standard input'))
    .summary('have partitions moved')
    .description(
      'Has partitions moved as a plan says, or as it would be made of --topics and --brokers. Does not wait until they are there.',
    )
    .option('--throttle <bytes>', 'copy so many bytes a second at most, on each broker, e.g. 50MB', bytes)
    .option('--log-dirs-throttle <bytes>', 'the same from one log directory into another (default: --throttle)', bytes)
    .option('--additional', 'also where others are being moved; a partition on its way goes to the new place')
    .option('--dry-run', 'only show what would be moved')
    .addHelpText(
      'after',
      `
Examples:
  millrace partitions reassign execute --plan plan.json --throttle 50MB
  millrace partitions reassign execute --topics orders --brokers 1-3 --replication-factor 3`,
    )
    .action((options: ExecuteOptions) => run(async (context) => (await moving()).executePlan(context, options)));
  addWatching(reassign, run);
}

function addWatching(reassign: Command, run: Run): void {
  chosen(reassign.command('verify').option('--all-topics', "all moves there are, of the cluster's own topics too"))
    .summary('tell whether partitions are where a plan sends them')
    .description(
      'Tells whether partitions are where a plan sends them, and takes throttles away when nothing moves any more. Exit code 1 while they are not.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  millrace partitions reassign verify --plan plan.json\n  millrace partitions reassign verify --all-topics',
    )
    .action((options: MovesOptions) => run(async (context) => (await watching()).verifyPlan(context, options)));
  chosen(reassign.command('cancel'))
    .option('--all', 'all that are on their way')
    .summary('call partitions back that are on their way')
    .description('Calls partitions back that are on their way, and takes throttles away when nothing moves any more.')
    .addHelpText('after', '\nExamples:\n  millrace partitions reassign cancel --all')
    .action((options: MovesOptions) => run(async (context) => (await watching()).cancelMoves(context, options)));
  reassign
    .command('list')
    .summary('show partitions that are on their way')
    .description(
      'Shows partitions that are on their way to other brokers, replicas on their way into other log directories, and how much of them has been copied.',
    )
    .addHelpText('after', '\nExamples:\n  millrace partitions reassign list')
    .action(() => run(async (context) => (await watching()).listMoves(context)));
}

function spreading(command: Command): Command {
  return command
    .option('-t, --topics <list>', 'the topics to spread, e.g. orders,bills', names)
    .addOption(
      new Option('--topics-file <file>', 'the topics in a file, as kafka-reassign-partitions takes it').conflicts(
        'topics',
      ),
    )
    .addOption(
      new Option('--all-topics', "all there are, the cluster's own too: for brokers that are to go").conflicts([
        'topics',
        'topicsFile',
      ]),
    )
    .option('--brokers <ids>', 'the brokers to hold them, e.g. 1,2,3 or 1-3', brokers)
    .option(
      '-r, --replication-factor <n>',
      'how many replicas each partition is to have (default: as many as it has)',
      count,
    )
    .option('--no-rack-aware', 'do not mind racks');
}

function chosen(command: Command): Command {
  return command
    .option('--plan <file>', 'the moves of this plan; - for standard input')
    .option('-t, --topics <list>', 'all moves of these topics', names)
    .option('--preserve-throttles', 'leave throttles as they are');
}
