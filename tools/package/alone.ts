/**
 * Programs of the SDKs where there is less than a Node with everything installed: as one bundled file beside nothing, as it goes to
 * AWS Lambda, and under Deno and Bun. All codecs are used, since those are what native code is used for where it is there.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build, type Format } from 'esbuild';
import { firstLine } from './examples.ts';
import { attempt, npmInstall } from './npm.ts';

const run = promisify(execFile);

const USE_MS_MAX = 60_000;

const PROGRAM = `
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { jsonSerde, messagePackSerde } from '@millrace/serdes';
async function main() {
  const [bootstrapServers, topic] = process.argv.slice(2);
  const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
  for (const compression of codecs) {
    const options = { bootstrapServers, compression, keySerializer: messagePackSerde(), valueSerializer: jsonSerde() };
    const producer = new Producer(options);
    await producer.sendBatch(Array.from({ length: 100 }, (_, n) => ({ topic, key: { n }, value: { compression, n } })));
    await producer.close();
  }
  const options = { bootstrapServers, groupId: topic, autoOffsetReset: 'earliest', valueDeserializer: jsonSerde() };
  const consumer = new Consumer(options);
  consumer.subscribe(topic);
  const read = [];
  for await (const { value } of consumer) if (read.push(value.compression) === 500) break;
  await consumer.close();
  for (const codec of codecs) if (read.filter((each) => each === codec).length !== 100) throw new Error(codec);
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
`;

/** The topics that the programs use, one each. */
const BROKER = `
import { startBroker } from '@millrace/testing';
const broker = await startBroker({ topics: process.argv.slice(2) });
console.log(broker.bootstrapServers);
`;

/** Returns what went wrong; empty when nothing did. */
export async function tryAlone(installed: string, scratch: string): Promise<string[]> {
  const alone = join(scratch, 'alone');
  mkdirSync(alone);
  writeFileSync(join(installed, 'alone.mjs'), PROGRAM);
  writeFileSync(join(installed, 'alone-broker.mjs'), BROKER);
  const faults = [...(await bundle(installed, alone, 'esm')), ...(await bundle(installed, alone, 'cjs'))];
  const runtimes = await installRuntimes(scratch);
  const uses = [
    { what: 'a bundle', command: [process.execPath, 'bundle.esm.mjs'], cwd: alone },
    { what: 'a CommonJS bundle', command: [process.execPath, 'bundle.cjs.cjs'], cwd: alone },
    { what: 'a bundle under Deno', command: [runtimes.deno, 'run', '-A', 'bundle.esm.mjs'], cwd: alone },
    { what: 'a bundle under Bun', command: [runtimes.bun, 'bundle.esm.mjs'], cwd: alone },
    {
      what: 'installed under Deno',
      command: [runtimes.deno, 'run', '-A', '--node-modules-dir=manual', 'alone.mjs'],
      cwd: installed,
    },
    { what: 'installed under Bun', command: [runtimes.bun, 'alone.mjs'], cwd: installed },
  ];
  const broker = spawn(process.execPath, ['alone-broker.mjs', ...uses.map((_, index) => `t${index}`)], {
    cwd: installed,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const address = await firstLine(broker);
    for (const [index, { what, command, cwd }] of uses.entries()) {
      const [program, ...args] = command;
      const use = run(program!, [...args, address, `t${index}`], { cwd, timeout: USE_MS_MAX });
      faults.push(...(await attempt(what, use)));
    }
  } finally {
    broker.kill();
  }
  return faults;
}

function bundle(installed: string, alone: string, format: Format): Promise<string[]> {
  const outfile = join(alone, `bundle.${format}.${format === 'esm' ? 'mjs' : 'cjs'}`);
  const entryPoints = [join(installed, 'alone.mjs')];
  const options = { entryPoints, outfile, format, bundle: true, platform: 'node', logLevel: 'silent' } as const;
  return attempt(`esbuild --bundle --format=${format}`, build(options));
}

/** From npm; their packages fetch the binary by a script. */
async function installRuntimes(scratch: string): Promise<{ deno: string; bun: string }> {
  const folder = join(scratch, 'runtimes');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  await npmInstall(folder, ['deno@2', 'bun@1'], { scripts: true });
  const bin = join(folder, 'node_modules/.bin');
  return { deno: join(bin, 'deno'), bun: join(bin, 'bun') };
}
