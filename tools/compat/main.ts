/** `node tools/compat/main.ts [java] [python] [librdkafka] [--target T]`: see README.md beside this file. */
import { parseArgs } from 'node:util';
import { kafkaPython } from '../clients/index.ts';
import { KAFKA_3, KAFKA_4 } from '../kafka/index.ts';
import { javaCases } from './java.ts';
import { runLibrdkafka } from './librdkafka.ts';
import { pythonCases } from './python.ts';
import { runCases } from './report.ts';
import { startTarget } from './target.ts';

const suites: Readonly<Record<string, (bootstrap: string) => Promise<number>>> = {
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
  async librdkafka(bootstrap) {
    return runLibrdkafka(bootstrap, values.only);
  },
};

const { values, positionals } = parseArgs({
  options: {
    target: { type: 'string' },
    // Tests of librdkafka whose names contain this.
    only: { type: 'string', multiple: true, default: [] },
  },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !(name in suites));
if (unknown !== undefined) {
  console.error(`There is no suite ${unknown}; there are: ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}
// librdkafka's tests expect topics that are created by themselves to have several partitions.
const target = await startTarget(values.target, { 'num.partitions': '4' });
try {
  console.log(`target: ${target.name} at ${target.bootstrap}`);
  let failed = 0;
  for (const [name, suite] of Object.entries(suites)) {
    if (positionals.length === 0 || positionals.includes(name)) failed += await suite(target.bootstrap);
  }
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  await target.stop();
}
