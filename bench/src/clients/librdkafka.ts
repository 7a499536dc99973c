/** librdkafka in C, through the program in `bench/native`, built with gcc when it is first needed. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../../tools/kafka/index.ts';
import { librdkafkaFolder } from '../../../tools/librdkafka/index.ts';
import { run, runJson } from '../processes.ts';
import type { Job, TransactJob } from './jobs.ts';

const SOURCE = join(import.meta.dirname, '../../native/librdkafka.c');
const COMPILE_MS_MAX = 60_000;

let built: Promise<string> | undefined;

/** @param settings librdkafka's own, beside those that the job makes. */
export async function runLibrdkafka<Result>(
  job: Job | TransactJob,
  timeoutMs: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<Result> {
  built ??= build();
  const { authority, ...plain } = job;
  const tls = { 'conf.security.protocol': 'ssl', 'conf.ssl.ca.location': authority ?? '' };
  const given = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`conf.${name}`, value]));
  const fields: Record<string, string | number> = { ...plain, ...(authority === undefined ? {} : tls), ...given };
  const args = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  return runJson<Result>(await built, args, timeoutMs);
}

async function build(): Promise<string> {
  const sources = join(await librdkafkaFolder(), 'src');
  const folder = join(cacheFolder(), 'bench');
  const program = join(folder, 'librdkafka-bench');
  if (existsSync(program) && statSync(program).mtimeMs > statSync(SOURCE).mtimeMs) return program;
  mkdirSync(folder, { recursive: true });
  const args = ['-O2', '-Wall', '-o', program, SOURCE, `-I${sources}`, `-L${sources}`, `-Wl,-rpath,${sources}`];
  const { exitCode, stderr } = await run('gcc', [...args, '-lrdkafka', '-lpthread'], COMPILE_MS_MAX);
  if (exitCode !== 0) throw new Error(`gcc did not build ${SOURCE}:\n${stderr}`);
  return program;
}
