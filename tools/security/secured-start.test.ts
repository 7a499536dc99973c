/** `millrace start --secure` says how to connect: each line is run as it is printed, by a shell and by Node. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from '../../apps/broker/src/broker-process.ts';
import { securedStart } from '../../apps/cli/src/secure/secured-start.ts';
import { javaArguments, KAFKA_3 } from '../kafka/index.ts';
import { has, may, whyNoKafka } from '../needs/index.ts';
import { root } from '../source/index.ts';

const run = promisify(execFile);
const PATIENCE_MS = 180_000;
const hasKafka = may(whyNoKafka(), import.meta.url);

let folder: string;
let broker: BrokerProcess;
let told: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-secure-'));
  const secured = await securedStart({ folder: join(folder, 'secure'), port: 0, now: new Date() });
  const data = { 'log.dirs': join(folder, 'data'), 'millrace.http.port': '', 'millrace.log.level': 'silent' };
  broker = await startBrokerProcess({ env: {}, overrides: { ...secured.settings, ...data } });
  told = await secured.ready(`localhost:${broker.endpoints[0]?.port}`);
  // The program by its name, as it is after an installation.
  const program = join(folder, 'millrace');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'apps/cli/src/main.ts')}' "$@"\n`);
  chmodSync(program, 0o755);
  if (!hasKafka) return;
  const script = join(folder, 'kafka-topics.sh');
  const java = (await javaArguments('kafka-topics', KAFKA_3, '256m')).map((each) => `'${each}'`).join(' ');
  writeFileSync(script, `#!/bin/sh\nexec java ${java} "$@"\n`);
  chmodSync(script, 0o755);
});
afterAll(async () => {
  await broker.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The lines that follow a name, as they are printed. */
function linesOf(name: string, last: string): string {
  const [, lines] = new RegExp(`^ *${name} +([\\s\\S]*?${last})$`, 'm').exec(told) ?? [];
  if (lines === undefined) throw new Error(`Nothing is said of ${name} in:\n${told}`);
  return lines;
}

async function shell(command: string): Promise<string> {
  const path = `${folder}${delimiter}${process.env['PATH']}`;
  const { stdout } = await run('sh', ['-c', command], { timeout: PATIENCE_MS, env: { ...process.env, PATH: path } });
  return stdout;
}

it(
  'millrace: lists topics, and lets others in',
  async () => {
    expect(await shell(linesOf('millrace', 'client\\.properties'))).toBe('');
    const [user = '', rule = ''] = told.split('\n').filter((line) => /^ {2}(?:PW=|millrace acls)/.test(line));
    expect(user).toContain('PW=...');
    await shell(user.replace('PW=...', 'PW=alice-pw'));
    await shell(rule);
    expect(await shell(linesOf('millrace', 'client\\.properties').replace('topics list', 'acls list'))).toContain(
      'alice',
    );
  },
  PATIENCE_MS,
);

it(
  'SDK: a producer of these options sends',
  async () => {
    const program = `
      import { readFileSync } from 'node:fs';
      import { Producer } from '@millrace/producer';
      const producer = ${linesOf('SDK', '\\}\\)')};
      const { offset } = await producer.send({ topic: 'orders', value: 'sent' });
      await producer.close();
      console.log(offset);`;
    const options = { cwd: join(root, 'tools'), timeout: PATIENCE_MS };
    expect(await run(process.execPath, ['--input-type=module-typescript', '-e', program], options)).toEqual({
      stdout: '0\n',
      stderr: '',
    });
  },
  PATIENCE_MS,
);

it.skipIf(!hasKafka)(
  'Kafka’s tools: make a topic, and list it',
  async () => {
    const list = linesOf("Kafka's tools", '--list');
    await shell(list.replace('--list', '--create --topic made-by-java'));
    expect((await shell(list)).split('\n')).toContain('made-by-java');
  },
  PATIENCE_MS,
);

it.skipIf(!has('kcat', import.meta.url))(
  'kcat: shows the broker',
  async () => {
    expect(await shell(linesOf('kcat', ' -L'))).toContain(`at localhost:${broker.endpoints[0]?.port}`);
  },
  PATIENCE_MS,
);
