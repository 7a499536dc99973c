/** A count of words by Kafka Streams with `exactly_once_v2`, killed in the middle: every word is counted once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { kafkaStreamsClassPath } from '../kafka/jars.ts';
import { root } from '../source/index.ts';
import type { Case } from './report.ts';

const PROGRAM = join(root, 'tools/compat/StreamsWordCount.java');
const PARTITIONS = 3;
const WORDS = ['all', 'streams', 'lead', 'to', 'kafka', 'hello', 'mill', 'race'];
const LINES = 400;
const WORDS_A_LINE = 6;
const PACE_MS = 10;
const COUNTED_MS_MAX = 120_000;
const ASK_MS = 200;

export function streamsCases(bootstrap: string, version: string): Case[] {
  return [
    {
      name: `WordCount of ${LINES} lines, killed once with -9`,
      run: () => countWords(bootstrap, version),
    },
  ];
}

/** What one run reads and writes. */
interface Topics {
  readonly input: string;
  readonly output: string;
}

async function countWords(bootstrap: string, version: string): Promise<string> {
  const topics = { input: `lines-${version}`, output: `words-${version}` };
  const folder = mkdtempSync(join(tmpdir(), 'millrace-streams-'));
  await using admin = new Admin({ bootstrapServers: bootstrap });
  const replicationFactor = (await admin.describeCluster()).brokers.length;
  await admin.createTopics(
    Object.values(topics).map((topic) => ({ topic, partitions: PARTITIONS, replicationFactor })),
  );
  const classPath = await kafkaStreamsClassPath(version);
  const start = (): ChildProcess => startWordCount(classPath, folder, { bootstrap, version, ...topics });
  let running = start();
  const stop = new AbortController();
  const counts = new Map<string, number>();
  const reading = readCounts(bootstrap, topics.output, counts, stop.signal);
  try {
    const expected = await writeLines(bootstrap, topics.input, async (line) => {
      if (line !== LINES / 2) return;
      await until(() => counts.size > 0, 'a word is counted');
      running.kill('SIGKILL');
      running = start();
    });
    const isRight = (): boolean => WORDS.every((word) => counts.get(word) === expected.get(word));
    await until(isRight, `${text(expected)} are counted`, () => text(counts));
    // What was counted twice shows a moment later.
    await sleep(ASK_MS * 5);
    if (!isRight()) throw new Error(`${text(counts)} instead of ${text(expected)}`);
    return text(counts);
  } finally {
    running.kill('SIGKILL');
    stop.abort();
    await reading;
    await admin.deleteTopics(Object.values(topics));
    rmSync(folder, { recursive: true, force: true });
  }
}

function startWordCount(
  classPath: string,
  folder: string,
  { bootstrap, version, input, output }: Topics & { readonly bootstrap: string; readonly version: string },
): ChildProcess {
  const config = join(folder, 'streams.properties');
  const properties = {
    'bootstrap.servers': bootstrap,
    'application.id': `wordcount-${version}`,
    'processing.guarantee': 'exactly_once_v2',
    'commit.interval.ms': 100,
    'replication.factor': 3,
    'session.timeout.ms': 6000,
    'statestore.cache.max.bytes': 0,
    'state.dir': join(folder, 'state'),
  };
  writeFileSync(
    config,
    Object.entries(properties)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
  const args = ['-Xmx256m', '-XX:TieredStopAtLevel=1', quiet, '-cp', classPath, PROGRAM];
  return spawn('java', [...args, config, input, output], { stdio: 'ignore' });
}

/** Writes lines, and tells how often each word is in them. */
async function writeLines(
  bootstrap: string,
  topic: string,
  onLine: (line: number) => Promise<void>,
): Promise<Map<string, number>> {
  const expected = new Map<string, number>();
  await using producer = new Producer({ bootstrapServers: bootstrap });
  for (let line = 0; line < LINES; line += 1) {
    const words = Array.from({ length: WORDS_A_LINE }, (_, at) => WORDS[(line * 7 + at * at) % WORDS.length]!);
    for (const word of words) expected.set(word, (expected.get(word) ?? 0) + 1);
    await producer.send({ topic, partition: line % PARTITIONS, value: words.join(' ') });
    await onLine(line);
    await sleep(PACE_MS);
  }
  return expected;
}

/** The newest count of each word that is committed. */
async function readCounts(
  bootstrap: string,
  topic: string,
  counts: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  await using consumer = new Consumer({
    bootstrapServers: bootstrap,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  });
  consumer.assign(Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })));
  await consumer.run({
    signal,
    eachBatch: ({ records }) => {
      for (const { key, value } of records) counts.set(String(key), Number(value?.readBigInt64BE() ?? 0n));
    },
  });
}

async function until(holds: () => boolean, what: string, found: () => string = () => ''): Promise<void> {
  const deadline = performance.now() + COUNTED_MS_MAX;
  while (!holds()) {
    if (performance.now() > deadline) {
      throw new Error(`within ${COUNTED_MS_MAX} ms it never came that ${what}: ${found()}`);
    }
    await sleep(ASK_MS);
  }
}

function text(counts: ReadonlyMap<string, number>): string {
  return WORDS.map((word) => `${word} ${counts.get(word) ?? 0}`).join(', ');
}
