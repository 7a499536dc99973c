/**
 * `node tools/partitions/main.ts`: has Apache Kafka's own classes, of both versions, say which partitions 100,000 keys belong to,
 * and writes the answer down for the producer's tests. Needs `java`.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KAFKA_3, KAFKA_4, kafkaClassPath } from '../kafka/index.ts';

const KEYS = 100_000;
const SEED = 20_240_917;

const program = fileURLToPath(new URL('./Partitions.java', import.meta.url));
const fixture = fileURLToPath(new URL('../../packages/producer/fixtures/java-partitions.json', import.meta.url));

const answers: string[] = [];
for (const version of [KAFKA_3, KAFKA_4]) {
  const args = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-cp', await kafkaClassPath(version), program];
  answers.push(execFileSync('java', [...args, String(KEYS), String(SEED)], { encoding: 'utf8' }));
}
const [answer = '', other] = answers;
if (answer !== other) throw new Error(`Kafka ${KAFKA_3} and ${KAFKA_4} do not agree:\n${answer}\n${other}`);
writeFileSync(fixture, answer);
console.log(`${KEYS} keys, as Kafka ${KAFKA_3} and ${KAFKA_4} place them: ${fixture}`);
