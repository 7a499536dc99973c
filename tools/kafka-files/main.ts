/**
 * `node tools/kafka-files/main.ts [VERSION ...]`: moves partition folders of Apache Kafka under a broker of ours and holds what
 * its consumer reads there against what it read from Kafka; then has Kafka's dump tool look at what our broker and our compaction
 * write. Needs java and mvn; exits with 1 when something is wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { verifyLogDirectory } from '@millrace/log';
import { NodeDisk } from '@millrace/ports';
import { KAFKA_3, startApacheKafka } from '../kafka/index.ts';
import { writeCompacted } from './compacted.ts';
import { consumeAll } from './consumed.ts';
import { dumpFolder, type Finding } from './dump.ts';
import { fillTopics, TOPICS } from './kafka-writes.ts';
import { kraftFiles, moveIn } from './moved-in.ts';

/** Kafka's cleaner is to have been over the compacted topic. */
const CLEANER_WAIT_MS = 5000;
const SEED = 7;

let failures = 0;

function report({ what, isGood, detail }: Finding): void {
  if (!isGood) failures += 1;
  console.log(`  ${isGood ? 'good' : 'BAD '}  ${what}: ${detail}`);
}

for (const version of process.argv.length > 2 ? process.argv.slice(2) : [KAFKA_3]) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-kafka-files-'));
  try {
    console.log(`Folders of Kafka ${version}, served by Millrace`);
    await serveKafkasFolders(version, folder);
    console.log(`Folders of Millrace, read by kafka-dump-log ${version}`);
    await dumpOurs(version, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
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
  const ours = await writeCompacted(join(folder, 'ours'), SEED);
  console.log(`  compacted: ${ours.recordsKept} of ${ours.recordsRead} records kept, ${ours.segmentCount} segments`);
  for (const finding of await dumpFolder(ours.folder, version)) report(finding);
}
