/** Copy jobs and producers in other languages, as the commands that run them: built once, before the first instance starts. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../../clients/program.ts';
import { cacheFolder, KAFKA_3, KAFKA_4 } from '../../kafka/index.ts';
import { kafkaClassPath } from '../../kafka/jars.ts';
import { builtLibrdkafka, librdkafkaFolder } from '../../librdkafka/index.ts';

/** `java` has `transaction.version` 2 where the cluster has it, `java-3` has not. */
export const FOREIGN_COPIERS = ['librdkafka', 'java', 'java-3'] as const;
export type ForeignCopier = (typeof FOREIGN_COPIERS)[number];

/** What `copy-job.c` ends with where its library did not come back from a call, and from which. */
export const HUNG_CODES: ReadonlyMap<number, string> = new Map([
  [75, "rd_kafka_send_offsets_to_transaction (librdkafka's issues 5456 and 5511)"],
  [76, 'another call of librdkafka'],
]);

/** A program and what it is given before the job's own arguments. */
export type Command = readonly [program: string, ...args: readonly string[]];

const HERE = import.meta.dirname;
const BUILD_MS_MAX = 120_000;
/** Of Debian's package librdkafka-dev. */
const SYSTEM_HEADERS = '/usr/include/librdkafka';

export function foreignCommand(name: ForeignCopier): Promise<Command> {
  if (name === 'librdkafka') return librdkafkaCommand('copy-job');
  return javaCommand(name, 'CopyJob');
}

/**
 * Why a program against librdkafka cannot be built here without waiting for minutes: it takes gcc, and librdkafka with its headers, Debian's or
 * the one that was built from source before.
 */
export function whyNoLibrdkafka(): string | undefined {
  if (spawnSync('gcc', ['--version'], { stdio: 'ignore' }).status !== 0) return 'gcc is not here';
  if (builtLibrdkafka() !== undefined || existsSync(join(SYSTEM_HEADERS, 'rdkafka.h'))) return undefined;
  return "librdkafka's headers are not here (Debian: librdkafka-dev)";
}

/** A program in C beside this file. librdkafka is built from source first where neither that nor the system's is here. */
export async function librdkafkaCommand(program: 'copy-job' | 'paced-producer'): Promise<Command> {
  const built = builtLibrdkafka();
  const isSystems = built === undefined && existsSync(join(SYSTEM_HEADERS, 'rdkafka.h'));
  const source = join(HERE, `${program}.c`);
  const target = join(buildFolder(isSystems ? 'librdkafka-system' : 'librdkafka'), program);
  const sources = isSystems ? SYSTEM_HEADERS : join(built ?? (await librdkafkaFolder()), 'src');
  if (isOlder(target, source)) {
    const where = isSystems ? [] : [`-L${sources}`, `-Wl,-rpath,${sources}`];
    await build('gcc', ['-O1', '-Wall', '-o', target, source, `-I${sources}`, ...where, '-lrdkafka']);
  }
  return [target];
}

/** A program in Java beside this file, with the jars of a release. */
export async function javaCommand(name: 'java' | 'java-3', program: 'CopyJob' | 'PacedProducer'): Promise<Command> {
  const version = name === 'java' ? KAFKA_4 : KAFKA_3;
  const classPath = await kafkaClassPath(version);
  const source = join(HERE, `${program}.java`);
  const folder = buildFolder(`java-${version}`);
  if (isOlder(join(folder, `${program}.class`), source)) await build('javac', ['-cp', classPath, '-d', folder, source]);
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
  return ['java', '-Xmx128m', '-XX:TieredStopAtLevel=1', quiet, '-cp', `${folder}:${classPath}`, program];
}

function buildFolder(name: string): string {
  const folder = join(cacheFolder(), 'copiers', name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function isOlder(built: string, source: string): boolean {
  return !existsSync(built) || statSync(built).mtimeMs < statSync(source).mtimeMs;
}

async function build(program: string, args: readonly string[]): Promise<void> {
  await runProgram(program, args, { timeoutMs: BUILD_MS_MAX });
}
