/** librdkafka from source: fetched inside an npm package and built with gcc, once, in the cache outside the checkout. */
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { runProgram } from '../clients/index.ts';
import { cacheFolder } from '../kafka/index.ts';

/** The npm package that the sources come in. */
export const LIBRDKAFKA_PACKAGE = '@confluentinc/kafka-javascript@1.10.1';
const BUILD_MS_MAX = 1_200_000;

const folderOfSources = (): string => join(cacheFolder(), 'librdkafka');
const PATH_OF_SOURCES = 'package/deps/librdkafka';

/** The folder of librdkafka's sources where they are built already; undefined where not. */
export function builtLibrdkafka(): string | undefined {
  const sources = join(folderOfSources(), PATH_OF_SOURCES);
  return existsSync(join(sources, 'src/librdkafka.so')) ? sources : undefined;
}

/**
 * The folder of librdkafka's sources, with `src/librdkafka.so` built.
 *
 * @throws Error when npm cannot fetch it or gcc cannot build it.
 */
export async function librdkafkaFolder(): Promise<string> {
  const folder = folderOfSources();
  const sources = join(folder, PATH_OF_SOURCES);
  if (builtLibrdkafka() === undefined) {
    console.error(`building ${LIBRDKAFKA_PACKAGE}'s librdkafka in ${folder}; this takes minutes`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await shellIn(folder, `npm pack --silent '${LIBRDKAFKA_PACKAGE}' && tar -xzf *.tgz`);
    await shellIn(sources, './configure --disable-gssapi && make -j2 libs');
  }
  return sources;
}

/** The folder of librdkafka's tests, with the `test-runner` built. */
export async function librdkafkaTests(): Promise<string> {
  const tests = join(await librdkafkaFolder(), 'tests');
  if (!existsSync(join(tests, 'test-runner'))) await shellIn(tests, 'make -j2 test-runner');
  return tests;
}

/** The library's binding for Node, built, and the Node that can load it. */
export interface ConfluentKafkaJavascript {
  readonly node: string;
  /** Where it is installed: beside this folder's `node_modules`. */
  readonly folder: string;
}

/**
 * confluent-kafka-javascript, on librdkafka as {@link librdkafkaFolder} has it. Its prebuilt binaries lie where no registry of packages is, so
 * it is compiled here, for a Node that came with its headers: not for the one in `node_modules`, which came without.
 *
 * @throws Error when no such Node is here, npm cannot fetch it, or g++ cannot build it.
 */
export async function confluentKafkaJavascript(): Promise<ConfluentKafkaJavascript> {
  const node = nodeWithHeaders();
  const abi = (await runProgram(node, ['-p', 'process.versions.modules'])).trim();
  const folder = join(cacheFolder(), `confluent-kafka-javascript-${abi}`);
  if (!existsSync(folder)) {
    const sources = await librdkafkaFolder();
    console.error(`building ${LIBRDKAFKA_PACKAGE} for ${node} in ${folder}; this takes a minute`);
    await shellIn(sources, 'make -j2 libs');
    const fresh = `${folder}-${process.pid}`;
    const [c, cpp] = [join(sources, 'src'), join(sources, 'src-cpp')];
    const settings = {
      PATH: `${dirname(node)}${delimiter}${process.env['PATH']}`,
      BUILD_LIBRDKAFKA: '0',
      CXXFLAGS: `-I${c} -I${cpp}`,
      LDFLAGS: `-L${c} -L${cpp} -Wl,-rpath,${c} -Wl,-rpath,${cpp}`,
      npm_config_nodedir: dirname(dirname(realpathSync(node))),
      npm_config_build_from_source: 'true',
    };
    mkdirSync(fresh, { recursive: true });
    try {
      writeFileSync(join(fresh, 'package.json'), '{ "private": true }\n');
      const env = Object.entries(settings).map(([name, value]) => `export ${name}='${value}'`);
      await shellIn(fresh, [...env, `npm install --no-audit --no-fund '${LIBRDKAFKA_PACKAGE}'`].join('\n'));
      renameSync(fresh, folder);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
  return { node, folder };
}

function nodeWithHeaders(): string {
  const inPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  const node = [process.execPath, ...inPath].find(
    (each) => existsSync(each) && existsSync(join(dirname(dirname(realpathSync(each))), 'include/node/node.h')),
  );
  if (node !== undefined) return node;
  throw new Error(
    'confluent-kafka-javascript is built for a Node that comes with its headers (include/node/node.h beside its bin), and PATH has none: ' +
      'install Node from nodejs.org or by your system, beside the one of this project.',
  );
}

function shellIn(folder: string, script: string): Promise<string> {
  return runProgram('bash', ['-euc', `cd '${folder}' && ${script}`], { timeoutMs: BUILD_MS_MAX });
}
