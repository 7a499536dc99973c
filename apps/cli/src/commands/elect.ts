import type { Admin, LeaderElection } from '@millrace/admin';
import type { TopicPartition } from '@millrace/client';
import type { CommandContext } from '../context.ts';
import { usageError } from '../errors.ts';
import { counted } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import { choosePartitions, findTopics } from './find-topics.ts';
import { readElections } from './reassignment-file.ts';

export interface ElectOptions {
  readonly preferred?: boolean;
  readonly unclean?: boolean;
  readonly topic?: readonly string[];
  readonly partition?: readonly number[];
  readonly allTopics?: boolean;
  readonly file?: string;
}

export async function electLeaders(context: CommandContext, options: ElectOptions): Promise<void> {
  const type = options.unclean === true ? 'unclean' : 'preferred';
  if (options.preferred === true && type === 'unclean') {
    throw usageError('An election is either `--preferred` or `--unclean`');
  }
  refuseVague(options, type);
  await context.withAdmin(async (admin) => {
    const partitions = await wantedPartitions(context, admin, options);
    const elections = await admin.electLeaders(partitions, { type });
    const elected = elections.filter((each) => each.elected);
    const leaders = await leadersOf(admin, elected, type);
    const value = elections.map((each) => ({
      ...each,
      leaderId: leaders.get(`${each.topic}-${each.partition}`) ?? null,
    }));
    await context.out.done({ type, elections: value }, (paint) =>
      elected.length === 0
        ? `No partition needed another leader${partitions === 'all' ? '' : `: ${counted(partitions.length, 'partition')} looked at`}`
        : renderTable(
            [{ header: 'TOPIC' }, { header: 'PARTITION', align: 'right' }, { header: 'LEADER', align: 'right' }],
            value
              .filter((each) => each.elected)
              .map(({ topic, partition, leaderId }) => [topic, String(partition), String(leaderId ?? '')]),
            paint,
          ),
    );
  });
}

/** An election changes who serves, and an unclean one loses records: it is held where somebody says so, and nowhere else. */
function refuseVague({ topic, partition, allTopics, file }: ElectOptions, type: 'preferred' | 'unclean'): void {
  const named = [topic, allTopics, file].filter((each) => each !== undefined).length;
  if (named > 1) throw usageError('Give one of `--topic`, `--all-topics` and `--file`');
  if (partition !== undefined && topic?.length !== 1) throw usageError('`--partition` goes with one `--topic`');
  if (named === 0) {
    throw usageError(
      'Say whose leaders are to be elected: `--topic orders`, with `--partition 0`, or `--all-topics`',
      type === 'unclean'
        ? 'An unclean election makes a replica the leader that lacks records; they are lost.'
        : '`millrace partitions elect --all-topics` has every partition led by the first of its replicas again, where that is in sync.',
    );
  }
}

async function wantedPartitions(
  context: CommandContext,
  admin: Admin,
  { topic, partition, file }: ElectOptions,
): Promise<readonly TopicPartition[] | 'all'> {
  if (file !== undefined) {
    const listed = await readElections(file, context.io.stdin);
    const topics = new Map(
      (await findTopics(admin, [...new Set(listed.map((each) => each.topic))])).map((each) => [each.name, each]),
    );
    return listed.flatMap((each) => choosePartitions(topics.get(each.topic)!, [each.partition]));
  }
  if (topic === undefined) return 'all';
  const topics = await findTopics(admin, [...new Set(topic)]);
  return topics.flatMap((each) => choosePartitions(each, partition));
}

/**
 * Who leads now. A preferred leader is the first of the replicas; whom an unclean election has made the leader is what brokers tell,
 * who may not have heard of it yet: such a partition is left out.
 */
async function leadersOf(
  admin: Admin,
  elected: readonly LeaderElection[],
  type: 'preferred' | 'unclean',
): Promise<Map<string, number>> {
  const names = [...new Set(elected.map(({ topic }) => topic))];
  const topics = names.length === 0 ? [] : await admin.describeTopics(names);
  const leaders = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partition, leaderId, replicas }) => {
      const leader = type === 'preferred' ? (replicas[0] ?? -1) : leaderId;
      return [`${name}-${partition}`, leader] as const;
    }),
  );
  return new Map(leaders.filter(([, leader]) => leader >= 0));
}
