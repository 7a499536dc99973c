import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { bornAt, Processes } from './processes.ts';

let bystander: ChildProcess | undefined;
const folder = mkdtempSync(join(tmpdir(), 'millrace-processes-'));
afterEach(() => {
  bystander?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

it('signals the process that it started, and none that has its number since the machine was started anew', async () => {
  bystander = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  await new Promise((resolve) => bystander?.once('spawn', resolve));
  const id = bystander.pid ?? 0;
  const note = (born: string | undefined) =>
    writeFileSync(join(folder, 'processes.json'), JSON.stringify({ broker: { id, born } }));
  const [boot = '', since = ''] = bornAt(id)?.split(/ (?=\S*$)/) ?? [];
  const processes = new Processes(folder);
  for (const born of [undefined, `${boot} ${since}0`, `another-${boot} ${since}`]) {
    note(born);
    expect([processes.isRunning('broker'), await processes.end('broker', 'SIGKILL')]).toEqual([false, false]);
  }
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
  const ended = new Promise((resolve) => bystander?.once('exit', (_, signal) => resolve(signal)));
  note(bornAt(id));
  expect([processes.isRunning('broker'), await processes.end('broker', 'SIGKILL')]).toEqual([true, true]);
  expect(await ended).toBe('SIGKILL');
  expect(bornAt(id)).toBeUndefined();
});
