import { readFile } from 'node:fs/promises';
import type { TopicPartition } from '@millrace/client';
import { fileFault } from '../client-config.ts';
import { CliError } from '../errors.ts';
import type { PlacedPartition } from './reassignment-plan.ts';

/** Kafka's form of an assignment, as kafka-reassign-partitions reads and writes it. */
export interface AssignmentJson {
  readonly version: 1;
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly replicas: readonly number[];
    readonly log_dirs: readonly string[];
  }[];
}

/** Where a broker may put a replica: into the folder that it likes best. */
const ANY_FOLDER = 'any';

export function assignmentJson(partitions: readonly PlacedPartition[]): AssignmentJson {
  return {
    version: 1,
    partitions: partitions.map(({ topic, partition, replicas, logDirs = [] }) => ({
      topic,
      partition,
      replicas,
      log_dirs: replicas.map((_, index) => logDirs[index] ?? ANY_FOLDER),
    })),
  };
}

/**
 * The topics of a file as kafka-reassign-partitions takes it: `{"topics":[{"topic":"orders"}],"version":1}`.
 * @throws CliError `CLI_INPUT_INVALID`
 */
export async function readTopics(path: string, stdin: AsyncIterable<unknown>): Promise<string[]> {
  const name = path === '-' ? 'standard input' : path;
  const { topics } = parseJson(await readText(path, stdin), name) as { topics?: unknown };
  const names = Array.isArray(topics) ? topics.map((each: { topic?: unknown } | null) => each?.topic) : [];
  if (names.length === 0 || !names.every((each) => typeof each === 'string')) {
    throw new CliError(
      'CLI_INPUT_INVALID',
      `${name} names no topics: it is {"topics":[{"topic":"orders"}],"version":1}`,
      {
        hint: '`--topics orders,bills` does without a file.',
      },
    );
  }
  return names;
}

/**
 * The partitions of a file as kafka-leader-election takes it: `{"partitions":[{"topic":"orders","partition":0}]}`.
 * @throws CliError `CLI_INPUT_INVALID`
 */
export async function readElections(path: string, stdin: AsyncIterable<unknown>): Promise<TopicPartition[]> {
  const name = path === '-' ? 'standard input' : path;
  const { partitions } = parseJson(await readText(path, stdin), name) as { partitions?: unknown };
  const listed = Array.isArray(partitions)
    ? partitions.map((each: Partial<TopicPartition> | null) => ({ topic: each?.topic, partition: each?.partition }))
    : [];
  if (
    listed.length === 0 ||
    !listed.every((each): each is TopicPartition => typeof each.topic === 'string' && isId(each.partition))
  ) {
    throw new CliError(
      'CLI_INPUT_INVALID',
      `${name} names no partitions: it is {"partitions":[{"topic":"orders","partition":0}]}`,
      {
        hint: '`--topic orders --partition 0` does without a file.',
      },
    );
  }
  return listed;
}

/** Reads a plan, from standard input where the path is `-`. */
export async function readPlan(path: string, stdin: AsyncIterable<unknown>): Promise<PlacedPartition[]> {
  return parsePlan(await readText(path, stdin), path === '-' ? 'standard input' : path);
}

async function readText(path: string, stdin: AsyncIterable<unknown>): Promise<string> {
  if (path === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Buffer));
    return Buffer.concat(chunks).toString('utf8');
  }
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot read ${path} (the plan): ${fileFault(cause)}`, { cause });
  }
}

/**
 * The partitions of a plan.
 * @throws CliError `CLI_INPUT_INVALID` that names what is wrong with it, and where
 */
export function parsePlan(text: string, name: string): PlacedPartition[] {
  const plan = parseJson(text, name);
  const { version = 1, partitions } = plan as { version?: unknown; partitions?: unknown };
  if (version !== 1) throw invalid(name, `version ${JSON.stringify(version)} is not known: it is 1`);
  if (!Array.isArray(partitions)) throw invalid(name, 'it has no list of "partitions"');
  const seen = new Set<string>();
  return partitions.map((each: unknown, index) => {
    const placed = placedPartition(each, name, index);
    const key = `${placed.topic}-${placed.partition}`;
    if (seen.has(key)) throw invalid(name, `partition ${placed.partition} of "${placed.topic}" is there twice`);
    seen.add(key);
    return placed;
  });
}

function parseJson(text: string, name: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(name, `it is no JSON: ${(cause as Error).message}`);
  }
  if (typeof value !== 'object' || value === null) throw invalid(name, 'it is no JSON object');
  return value;
}

function placedPartition(value: unknown, name: string, index: number): PlacedPartition {
  const at = `partitions[${index}]`;
  if (typeof value !== 'object' || value === null) throw invalid(name, `${at} is no object`);
  const { topic, partition, replicas, log_dirs: folders } = value as Record<string, unknown>;
  if (typeof topic !== 'string' || topic === '') throw invalid(name, `${at} has no "topic"`);
  if (!isId(partition)) throw invalid(name, `${at} has no "partition" of 0 or more`);
  if (!Array.isArray(replicas) || replicas.length === 0 || !replicas.every(isId)) {
    throw invalid(
      name,
      `${at} ("${topic}" ${partition}) needs "replicas": the ids of brokers, the preferred leader first`,
    );
  }
  if (new Set(replicas).size < replicas.length) {
    throw invalid(name, `${at} ("${topic}" ${partition}) names a broker twice: ${replicas.join(', ')}`);
  }
  return { topic, partition, replicas, ...namedFolders(folders, replicas, `${at} ("${topic}" ${partition})`, name) };
}

/** The log directories of a partition's replicas; a broker chooses where there are none, or "any". */
function namedFolders(
  folders: unknown,
  replicas: readonly number[],
  at: string,
  name: string,
): Pick<PlacedPartition, 'logDirs'> {
  if (folders === undefined) return {};
  if (!Array.isArray(folders) || folders.length !== replicas.length || !folders.every(isFolder)) {
    throw invalid(name, `${at} needs in "log_dirs" for each of "replicas" an absolute path or "${ANY_FOLDER}"`);
  }
  if (folders.every((each) => each === ANY_FOLDER)) return {};
  return { logDirs: folders.map((each) => (each === ANY_FOLDER ? undefined : each)) };
}

function isFolder(value: unknown): value is string {
  return value === ANY_FOLDER || (typeof value === 'string' && value.startsWith('/'));
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function invalid(name: string, what: string): CliError {
  return new CliError('CLI_INPUT_INVALID', `The plan in ${name} cannot be used: ${what}`, {
    hint: '`millrace partitions reassign generate --topics t --brokers 1,2,3 > plan.json` writes one.',
  });
}
