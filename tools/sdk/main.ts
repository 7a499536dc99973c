/** `pnpm sdk:kafka [VERSION...] [-- FILE...]`: the SDK suite against Apache Kafka, each version on a broker of its own, on ZooKeeper below 3.3. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ApacheKafka, KAFKA_3, KAFKA_4, startApacheKafka } from '../kafka/index.ts';
import { ZooKeeperEnsemble } from '../zookeeper/ensemble.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const args = process.argv.slice(2);
const end = args.includes('--') ? args.indexOf('--') : args.length;
const versions = end > 0 ? args.slice(0, end) : [KAFKA_3, KAFKA_4];
const files = args.slice(end + 1);

/** Before this, without ZooKeeper, Kafka was for trying it out: 2.8 had no transactions then. */
const FIRST_WITHOUT_ZOOKEEPER = [3, 3];

function needsZooKeeper(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [firstMajor = 0, firstMinor = 0] = FIRST_WITHOUT_ZOOKEEPER;
  return major < firstMajor || (major === firstMajor && minor < firstMinor);
}

async function start(version: string): Promise<ApacheKafka> {
  if (!needsZooKeeper(version)) return startApacheKafka({ version });
  const ensemble = await ZooKeeperEnsemble.start();
  try {
    const kafka = await startApacheKafka({ version, zooKeeper: { connect: ensemble.connectString, brokerId: 1 } });
    return { ...kafka, stop: () => kafka.stop().finally(() => ensemble.stop()) };
  } catch (error) {
    await ensemble.stop();
    throw error;
  }
}

for (const version of versions) {
  const kafka = await start(version);
  console.log(`The SDK suite against Apache Kafka ${version}`);
  try {
    const env = { ...process.env, KAFKA_BOOTSTRAP: kafka.bootstrap };
    const suite = files.length > 0 ? files : ['tools/sdk'];
    const { status } = spawnSync('vitest', ['run', ...suite], { cwd: root, env, stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  } finally {
    await kafka.stop();
  }
}
