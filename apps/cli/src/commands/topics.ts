import type { Admin, ConfigEntry } from '@millrace/admin';
import type { TopicMetadata } from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import type { CommandContext } from '../context.ts';
import { failure, usageError } from '../errors.ts';
import { counted, formatCount, formatRanges, printable } from '../output/format.ts';
import type { Paint } from '../output/paint.ts';
import { renderPairs, renderTable } from '../output/table.ts';
import type { Assignment } from '../parse/values.ts';
import { unknownConfig } from './configs.ts';
import { findTopic, findTopics, lookForTopics } from './find-topics.ts';
import { tellingTheRest } from './partly.ts';

export interface CreateTopicOptions {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly replicas?: number;
  readonly replicaAssignment?: readonly (readonly number[])[];
  readonly config?: readonly Assignment[];
  readonly ifNotExists?: boolean;
  readonly dryRun?: boolean;
}

export interface ListTopicsOptions {
  readonly internal?: boolean;
}

/** Which partitions are shown; with several, those that fit any. */
export interface DescribeTopicsOptions {
  readonly underReplicated?: boolean;
  readonly underMinIsr?: boolean;
  readonly unavailable?: boolean;
}

export interface DeleteTopicsOptions {
  readonly ifExists?: boolean;
  /** Kafka's own topics too. */
  readonly internal?: boolean;
}

export interface AddPartitionsOptions {
  readonly partitions?: number;
  readonly add?: number;
  readonly internal?: boolean;
  readonly dryRun?: boolean;
}

/** A broker shows nobody what he may not see, and says nothing of it. */
const NO_TOPICS = 'There are no topics yet, or none that this user may see. `millrace topics create NAME` makes one.';

export async function createTopics(
  context: CommandContext,
  names: readonly string[],
  options: CreateTopicOptions,
): Promise<void> {
  const configs = Object.fromEntries(options.config ?? []);
  const topics = [...new Set(names)].map((topic) => ({
    topic,
    configs,
    ...(options.replicaAssignment === undefined
      ? { partitions: options.partitions, replicationFactor: options.replicas ?? options.replicationFactor }
      : { assignments: options.replicaAssignment }),
  }));
  await context.withAdmin(async (admin) => {
    const missing = options.ifNotExists === true ? await notExisting(admin, topics) : topics;
    const verb = options.dryRun === true ? 'could be created' : 'created';
    const dryRun = options.dryRun ?? false;
    const created = await tellingTheRest(
      missing,
      ({ topic }) => topic,
      async () => (missing.length === 0 ? [] : await createThem(admin, missing, options.dryRun)),
      (done) =>
        context.out.done({ created: done.map(({ topic }) => ({ topic })), dryRun }, () =>
          done.map(({ topic }) => `Topic ${topic} ${verb}`).join('\n'),
        ),
    );
    await context.out.done({ created, dryRun }, () =>
      [
        ...created.map(({ topic, partitions, replicationFactor }) => {
          const shape = [
            ...(partitions === undefined ? [] : [counted(partitions, 'partition')]),
            ...(replicationFactor === undefined ? [] : [counted(replicationFactor, 'replica')]),
          ];
          return `Topic ${topic} ${verb}${shape.length === 0 ? '' : ` with ${shape.join(', ')}`}`;
        }),
        ...topics.filter((topic) => !missing.includes(topic)).map(({ topic }) => `Topic ${topic} is there already`),
      ].join('\n'),
    );
  });
}

/** A misspelt config is the commonest mistake, and brokers only say that they do not know it. */
async function createThem(
  admin: Admin,
  topics: Parameters<Admin['createTopics']>[0],
  dryRun: boolean | undefined,
): ReturnType<Admin['createTopics']> {
  try {
    return await admin.createTopics(topics, { validateOnly: dryRun });
  } catch (error) {
    const wrong = /Unknown topic config name: ([\w.-]*\w)/.exec(error instanceof Error ? error.message : '')?.[1];
    if (wrong === undefined) throw error;
    // Any topic has all of them.
    const [topic] = await admin.listTopics({ internal: true });
    if (topic === undefined) throw error;
    throw await unknownConfig(admin, { type: 'topic', name: topic }, wrong, error);
  }
}

async function notExisting<T extends { readonly topic: string }>(admin: Admin, topics: readonly T[]): Promise<T[]> {
  const existing = new Set(await admin.listTopics({ internal: true }));
  return topics.filter(({ topic }) => !existing.has(topic));
}

export async function listTopics(context: CommandContext, options: ListTopicsOptions): Promise<void> {
  await context.withAdmin(async (admin) => {
    const names = await admin.listTopics({ internal: options.internal ?? false });
    if (context.out.quiet && !context.out.json) {
      await context.out.write(names.map((name) => `${name}\n`).join(''));
      return;
    }
    const topics = names.length === 0 ? [] : await admin.describeTopics(names);
    topics.sort((a, b) => (a.name < b.name ? -1 : 1));
    const value = topics.map((topic) => ({
      topic: topic.name,
      topicId: topic.topicId,
      internal: topic.internal,
      partitions: topic.partitions.length,
      replicationFactor: replicationFactor(topic),
      unhealthyPartitions: topic.partitions.filter(isUnhealthy).length,
    }));
    if (value.length === 0) context.out.note(NO_TOPICS);
    await context.out.result(value, (paint) =>
      value.length === 0
        ? ''
        : renderTable(
            [
              { header: 'TOPIC' },
              { header: 'PARTITIONS', align: 'right' },
              { header: 'REPLICAS', align: 'right' },
              { header: 'HEALTH' },
            ],
            value.map((topic) => [
              topic.topic,
              formatCount(topic.partitions),
              String(topic.replicationFactor),
              health(topic.unhealthyPartitions, paint),
            ]),
            paint,
          ),
    );
  });
}

function health(unhealthy: number, paint: Paint): string {
  return unhealthy === 0 ? paint.green('ok') : paint.red(`${counted(unhealthy, 'partition')} not fully replicated`);
}

function replicationFactor(topic: TopicMetadata): number {
  return Math.max(0, ...topic.partitions.map(({ replicas }) => replicas.length));
}

function isUnhealthy({ leaderId, replicas, inSyncReplicas }: TopicMetadata['partitions'][number]): boolean {
  return leaderId < 0 || inSyncReplicas.length < replicas.length;
}

export async function describeTopics(
  context: CommandContext,
  names: readonly string[],
  options: DescribeTopicsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const isFiltered = Object.keys(options).length > 0;
    // What is ill is looked for among Kafka's own topics too.
    const wanted = names.length === 0 ? await admin.listTopics({ internal: isFiltered }) : names;
    if (wanted.length === 0) context.out.note(NO_TOPICS);
    const { found: topics, missing } =
      wanted.length === 0 ? { found: [], missing: undefined } : await lookForTopics(admin, wanted);
    await (isFiltered ? describeIll(context, admin, topics, options) : describeWell(context, admin, topics));
    if (missing !== undefined) throw missing;
  });
}

async function describeWell(context: CommandContext, admin: Admin, topics: readonly TopicMetadata[]): Promise<void> {
  const [offsets, configs] = await Promise.all([offsetsOf(admin, topics), configsOf(admin, topics)]);
  const described = topics.map((topic) => describedTopic(topic, offsets, configs.get(topic.name)));
  await context.out.result(described, (paint) => described.map((topic) => renderTopic(topic, paint)).join('\n\n'));
}

/** The partitions that something is wrong with, of all topics in one table. */
async function describeIll(
  context: CommandContext,
  admin: Admin,
  topics: readonly TopicMetadata[],
  options: DescribeTopicsOptions,
): Promise<void> {
  const configs =
    options.underMinIsr === true ? await configsOf(admin, topics) : new Map<string, readonly ConfigEntry[]>();
  const hidden = options.underMinIsr === true ? topics.filter(({ name }) => !configs.has(name)) : [];
  if (hidden.length > 0) {
    context.out.warn(
      `This user may not see the configs of ${hidden.map(({ name }) => name).join(', ')}: the min.insync.replicas taken there is 1`,
    );
  }
  const ill = topics.flatMap(({ name, partitions }) => {
    const value = configs.get(name)?.find((entry) => entry.name === 'min.insync.replicas')?.value;
    const minInSync = Number(value ?? 1);
    return partitions
      .filter((each) => {
        const inSync = each.inSyncReplicas.length;
        return (
          (options.unavailable === true && each.leaderId < 0) ||
          (options.underReplicated === true && isUnhealthy(each)) ||
          (options.underMinIsr === true && inSync < minInSync)
        );
      })
      .map(({ partition, leaderId, replicas, inSyncReplicas }) => ({
        topic: name,
        partition,
        leaderId,
        replicas,
        inSyncReplicas,
        missing: replicas.filter((id) => !inSyncReplicas.includes(id)),
      }));
  });
  if (ill.length === 0) context.out.note('There are no such partitions: all is well.');
  await context.out.result(ill, (paint) => (ill.length === 0 ? '' : renderIll(ill, paint)));
}

function renderIll(
  partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly leaderId: number;
    readonly replicas: readonly number[];
    readonly inSyncReplicas: readonly number[];
    readonly missing: readonly number[];
  }[],
  paint: Paint,
): string {
  return renderTable(
    [
      { header: 'TOPIC' },
      { header: 'PARTITION', align: 'right' },
      { header: 'LEADER', align: 'right' },
      { header: 'REPLICAS' },
      { header: 'IN SYNC' },
      { header: 'MISSING' },
    ],
    partitions.map(({ topic, partition, leaderId, replicas, inSyncReplicas, missing }) => [
      topic,
      String(partition),
      leaderId < 0 ? paint.red('none') : String(leaderId),
      replicas.join(','),
      inSyncReplicas.join(','),
      paint.red(missing.join(',')),
    ]),
    paint,
  );
}

type DescribedTopic = ReturnType<typeof describedTopic>;

function describedTopic(topic: TopicMetadata, offsets: Offsets, entries: readonly ConfigEntry[] | undefined) {
  return {
    topic: topic.name,
    topicId: topic.topicId,
    internal: topic.internal,
    replicationFactor: replicationFactor(topic),
    /** Null where this user may not see them. */
    configs: entries === undefined ? null : setOnTopic(entries),
    partitions: topic.partitions.map(({ partition, leaderId, leaderEpoch, replicas, inSyncReplicas }) => {
      const name = partitionName({ topic: topic.name, partition });
      const startOffset = offsets.start.get(name);
      const endOffset = offsets.end.get(name);
      return { partition, leaderId, leaderEpoch, replicas, inSyncReplicas, startOffset, endOffset };
    }),
  };
}

function renderTopic(topic: DescribedTopic, paint: Paint): string {
  const configs = Object.entries(topic.configs ?? {}).map(([name, value]) => `${name}=${printable(value)}`);
  const ifNone = topic.configs === null ? 'this user may not see them (DescribeConfigs)' : 'all default';
  const pairs = renderPairs(
    [
      ['Topic', paint.bold(topic.topic)],
      ['Id', topic.topicId],
      ['Partitions', formatCount(topic.partitions.length)],
      ['Replicas', String(topic.replicationFactor)],
      ['Configs', configs.length === 0 ? ifNone : configs.join('\n            ')],
    ],
    paint,
  );
  const rows = topic.partitions.map(({ partition, leaderId, replicas, inSyncReplicas, startOffset, endOffset }) => [
    String(partition),
    leaderId < 0 ? paint.red('none') : String(leaderId),
    replicas.join(','),
    inSyncReplicas.length < replicas.length ? paint.red(inSyncReplicas.join(',') || 'none') : inSyncReplicas.join(','),
    startOffset === undefined ? '' : formatCount(startOffset),
    endOffset === undefined ? '' : formatCount(endOffset),
  ]);
  const table = renderTable(
    [
      { header: 'PARTITION', align: 'right' },
      { header: 'LEADER', align: 'right' },
      { header: 'REPLICAS' },
      { header: 'IN SYNC' },
      { header: 'START', align: 'right' },
      { header: 'END', align: 'right' },
    ],
    rows,
    paint,
  );
  return `${pairs}\n\n${table}`;
}

interface Offsets {
  readonly start: ReadonlyMap<string, number>;
  readonly end: ReadonlyMap<string, number>;
}

/** What cannot be asked, because a leader is away, is left out: the rest of the description is worth seeing. */
async function offsetsOf(admin: Admin, topics: readonly TopicMetadata[]): Promise<Offsets> {
  const led = topics.flatMap(({ name, partitions }) =>
    partitions.filter(({ leaderId }) => leaderId >= 0).map(({ partition }) => ({ topic: name, partition })),
  );
  const at = async (spec: 'earliest' | 'latest'): Promise<Map<string, number>> => {
    if (led.length === 0) return new Map();
    const found = await admin.listOffsets(led.map((each) => ({ ...each, at: spec }))).catch(() => []);
    return new Map(found.map((each) => [partitionName(each), each.offset]));
  };
  const [start, end] = await Promise.all([at('earliest'), at('latest')]);
  return { start, end };
}

/** Topics are seen by the right to describe them, their configs by another: those that may not be seen are left out. */
async function configsOf(admin: Admin, topics: readonly TopicMetadata[]): Promise<Map<string, readonly ConfigEntry[]>> {
  if (topics.length === 0) return new Map();
  const described = await admin.describeConfigs(topics.map(({ name }) => ({ type: 'topic', name }))).catch((error) => {
    const hidden = hiddenOf(error);
    if (hidden === undefined) throw error;
    const seen = topics.filter(({ name }) => !hidden.has(`topic:${name}`));
    return seen.length === 0 ? [] : admin.describeConfigs(seen.map(({ name }) => ({ type: 'topic', name })));
  });
  return new Map(described.map(({ name, entries }) => [name, entries]));
}

/** What may not be seen, where that is all that has failed. */
function hiddenOf(error: unknown): ReadonlyMap<string, unknown> | undefined {
  const { failures } = error as { readonly failures?: ReadonlyMap<string, { readonly code: string }> };
  const isAll = [...(failures?.values() ?? [])].every(({ code }) => code === 'KAFKA_TOPIC_AUTHORIZATION_FAILED');
  return isAll ? failures : undefined;
}

/** The configs that are set on the topic itself. */
function setOnTopic(entries: readonly ConfigEntry[]): Readonly<Record<string, string>> {
  const own = entries.filter(({ source }) => source === 'topic');
  return Object.fromEntries(own.map(({ name, value }) => [name, value ?? '']));
}

export async function deleteTopics(
  context: CommandContext,
  names: readonly string[],
  options: DeleteTopicsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    let deleted = [...new Set(names)];
    if (options.ifExists === true) {
      const existing = new Set(await admin.listTopics({ internal: true }));
      deleted = deleted.filter((name) => existing.has(name));
    }
    // Nothing is deleted where one name is wrong: the others may be too.
    const topics = deleted.length === 0 ? [] : await findTopics(admin, deleted);
    if (options.internal !== true) refuseInternal(topics, 'be deleted with it');
    const tell = (done: readonly string[]): Promise<void> =>
      context.out.done({ deleted: done }, () =>
        done.length === 0 ? 'No such topic; nothing to delete' : done.map((name) => `Topic ${name} deleted`).join('\n'),
      );
    const call = async (): Promise<void> => {
      if (deleted.length > 0) await admin.deleteTopics(deleted);
    };
    await tellingTheRest(deleted, (name) => name, call, tell);
    await tell(deleted);
  });
}

/** What lives in Kafka's own topics. */
const KEPT_IN: Readonly<Record<string, string>> = {
  __consumer_offsets: 'the offsets of all groups',
  __transaction_state: 'the transactions of all producers',
};

/** Kafka's own topics are no place for a slip of the hand: others have put into them what they rely on. */
function refuseInternal(topics: readonly TopicMetadata[], loss: string): void {
  const own = topics.find(({ internal }) => internal);
  if (own === undefined) return;
  const kept = KEPT_IN[own.name] ?? 'what the cluster keeps there';
  throw failure(
    `Topic "${own.name}" is one of Kafka's own: ${kept} would ${loss}`,
    '`--internal` does it all the same.',
  );
}

export async function addPartitions(
  context: CommandContext,
  name: string,
  options: AddPartitionsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const topic = await findTopic(admin, name);
    if (options.internal !== true) refuseInternal([topic], 'be looked for in other partitions, and not be found');
    const before = topic.partitions.length;
    if (options.partitions === undefined && options.add === undefined) {
      throw usageError('Say how many partitions: `--partitions N` in all, or `--add N` more');
    }
    const count = options.partitions ?? before + options.add!;
    if (count <= before) {
      throw failure(
        `Topic "${name}" has ${counted(before, 'partition')}, so it cannot get ${formatCount(count)} in all`,
        'Partitions can be added, never removed.',
      );
    }
    await admin.createPartitions([{ topic: name, count }], { validateOnly: options.dryRun });
    await context.out.done(
      { topic: name, partitionsBefore: before, partitions: count, dryRun: options.dryRun ?? false },
      () =>
        options.dryRun === true
          ? `Topic ${name} could get ${counted(count - before, 'partition')} more, ${count} in all`
          : `Topic ${name} has ${counted(count, 'partition')} now; new are ${formatRanges(Array.from({ length: count - before }, (_, index) => before + index))}`,
    );
    if (options.dryRun !== true) {
      context.out.note('Records stay where they are; keys may go to other partitions from now on.');
    }
  });
}
