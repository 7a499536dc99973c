import type { Admin, FoundOffset, OffsetSpec } from '@millrace/admin';
import type { TopicMetadata, TopicPartition } from '@millrace/client';
import type { CommandContext } from '../context.ts';
import { CliError, usageError } from '../errors.ts';
import { counted, formatCount, formatTimestamp } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import { choosePartitions, findTopic, lookForTopics } from './find-topics.ts';
import { byLeader, offlineError } from './partition-leaders.ts';

export interface OffsetsOptions {
  readonly at?: OffsetSpec;
  readonly partition?: readonly number[];
}

export interface DeleteRecordsOptions {
  readonly before: number | 'end';
  readonly partition?: readonly number[];
}

export async function listOffsets(
  context: CommandContext,
  names: readonly string[],
  options: OffsetsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const { found, missing } = await lookForTopics(admin, names);
    await showOffsets(context, admin, found, options);
    if (missing !== undefined) throw missing;
  });
}

async function showOffsets(
  context: CommandContext,
  admin: Admin,
  topics: readonly TopicMetadata[],
  options: OffsetsOptions,
): Promise<void> {
  const wanted = topics.flatMap((topic) => choosePartitions(topic, options.partition));
  const { led: partitions, offline } = await byLeader(admin, topics, wanted);
  if (partitions.length > 0) await showLed(context, admin, partitions, options);
  // The rest is shown all the same.
  if (offline.length > 0) throw offlineError('ask for the offsets of', offline, wanted.length);
}

async function showLed(
  context: CommandContext,
  admin: Admin,
  partitions: readonly TopicPartition[],
  options: OffsetsOptions,
): Promise<void> {
  const find = async (at: OffsetSpec): Promise<Map<string, FoundOffset>> => {
    const found = await admin.listOffsets(partitions.map((each) => ({ ...each, at })));
    return new Map(found.map((each) => [`${each.topic}-${each.partition}`, each]));
  };
  if (options.at === undefined) {
    const [start, end] = await Promise.all([find('earliest'), find('latest')]);
    const rows = partitions.map(({ topic, partition }) => {
      const key = `${topic}-${partition}`;
      return { topic, partition, startOffset: start.get(key)!.offset, endOffset: end.get(key)!.offset };
    });
    await context.out.result(rows, (paint) =>
      renderTable(
        [{ header: 'TOPIC' }, right('PARTITION'), right('START'), right('END'), right('OFFSETS')],
        rows.map(({ topic, partition, startOffset, endOffset }) => [
          topic,
          String(partition),
          formatCount(startOffset),
          formatCount(endOffset),
          formatCount(endOffset - startOffset),
        ]),
        paint,
      ),
    );
    return;
  }
  const found = await find(options.at);
  const rows = partitions.map(({ topic, partition }) => {
    const { offset, timestamp } = found.get(`${topic}-${partition}`)!;
    return { topic, partition, offset: offset < 0 ? null : offset, timestamp: timestamp < 0 ? null : timestamp };
  });
  await context.out.result(rows, (paint) =>
    renderTable(
      [{ header: 'TOPIC' }, right('PARTITION'), right('OFFSET'), { header: 'TIMESTAMP' }],
      rows.map(({ topic, partition, offset, timestamp }) => [
        topic,
        String(partition),
        offset === null ? (typeof options.at === 'number' ? 'none so late' : 'none') : formatCount(offset),
        timestamp === null ? '' : formatTimestamp(timestamp),
      ]),
      paint,
    ),
  );
}

/** A broker only says that an offset is out of range; which range, is what one asks next. */
async function withRange(admin: Admin, topic: string, before: number | 'all', error: unknown): Promise<never> {
  if (!(error instanceof Error) || (error as { code?: unknown }).code !== OUT_OF_RANGE) throw error;
  const { failures } = error as { failures?: ReadonlyMap<string, { code: string }> };
  const items = [...(failures ?? [])].filter(([, { code }]) => code === OUT_OF_RANGE).map(([item]) => item);
  if (items.length === 0) throw error;
  const partitions = items.map((item) => ({ topic, partition: Number(item.slice(topic.length + 1)) }));
  const ends = await admin.listOffsets(partitions.map((each) => ({ ...each, at: 'latest' as const })));
  const inWords = ends.map(({ partition, offset }) => `partition ${partition} of ${topic} ends at offset ${offset}`);
  throw new CliError(OUT_OF_RANGE, `Records before ${before} cannot be deleted: ${inWords.join(', ')}`, {
    hint: '`--before end` deletes all that are there.',
    cause: error,
  });
}

const OUT_OF_RANGE = 'KAFKA_OFFSET_OUT_OF_RANGE';

function right(header: string) {
  return { header, align: 'right' } as const;
}

export async function deleteRecords(
  context: CommandContext,
  name: string,
  options: DeleteRecordsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const topic = await findTopic(admin, name);
    if (options.before !== 'end' && options.partition === undefined && topic.partitions.length > 1) {
      throw usageError(
        `Topic "${name}" has ${counted(topic.partitions.length, 'partition')}: name the one whose offset you mean with \`--partition\``,
        '`--before end` deletes the records of all partitions.',
      );
    }
    const partitions = choosePartitions(topic, options.partition);
    const before = options.before === 'end' ? 'all' : options.before;
    const deleted = await admin
      .deleteRecords(partitions.map((each) => ({ ...each, before })))
      .catch((error: unknown) => withRange(admin, name, before, error));
    deleted.sort((a, b) => a.partition - b.partition);
    await context.out.done(deleted, () =>
      deleted
        .map(
          ({ partition, logStartOffset }) =>
            `Partition ${partition} of ${name} begins at offset ${formatCount(logStartOffset)} now`,
        )
        .join('\n'),
    );
  });
}
