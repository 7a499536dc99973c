/** librdkafka from source: fetched inside an npm package and built with gcc, once, in the cache outside the checkout. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../clients/index.ts';
import { cacheFolder } from '../kafka/index.ts';

/** The npm package that the sources come in. */
export const LIBRDKAFKA_PACKAGE = '@confluentinc/kafka-javascript@1.10.1';
const BUILD_MS_MAX = 1_200_000;

/**
 * The folder of librdkafka's sources, with `src/librdkafka.so` built.
 *
 * @throws Error when npm cannot fetch it or gcc cannot build it.
 */
export async function librdkafkaFolder(): Promise<string> {
  const folder = join(cacheFolder(), 'librdkafka');
  const sources = join(folder, 'package/deps/librdkafka');
  if (!existsSync(join(sources, 'src/librdkafka.so'))) {
    console.error(`building ${LIBRDKAFKA_PACKAGE}'s librdkafka in ${folder}; this takes minutes`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await shellIn(folder, `npm pack --silent '${LIBRDKAFKA_PACKAGE}' && tar -xzf *.tgz`);
    await shellIn(sources, './configure --disable-gssapi --disable-curl && make -j2 libs');
  }
  return sources;
}

/** The folder of librdkafka's tests, with the `test-runner` built. */
export async function librdkafkaTests(): Promise<string> {
  const tests = join(await librdkafkaFolder(), 'tests');
  if (!existsSync(join(tests, 'test-runner'))) await shellIn(tests, 'make -j2 test-runner');
  return tests;
}

function shellIn(folder: string, script: string): Promise<string> {
  return runProgram('bash', ['-euc', `cd '${folder}' && ${script}`], { timeoutMs: BUILD_MS_MAX });
}
