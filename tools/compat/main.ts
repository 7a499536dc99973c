/** `node tools/compat/main.ts [java] [python] [transactions] [librdkafka] [sarama] [cluster] [streams] [librdkafka-transactions] [librdkafka-cluster] [secured] [security-tools] [librdkafka-secured] [cluster-disks] [--target T]`: see README.md beside this file. */
import { parseArgs } from 'node:util';
import { kafkaPython } from '../clients/index.ts';
import { KAFKA_3, KAFKA_4 } from '../kafka/index.ts';
import { confluentKafkaJavascript } from '../librdkafka/index.ts';
import { runClusterDisks } from './cluster-disks.ts';
import { clusterCases } from './cluster-tools.ts';
import { CONFLUENT_TITLE, confluentCases } from './confluent.ts';
import { javaCases, javaTransactionCases } from './java.ts';
import { runLibrdkafka } from './librdkafka.ts';
import { runLibrdkafkaSecured } from './librdkafka-secured.ts';
import { pythonCases } from './python.ts';
import { runCases } from './report.ts';
import { buildSarama, saramaCases } from './sarama.ts';
import { runMatrix } from './secured/matrix.ts';
import { runSecurityTools } from './secured/security-tools.ts';
import { streamsCases } from './streams.ts';
import { startClusterTarget, startRackedTarget, startTarget, type Target } from './target.ts';

type Suites = Readonly<Record<string, (bootstrap: string) => Promise<number>>>;

const suites: Suites = {
  async java(bootstrap) {
    let failed = 0;
    for (const version of [KAFKA_3, KAFKA_4]) {
      failed += await runCases(`Command-line tools of Apache Kafka ${version}`, javaCases(bootstrap, version));
    }
    return failed;
  },
  async python(bootstrap) {
    return runCases(await kafkaPython.version(), pythonCases(bootstrap));
  },
  async sarama(bootstrap) {
    return runCases("Go's sarama", saramaCases(bootstrap, await buildSarama()));
  },
  async transactions(bootstrap) {
    let failed = 0;
    for (const version of [KAFKA_3, KAFKA_4]) {
      const title = `Transactions of the tools of Apache Kafka ${version}`;
      if (isWanted(title)) failed += await runCases(title, javaTransactionCases(bootstrap, version));
    }
    if (!isWanted(CONFLUENT_TITLE)) return failed;
    return failed + (await runCases(CONFLUENT_TITLE, confluentCases(bootstrap, await confluentKafkaJavascript())));
  },
  async librdkafka(bootstrap) {
    return runLibrdkafka(bootstrap, values.only);
  },
};

/** Whether `--only`, which may be left out, names it in part. */
function isWanted(title: string): boolean {
  return values.only.length === 0 || values.only.some((part) => title.includes(part));
}

/** Tests of librdkafka that are about transactions, which want three replicas. */
const TRANSACTION_TESTS = ['0098_consumer_txn', '0103_transactions', '0129_fetch_aborted'];

/** Those that need three brokers. */
const clusterSuites: Suites = {
  async streams(bootstrap) {
    let failed = 0;
    for (const version of [KAFKA_3, KAFKA_4]) {
      failed += await runCases(`Kafka Streams ${version}, exactly once`, streamsCases(bootstrap, version));
    }
    return failed;
  },
  'librdkafka-transactions'(bootstrap) {
    // Whole: in quick mode 0098 leaves out 14 of its 16 cases, and 0103 one.
    return runLibrdkafka(bootstrap, values.only.length > 0 ? values.only : TRANSACTION_TESTS, { isQuick: false });
  },
  async cluster(bootstrap) {
    let failed = 0;
    for (const version of [KAFKA_3, KAFKA_4]) {
      failed += await runCases(`On three brokers, tools of Apache Kafka ${version}`, clusterCases(bootstrap, version));
    }
    return failed;
  },
};

/** Those that need three brokers in racks. */
const rackedSuites: Suites = {
  async 'librdkafka-cluster'(bootstrap) {
    return runLibrdkafka(bootstrap, values.only);
  },
};

/** Those that bring a broker of their own. */
const ownSuites: Readonly<Record<string, () => Promise<number>>> = {
  secured: () => runMatrix(values.target, values.only),
  'security-tools': () => runSecurityTools(values.target, values.only),
  'librdkafka-secured': () => runLibrdkafkaSecured(values.target, values.only),
  'cluster-disks': () => runClusterDisks(values.target, values.only),
};

const { values, positionals } = parseArgs({
  options: {
    target: { type: 'string' },
    // Tests of librdkafka, tables of transactions, and clients and tools of the secured suites whose names contain this.
    only: { type: 'string', multiple: true, default: [] },
  },
  allowPositionals: true,
});
const known = [suites, clusterSuites, rackedSuites, ownSuites].flatMap((all) => Object.keys(all));
const unknown = positionals.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`There is no suite ${unknown}; there are: ${known.join(', ')}`);
  process.exit(2);
}

async function runSuites(all: Suites, start: () => Promise<Target>): Promise<number> {
  const chosen = Object.entries(all).filter(([name]) => positionals.length === 0 || positionals.includes(name));
  if (chosen.length === 0) return 0;
  const target = await start();
  try {
    console.log(`target: ${target.name} at ${target.bootstrap}`);
    let failed = 0;
    for (const [, suite] of chosen) failed += await suite(target.bootstrap);
    return failed;
  } finally {
    await target.stop();
  }
}

const wantsCluster = positionals.some((name) => Object.hasOwn({ ...clusterSuites, ...rackedSuites }, name));
const isKafkaAlone = values.target?.startsWith('apache') === true && !wantsCluster;
// librdkafka's tests expect topics that are created by themselves to have several partitions.
const chosenOwn = Object.entries(ownSuites).filter(([name]) => positionals.length === 0 || positionals.includes(name));
let failedOwn = 0;
for (const [, suite] of chosenOwn) failedOwn += await suite();
const failed =
  failedOwn +
  (await runSuites(suites, () => startTarget(values.target, { 'num.partitions': '4' }))) +
  (isKafkaAlone ? 0 : await runSuites(clusterSuites, () => startClusterTarget(values.target))) +
  (isKafkaAlone ? 0 : await runSuites(rackedSuites, () => startRackedTarget(values.target)));
process.exitCode = failed === 0 ? 0 : 1;
