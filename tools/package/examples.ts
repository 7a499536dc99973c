/** The examples of the pages, run as their readers run them: from what npm has installed, on the oldest Node that README promises. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { examplesOf, ORDERS, PAGES, PLACEHOLDER, TOPICS } from '../readme/pages.ts';
import { attempt, npmInstall } from './npm.ts';

const run = promisify(execFile);

const EXAMPLE_MS_MAX = 30_000;

/** What examples import beside our packages. */
const OTHERS = ['kafkajs', 'zod', '@opentelemetry/api'];

const BROKER = `
import { Producer } from '@millrace/producer';
import { startBroker } from '@millrace/testing';
const broker = await startBroker({ topics: ${JSON.stringify(TOPICS)} });
const producer = new Producer({ bootstrapServers: broker.bootstrapServers });
await producer.sendBatch(${JSON.stringify(ORDERS)});
await producer.close();
console.log(broker.bootstrapServers);
`;

/**
 * Runs them one after the other, each page with a broker of its own, since some ask for what others have made.
 * @returns what went wrong; empty when nothing did
 */
export async function tryExamples(installed: string, node: string): Promise<string[]> {
  const faults = await attempt('npm install', npmInstall(installed, OTHERS));
  writeFileSync(join(installed, 'examples-broker.mjs'), BROKER);
  for (const page of PAGES) faults.push(...(await tryPage(page, installed, node)));
  return faults;
}

async function tryPage(page: string, installed: string, node: string): Promise<string[]> {
  const faults: string[] = [];
  const broker = spawn(process.execPath, ['examples-broker.mjs'], {
    cwd: installed,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const address = await firstLine(broker);
    for (const [index, code] of examplesOf(page).entries()) {
      const file = join(installed, 'example.mts');
      writeFileSync(file, code.replaceAll(PLACEHOLDER, address));
      const use = run(node, [file], { cwd: installed, timeout: EXAMPLE_MS_MAX });
      faults.push(...(await attempt(`${page}, example ${index + 1}, on the oldest Node`, use)));
    }
  } finally {
    broker.kill();
  }
  return faults;
}

/** What a program prints first, when it is ready. */
export function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (data: Buffer) => resolve(String(data).trim()));
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)));
  });
}
