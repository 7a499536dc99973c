/**
 * `node tools/kafka-files/main.ts [dump|transactions|open|serve] [VERSION ...]`: holds our files against Apache Kafka's, both ways. `dump`: Kafka's dump
 * tool reads what our log writes and what our compaction leaves. `transactions`: it decodes what our
 * transaction coordinator writes. `open`: our log reads folders that Kafka has written, after it stopped and
 * after it was killed. `serve`: partition folders of Kafka's lie under a broker of ours, whose consumer's view is held against what it read
 * from Kafka; then the dump tool reads them. All of it by default. Needs java and mvn; exits with 1 when something is wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { verifyLogDirectory } from '@millrace/log';
import { NodeDisk } from '@millrace/ports';
import { KAFKA_3, KAFKA_4, startApacheKafka } from '../kafka/index.ts';
import { writeCompacted } from './compacted.ts';
import { consumeAll } from './consumed.ts';
import { dumpFolder, type Finding, holdsAllKinds } from './dump.ts';
import { fillTopics, TOPICS } from './kafka-writes.ts';
import { writeMixture } from './mixture.ts';
import { kraftFiles, moveIn } from './moved-in.ts';
import { openKafkasFolder } from './opened.ts';
import { dumpTransactionState } from './transaction-state.ts';

/** Kafka's cleaner is to have been over the compacted topic. */
const CLEANER_WAIT_MS = 5000;
const SEED = 7;

let failures = 0;

function report({ what, isGood, detail }: Finding): void {
  if (!isGood) failures += 1;
  console.log(`  ${isGood ? 'good' : 'BAD '}  ${what}: ${detail}`);
}

const PARTS: Readonly<Record<string, (version: string, folder: string) => Promise<void>>> = {
  dump: async (version, folder) => {
    console.log(`Folders of Millrace, read by kafka-dump-log ${version}`);
    await dumpOurs(version, folder);
  },
  transactions: async (version, folder) => {
    console.log(`The state of transactions of Millrace, read by kafka-dump-log ${version}`);
    for (const finding of await dumpTransactionState(version, folder)) report(finding);
  },
  open: async (version) => {
    console.log(`Folders of Kafka ${version}, opened by our log`);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) report(await openKafkasFolder(version, signal));
  },
  serve: async (version, folder) => {
    console.log(`Folders of Kafka ${version}, served by Millrace`);
    await serveKafkasFolders(version, folder);
  },
};

const given = process.argv.slice(2);
const parts = given.filter((word) => word in PARTS);
const versions = given.filter((word) => !(word in PARTS));
for (const version of versions.length > 0 ? versions : [KAFKA_3, KAFKA_4]) {
  for (const part of parts.length > 0 ? parts : Object.keys(PARTS)) {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-kafka-files-'));
    try {
      await PARTS[part]?.(version, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
process.exitCode = failures === 0 ? 0 : 1;

async function serveKafkasFolders(version: string, folder: string): Promise<void> {
  const kafkaFolder = join(folder, 'kafka');
  const config = { 'log.cleaner.backoff.ms': '300' };
  const kafka = await startApacheKafka({ version, folder: kafkaFolder, config });
  const wrote = new Map<string, string[]>();
  try {
    await fillTopics(kafka.bootstrap, version);
    await sleep(CLEANER_WAIT_MS);
    for (const topic of TOPICS) wrote.set(topic, await consumeAll(kafka.bootstrap, topic, version));
  } finally {
    await kafka.stop();
  }
  const verified = await verifyLogDirectory(new NodeDisk(), kafka.logDir, { deep: true });
  const detail = `${verified.damages} problems in ${verified.partitions} partitions, ${verified.records} records`;
  report({ what: 'millrace log verify over the whole directory', isGood: verified.damages === 0, detail });
  const left = kraftFiles(kafka.logDir).join(', ');
  report({ what: 'left behind, as Kafka’s own', isGood: left !== '', detail: left });
  const broker = await moveIn(kafka.logDir, join(folder, 'moved'), TOPICS);
  try {
    for (const topic of TOPICS)
      report(compare(topic, wrote.get(topic)!, await consumeAll(broker.bootstrap, topic, version)));
  } finally {
    await broker.stop();
  }
  for (const topic of TOPICS) {
    for (const finding of await dumpFolder(join(folder, 'moved', `${topic}-0`), version)) {
      report({ ...finding, what: `${topic} afterwards, ${finding.what}` });
    }
  }
}

/** Timestamps, offsets, headers, keys and values, record by record. */
function compare(topic: string, expected: readonly string[], found: readonly string[]): Finding {
  const wrong = expected.findIndex((line, index) => line !== found[index]);
  const isGood = wrong < 0 && expected.length === found.length;
  const detail = isGood
    ? `${found.length} records alike`
    : `${expected.length} and ${found.length} records; ${expected[wrong] ?? ''} became ${found[wrong] ?? 'nothing'}`;
  return { what: topic, isGood, detail };
}

async function dumpOurs(version: string, folder: string): Promise<void> {
  const mixture = await writeMixture(join(folder, 'mixture'), SEED);
  console.log(`  mixture: ${mixture.endOffset} offsets, ${mixture.segmentCount} segments`);
  report(holdsAllKinds(mixture.folder));
  for (const finding of await dumpFolder(mixture.folder, version)) report(finding);
  const compacted = await writeCompacted(join(folder, 'compacted'), SEED);
  const { recordsKept, recordsRead, segmentCount } = compacted;
  console.log(`  compacted: ${recordsKept} of ${recordsRead} records kept, ${segmentCount} segments`);
  for (const finding of await dumpFolder(compacted.folder, version)) report(finding);
}
