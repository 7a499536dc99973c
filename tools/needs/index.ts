/**
 * What some tests need of the machine beside Node. Where it is missing they are skipped and say so at the end of the run. In CI, which
 * installs everything, a missing program is a failure, so that no test is passed over unseen. Told of at the end there, and not demanded,
 * are disks whose power can be cut (they want root and a loop device, and a round takes a minute where the real disk is busy) and Kafka's
 * jars, which come from Maven's registry and no package.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder, KAFKA_3 } from '../kafka/jars.ts';
import { root } from '../source/index.ts';

/** Where skipped tests are noted for the end of a run, relative to the root. */
export const SKIPS_FILE = 'node_modules/.cache/millrace/skipped.txt';

/** The jar of Debian's package `zookeeper`; its manifest names the others. */
export const ZOOKEEPER_JAR = '/usr/share/java/zookeeper.jar';

const programs = {
  kcat: { isThere: () => runs('kcat', '-V'), install: 'apt-get install kcat' },
  java: { isThere: () => runs('java', '-version'), install: 'apt-get install default-jre-headless' },
  zookeeper: {
    isThere: () => existsSync(ZOOKEEPER_JAR) && runs('java', '-version'),
    install: 'apt-get install zookeeper',
  },
  openssl: { isThere: () => runs('openssl', 'version'), install: 'apt-get install openssl' },
  chromium: { isThere: () => runs('chromium', '--version'), install: 'apt-get install chromium' },
} as const;

/** A program that tests may need. */
export type NeededProgram = keyof typeof programs;

/**
 * Whether a program is here, for `describe.skipIf(!has('zookeeper', import.meta.url))`.
 * @param test Who asks, for the note about what was skipped.
 * @param file Where it is noted.
 * @throws Error in CI, when it is not
 */
export function has(program: NeededProgram, test: string, file: string = join(root, SKIPS_FILE)): boolean {
  const { isThere, install } = programs[program];
  if (isThere()) return true;
  const message = `${named(test)} needs ${program} (Debian: ${install})`;
  if (!['', 'false', '0', undefined].includes(process.env['CI'])) {
    throw new Error(`${message}; in CI nothing is skipped.`);
  }
  note(message, file);
  return false;
}

/**
 * Whether a machine may do something, for `describe.skipIf(!may(whyNot, import.meta.url))`: what no program brings, so that CI may lack
 * it, too.
 * @param whyNot Why it may not; undefined where it may.
 */
export function may(whyNot: string | undefined, test: string, file: string = join(root, SKIPS_FILE)): boolean {
  if (whyNot === undefined) return true;
  note(`${named(test)}: ${whyNot}`, file);
  return false;
}

/** What keeps Apache Kafka from being run here; `.ci/run` fetches its jars, but where Maven's registry is not in reach CI goes on. */
export function whyNoKafka(): string | undefined {
  if (existsSync(join(cacheFolder(), 'kafka', KAFKA_3)) && runs('java', '-version')) return undefined;
  return `needs Apache Kafka (Debian: apt-get install default-jre-headless maven; then pnpm kafka fetch ${KAFKA_3})`;
}

function named(test: string): string {
  return test.replace(/^.*\/(?=tools|packages|apps)/, '');
}

function note(message: string, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, `${message}\n`);
}

function runs(command: string, argument: string): boolean {
  return spawnSync(command, [argument], { stdio: 'ignore' }).status === 0;
}
