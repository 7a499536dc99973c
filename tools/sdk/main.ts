/** `pnpm sdk:kafka [VERSION...]`: the SDK suite against Apache Kafka, each version on a broker of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { KAFKA_3, KAFKA_4, startApacheKafka } from '../kafka/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const versions = process.argv.length > 2 ? process.argv.slice(2) : [KAFKA_3, KAFKA_4];
for (const version of versions) {
  const kafka = await startApacheKafka({ version });
  console.log(`The SDK suite against Apache Kafka ${version}`);
  try {
    const env = { ...process.env, KAFKA_BOOTSTRAP: kafka.bootstrap };
    const { status } = spawnSync('vitest', ['run', 'tools/sdk'], { cwd: root, env, stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  } finally {
    await kafka.stop();
  }
}
