/**
 * `node tools/log-files/main.ts [VERSION ...]`: holds our files against Apache Kafka, both ways. Kafka's dump tool reads a log
 * that we have written; we read logs that Kafka has written. Needs java and mvn; exits with 1 when something is wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KAFKA_3, KAFKA_4 } from '../kafka/index.ts';
import { dumpFolder } from './kafka-reads.ts';
import { openKafkasFolder } from './kafka-wrote.ts';
import { writeLog } from './ours.ts';

const SEED = 3;

const versions = process.argv.length > 2 ? process.argv.slice(2) : [KAFKA_3, KAFKA_4];
const folder = mkdtempSync(join(tmpdir(), 'millrace-log-files-'));
let failures = 0;

function report({ what, isGood, detail }: { what: string; isGood: boolean; detail: string }): void {
  if (!isGood) failures += 1;
  console.log(`  ${isGood ? 'good' : 'BAD '}  ${what}: ${detail}`);
}

try {
  const written = await writeLog(folder, SEED);
  for (const version of versions) {
    console.log(
      `kafka-dump-log ${version} over ${written.endOffset} records of ours in ${written.segmentCount} segments`,
    );
    for (const finding of await dumpFolder(written.folder, version)) report(finding);
  }
  console.log('folders of Apache Kafka, read by our log');
  for (const version of versions) {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) report(await openKafkasFolder(version, signal));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
