/**
 * Installs the tarballs as npm users do, in an empty folder outside the workspace and without running any install script, and
 * uses them from ES modules, CommonJS and strict TypeScript, on the oldest and the newest Node and TypeScript that we promise.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tryAlone } from './alone.ts';
import { tryExamples } from './examples.ts';
import { attempt, INSTALL_MS_MAX, npmInstall } from './npm.ts';

const run = promisify(execFile);

/** The oldest Node that README promises, and the newest of its line; the one of the checks themselves is of the newest line. */
const NODE_OLDEST = '22.18.0';
const NODES = [NODE_OLDEST, '22'];
/** A line that is too old, which npm installs for all the same. */
const NODE_TOO_OLD = '20';

/** How a program may have its modules found. */
const RESOLUTIONS = ['node16', 'nodenext', 'bundler'] as const;

/**
 * With what a program may be compiled: the oldest TypeScript that README names and the newest there is, with the types of the oldest
 * Node that we promise and the newest there are, in every way to find modules; of the lines between, the last of each.
 */
const COMPILERS = [
  { types: '22', typescript: '5.7', resolutions: RESOLUTIONS },
  { types: '22', typescript: 'latest', resolutions: ['nodenext'] },
  { types: 'latest', typescript: '5.7', resolutions: RESOLUTIONS },
  { types: 'latest', typescript: '5', resolutions: ['nodenext'] },
  { types: 'latest', typescript: '6', resolutions: ['nodenext'] },
  { types: 'latest', typescript: 'latest', resolutions: RESOLUTIONS },
] as const;

const USE_MS_MAX = 60_000;
const COMPILE_MS_MAX = 240_000;

/** A package that was packed. */
export interface Packed {
  readonly name: string;
  readonly tarball: string;
}

/** Where the programs of these versions are. */
interface Tools {
  readonly node: (version: string) => string;
  readonly tsc: (version: string) => string;
}

/** Returns what went wrong; empty when nothing did. */
export async function tryInstalled(packages: readonly Packed[], scratch: string): Promise<string[]> {
  const folder = join(scratch, 'installed');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'a-user', private: true }));
  const tarballs = packages.map((each) => each.tarball);
  const failed = await attempt('npm install', npmInstall(folder, tarballs));
  if (failed.length > 0) return failed;
  const names = packages.map((each) => each.name);
  writeFileSync(join(folder, 'esm.mjs'), esModule(names));
  writeFileSync(join(folder, 'common.cjs'), commonModule(names));
  writeFileSync(join(folder, 'program.mjs'), PROGRAM);
  writeFileSync(join(folder, 'types.mts'), typedModule(names));
  const tools = await installTools(scratch);
  const faults = await compileEverywhere(folder, tools);
  faults.push(...(await tryAlone(folder, scratch)));
  for (const version of [...NODES, process.version]) {
    const node = version === process.version ? process.execPath : tools.node(version);
    const use = (file: string, ...args: string[]) =>
      attempt(`Node ${version}: ${file}`, run(node, [file, ...args], { cwd: folder, timeout: USE_MS_MAX }));
    faults.push(...(await use('esm.mjs')), ...(await use('common.cjs')));
    faults.push(...(await use('program.mjs')));
    if (version === NODE_OLDEST) faults.push(...(await tryExamples(folder, node)));
  }
  writeFileSync(join(folder, 'too-old.mjs'), TOO_OLD);
  const tooOld = tools.node(NODE_TOO_OLD);
  faults.push(
    ...(await attempt(`Node ${NODE_TOO_OLD}`, run(tooOld, ['too-old.mjs'], { cwd: folder, timeout: USE_MS_MAX }))),
  );
  return faults;
}

/** Compiles the typed program in all of these ways. */
async function compileEverywhere(folder: string, tools: Tools): Promise<string[]> {
  const faults: string[] = [];
  let installed = '';
  for (const { types, typescript, resolutions } of COMPILERS) {
    if (types !== installed) {
      faults.push(...(await attempt('npm install', npmInstall(folder, [`@types/node@${types}`]))));
    }
    installed = types;
    const configs = resolutions.map((resolution, index) => {
      const config = join(folder, `tsconfig.${resolution}.json`);
      writeFileSync(config, tsconfig(resolution, index > 0));
      return config;
    });
    // In one process, which reads declarations once for all; it says of which configuration it is before it says what is wrong.
    const compile = run(process.execPath, [tools.tsc(typescript), '--build', '--force', '--verbose', ...configs], {
      timeout: COMPILE_MS_MAX,
    });
    faults.push(...(await attempt(`TypeScript ${typescript}, @types/node ${types}`, compile)));
  }
  return faults;
}

/**
 * The compilers, and the binaries of Node versions from the packages that npm's `node` would fetch. By pnpm and at once, since these are not
 * what is tried: npm would start for each, and take twice as long for the files of one.
 */
async function installTools(scratch: string): Promise<Tools> {
  const folder = join(scratch, 'tools');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const binary = `node-${process.platform}-${process.arch}`;
  const what = [
    ...[...NODES, NODE_TOO_OLD].map((version) => `node-${version}@npm:${binary}@${version}`),
    ...COMPILERS.map(({ typescript }) => `typescript-${typescript}@npm:typescript@${typescript}`),
  ];
  await run('pnpm', ['add', '--ignore-scripts', ...new Set(what)], { cwd: folder, timeout: INSTALL_MS_MAX });
  return {
    node: (version) => join(folder, 'node_modules', `node-${version}`, 'bin/node'),
    tsc: (version) => join(folder, 'node_modules', `typescript-${version}`, 'bin/tsc'),
  };
}

/** Everything loads, and a record goes through a broker in process and comes back. */
function esModule(names: readonly string[]): string {
  return [
    ...names.map((name) => `await import('${name}');`),
    "import { startBroker } from '@millrace/testing';",
    "import { Producer } from '@millrace/producer';",
    "import { Consumer } from '@millrace/consumer';",
    "import { Admin } from '@millrace/admin';",
    'const broker = await startBroker({ topics: ["t"] });',
    'const producer = new Producer({ bootstrapServers: broker.bootstrapServers, compression: "lz4" });',
    'const { offset } = await producer.send({ topic: "t", value: "x" });',
    'const admin = new Admin({ bootstrapServers: broker.bootstrapServers });',
    'const topics = await admin.describeTopics(["t"]);',
    'const consumer = new Consumer({ bootstrapServers: broker.bootstrapServers, groupId: "g", autoOffsetReset: "earliest" });',
    'consumer.subscribe("t");',
    'let value;',
    'for await (const record of consumer) { value = String(record.value); break; }',
    'await consumer.close(); await producer.close(); await admin.close(); await broker.close();',
    'if (offset !== 0 || topics.length !== 1 || value !== "x") throw new Error(JSON.stringify({ offset, topics, value }));',
  ].join('\n');
}

/** What programs import says which Node it needs, and not that some name is missing. */
const TOO_OLD = `
for (const name of ['producer', 'consumer', 'admin', 'testing', 'console']) {
  const told = await import('@millrace/' + name).catch((error) => error);
  if (told.code !== 'ERR_NODE_TOO_OLD') throw new Error(name + ': ' + told);
}
`;

/** The command line starts a broker, talks to it, and stops it; a compressing topic makes the worker threads' file load. */
const PROGRAM = `
import { execFileSync, spawn } from 'node:child_process';
const main = 'node_modules/millrace/dist/main.js';
const settings = ['listeners=PLAINTEXT://127.0.0.1:0', 'log.dirs=data-' + process.pid, 'millrace.http.port=-1'];
const broker = spawn(process.execPath, [main, 'start', ...settings.flatMap((each) => ['--override', each])]);
let output = '';
const address = await new Promise((resolve, reject) => {
  const listen = (text) => {
    output += text;
    const at = /is ready at PLAINTEXT:\\/\\/([\\w.]+:\\d+)/.exec(output);
    if (at !== null) resolve(at[1]);
  };
  broker.stdout.on('data', listen);
  broker.stderr.on('data', listen);
  broker.on('close', () => reject(new Error(output)));
});
const run = (input, ...args) =>
  execFileSync(process.execPath, [main, ...args, '--bootstrap-server', address], { input, encoding: 'utf8' });
try {
  run('', 'topics', 'create', 't', '--config', 'compression.type=gzip');
  run('hello\\n', 'produce', 't');
  const read = run('', 'consume', 't', '--from-beginning', '--max-messages', '1');
  if (!read.includes('hello')) throw new Error('read ' + read);
} finally {
  broker.kill();
}
`;

function commonModule(names: readonly string[]): string {
  return [
    ...names.map((name) => `if (typeof require('${name}') !== 'object') throw new Error('${name}');`),
    "const { Producer } = require('@millrace/producer');",
    "if (typeof Producer !== 'function') throw new Error('no Producer');",
  ].join('\n');
}

/**
 * Declarations are checked too, not skipped: what we ship must be right in a strict project.
 *
 * @param areLibrariesChecked - Whether the compiler has checked its own libraries with these types already, which are the same however
 * modules are found; they are half of what there is to check.
 */
function tsconfig(resolution: (typeof RESOLUTIONS)[number], areLibrariesChecked: boolean): string {
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'es2022',
    module: resolution === 'bundler' ? 'esnext' : resolution,
    moduleResolution: resolution,
    types: ['node'],
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    skipDefaultLibCheck: areLibrariesChecked,
  };
  return JSON.stringify({ compilerOptions, files: ['types.mts'] });
}

function typedModule(names: readonly string[]): string {
  return [
    ...names.map((name, at) => `import * as package${at} from '${name}';`),
    `export const all: readonly object[] = [${names.map((_, at) => `package${at}`).join(', ')}];`,
    "import { Consumer } from '@millrace/consumer';",
    "import { Producer, type ProducerOptions } from '@millrace/producer';",
    "import { jsonSerde, stringSerde } from '@millrace/serdes';",
    'interface Order { total: number }',
    "const options: ProducerOptions<string, Order> = { bootstrapServers: 'localhost:9092', keySerializer: stringSerde, valueSerializer: jsonSerde<Order>() };",
    'export async function main(): Promise<number> {',
    '  const producer = new Producer(options);',
    "  const { offset } = await producer.send({ topic: 't', key: 'k', value: { total: 1 } });",
    '  // @ts-expect-error: a value of another type',
    "  await producer.send({ topic: 't', value: { totel: 1 } });",
    "  const consumer = new Consumer({ bootstrapServers: 'localhost:9092', groupId: 'g', valueDeserializer: jsonSerde<Order>() });",
    '  let sum = offset;',
    '  for await (const record of consumer) sum += record.value?.total ?? 0;',
    '  return sum;',
    '}',
  ].join('\n');
}
