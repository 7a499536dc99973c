import { type Command, InvalidArgumentError } from 'commander';
import type { TopicSelection } from '../commands/group-partitions.ts';
import type { DeleteGroupOffsetsOptions, ListGroupsOptions, RemoveMembersOptions } from '../commands/groups.ts';
import type { ResetOffsetsOptions } from '../commands/reset-offsets.ts';
import type { Run } from '../context.ts';
import { duration, moment, natural, partitions, texts, wholeNumber } from '../parse/values.ts';

const commands = () => import('../commands/groups.ts');
const resetting = () => import('../commands/reset-offsets.ts');

export function addGroups(program: Command, run: Run): void {
  const groups = program
    .command('groups')
    .summary('look after consumer groups and their offsets')
    .description('Look after consumer groups and their offsets.')
    .helpCommand(false);
  groups
    .command('list')
    .summary('list groups')
    .description('Lists groups with their state. With --quiet the names only.')
    .option('--state <state>', 'only groups in this state, e.g. Stable or Empty; may be repeated', texts)
    .addHelpText('after', '\nExamples:\n  millrace groups list\n  millrace groups list --state Empty')
    .action((options: ListGroupsOptions) => run(async (context) => (await commands()).listGroups(context, options)));
  groups
    .command('describe')
    .argument('[group...]')
    .summary('show members, offsets and lag of groups')
    .description('Shows members, offsets and lag of groups; of all where none is named.')
    .addHelpText('after', '\nExamples:\n  millrace groups describe billing')
    .action((ids: string[]) => run(async (context) => (await commands()).describeGroups(context, ids)));
  addResetOffsets(groups, run);
  addRemovals(groups, run);
}

function addResetOffsets(groups: Command, run: Run): void {
  groups
    .command('reset-offsets')
    .argument('<group>')
    .summary('set where a group goes on reading')
    .description(
      'Sets where a group goes on reading. Shows what would change; --execute does it. The group must have no members.',
    )
    .option(
      '-t, --topic <name[:partitions]>',
      'a topic, or some of its partitions as orders:0,3-5; may be repeated',
      topicSelection,
    )
    .option('--all-topics', 'all topics that the group has offsets in')
    .option('--to-earliest', 'to the first record there is')
    .option('--to-latest', 'to the end')
    .option('--to-offset <offset>', 'to this offset', natural)
    .option('--to-datetime <time>', 'to the first record of that time or later, e.g. 2026-03-01T12:00:00Z', moment)
    .option('--by-duration <duration>', 'to the first record of the last 2h, 7d, PT1H30M, ...', duration)
    .option('--shift-by <n>', 'forward by so many records, or back by a negative number', wholeNumber)
    .option('--to-current', 'to where the group is already; pins its offsets')
    .option('--dry-run', 'only show what would change; the default')
    .option('--execute', 'change it')
    .addHelpText('after', '\nExamples:\n  millrace groups reset-offsets billing --topic orders --to-earliest --execute')
    .action((group: string, options: ResetOffsetsOptions) =>
      run(async (context) => (await resetting()).resetOffsets(context, group, options)),
    );
}

function addRemovals(groups: Command, run: Run): void {
  groups
    .command('delete')
    .argument('<group...>')
    .summary('delete groups and their offsets')
    .description('Deletes groups that have no members, and their offsets.')
    .addHelpText('after', '\nExamples:\n  millrace groups delete billing')
    .action((ids: string[]) => run(async (context) => (await commands()).deleteGroups(context, ids)));
  groups
    .command('delete-offsets')
    .argument('<group>')
    .summary("forget a group's offsets of topics")
    .description("Forgets a group's offsets of topics that its members do not read.")
    .requiredOption(
      '-t, --topic <name[:partitions]>',
      'a topic, or some of its partitions; may be repeated',
      topicSelection,
    )
    .addHelpText('after', '\nExamples:\n  millrace groups delete-offsets billing --topic orders')
    .action((group: string, options: DeleteGroupOffsetsOptions) =>
      run(async (context) => (await commands()).deleteGroupOffsets(context, group, options)),
    );
  groups
    .command('remove-members')
    .argument('<group>')
    .summary('throw members out of a group')
    .description('Throws members out of a group, which divides its partitions anew. Members that are alive join again.')
    .option('-m, --member <name>', "a member's id, or a static member's name; may be repeated", texts)
    .option('--all', 'all members')
    .option('--reason <text>', 'what the broker logs')
    .addHelpText('after', '\nExamples:\n  millrace groups remove-members billing --all')
    .action((group: string, options: RemoveMembersOptions) =>
      run(async (context) => (await commands()).removeMembers(context, group, options)),
    );
}

/** `orders`, `orders:0`, `orders:0,3-5`: topic names have no colon. */
function topicSelection(text: string, previous: readonly TopicSelection[] | undefined): TopicSelection[] {
  const [topic, list, ...more] = text.split(':');
  if (topic === undefined || topic === '' || more.length > 0) {
    throw new InvalidArgumentError('It is given as orders or orders:0,3-5.');
  }
  return [...(previous ?? []), { topic, partitions: list === undefined ? undefined : partitions(list, undefined) }];
}
