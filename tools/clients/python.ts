/** kafka-python, in a virtual environment outside the checkout that is made when it is first needed. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../kafka/index.ts';
import { type Bootstrap, CODECS, type ForeignClient, type TextRecord } from './client.ts';
import { runProgram } from './program.ts';

const SCRIPT = join(import.meta.dirname, 'kafka_python_client.py');
const INSTALL_MS_MAX = 300_000;

/** What kafka-python needs for all codecs. */
const PACKAGES = ['kafka-python', 'python-snappy', 'lz4', 'zstandard', 'crc32c'];

export const kafkaPython: ForeignClient = {
  name: 'kafka-python',
  codecs: CODECS,

  async version() {
    return (await python(['version'])).trim();
  },

  async produce(bootstrap, topic, codec, records) {
    const input = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    await python(['produce', bootstrap, topic, codec], input);
  },

  async consume(bootstrap, topic, count) {
    return parse(await python(['consume', bootstrap, topic, String(count)]));
  },

  async consumeInGroup(bootstrap, topic, group, count) {
    return parse(await python(['group', bootstrap, topic, String(count), group]));
  },
};

/** Administers a topic of this name, and a group that exists, is empty and has offsets; deletes both. */
export async function administerWithPython(bootstrap: Bootstrap, topic: string, group: string): Promise<void> {
  await python(['admin', bootstrap, topic, group]);
}

async function python(args: readonly string[], input = ''): Promise<string> {
  return runProgram(await pythonWith('kafka-python', PACKAGES), [SCRIPT, ...args], { input });
}

/** Python with packages, in an environment of this name in the cache that is made when it is first asked for. */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string> {
  const folder = join(cacheFolder(), name);
  if (!existsSync(folder)) {
    const fresh = `${folder}-${process.pid}`;
    try {
      await runProgram('python3', ['-m', 'venv', fresh], { timeoutMs: INSTALL_MS_MAX });
      const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages];
      await runProgram(join(fresh, 'bin/python'), install, { timeoutMs: INSTALL_MS_MAX });
      renameSync(fresh, folder);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
  return join(folder, 'bin/python');
}

function parse(output: string): TextRecord[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as TextRecord);
}
