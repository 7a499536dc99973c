import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { ManualClock } from '@millrace/ports';
import { beforeEach, expect, it, vi } from 'vitest';
import type { FromMember } from './messages.ts';
import { Supervisor } from './supervisor.ts';

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };

/** A broker's process that is none: a test says what it tells, and how it ends. */
class FakeProcess extends EventEmitter {
  readonly connected = false;
  readonly pid: number;

  constructor(pid: number) {
    super();
    this.pid = pid;
  }

  tells(message: FromMember): void {
    this.emit('message', message);
  }

  ends(exitCode: number | null, signal: NodeJS.Signals | null = null): void {
    this.emit('exit', exitCode, signal);
  }
}

let clock: ManualClock;
let spawned: FakeProcess[];
let ended: number[];

beforeEach(() => {
  vi.clearAllMocks();
  clock = new ManualClock();
  spawned = [];
  ended = [];
});

function supervise(brokers: number): Supervisor {
  const members = Array.from({ length: brokers }, (_, index) => ({ brokerId: index + 1, overrides: {} }));
  const spawn = (): ChildProcess => {
    const made = new FakeProcess(spawned.length + 1);
    spawned.push(made);
    return made as unknown as ChildProcess;
  };
  const onEnded = (brokerId: number): unknown => ended.push(brokerId);
  const sitePort = (): undefined => undefined;
  return new Supervisor({ members, configFile: undefined, sitePort, env: {}, clock, logger, onEnded, spawn });
}

const ready = (httpPort: number): FromMember => ({ type: 'ready', endpoints: [], httpPort });

it('takes no broker for one that serves from its end until the next process says so, on the port of that one', () => {
  const supervisor = supervise(2);
  void supervisor.start();
  const serving = (): unknown[] => supervisor.serving.map(({ brokerId, httpPort }) => [brokerId, httpPort]);
  expect(serving()).toEqual([]);
  spawned[0]!.tells(ready(11));
  spawned[1]!.tells(ready(12));
  expect(serving()).toEqual([
    [1, 11],
    [2, 12],
  ]);
  spawned[1]!.ends(null, 'SIGKILL');
  expect(serving()).toEqual([[1, 11]]);
  clock.advance(100);
  // It runs again, and does not serve yet.
  expect(supervisor.processIds).toEqual(
    new Map([
      [1, 1],
      [2, 3],
    ]),
  );
  expect(serving()).toEqual([[1, 11]]);
  spawned[2]!.tells(ready(13));
  expect(serving()).toEqual([
    [1, 11],
    [2, 13],
  ]);
});

it('tells of each end at once: before it is started again, where it is not, and while all are stopped', () => {
  const supervisor = supervise(2);
  supervisor.start().catch(() => {});
  spawned[0]!.tells(ready(11));
  spawned[0]!.ends(null, 'SIGKILL');
  expect([ended, spawned.length]).toEqual([[1], 2]);
  spawned[1]!.tells({ type: 'failed', message: 'No such setting', code: 'START_CONFIG_INVALID' });
  spawned[1]!.ends(78);
  expect(ended).toEqual([1, 2]);
  clock.advance(100);
  void supervisor.stop();
  spawned[2]!.ends(0);
  expect(ended).toEqual([1, 2, 1]);
});

/** Lets time pass until the next process is there. */
function respawn(): FakeProcess {
  clock.advance(10_000);
  return spawned.at(-1)!;
}

const outOfTime = "Nothing was heard from the local cluster's metadata within 6000 ms";

it('tries a broker again whose start came too late for the metadata, and counts the cluster as started once it serves', async () => {
  const supervisor = supervise(1);
  const started = supervisor.start();
  spawned[0]!.tells({ type: 'failed', message: 'The session has expired.', code: 'START_METADATA_UNREACHABLE' });
  spawned[0]!.ends(69);
  expect(logger.warn).toHaveBeenCalledWith(
    expect.anything(),
    'Broker 1 has gone: The session has expired. It is started again in 100 ms',
  );
  const second = respawn();
  second.tells({ type: 'failed', message: outOfTime, code: 'START_METADATA_UNREACHABLE' });
  second.ends(69);
  respawn().tells(ready(11));
  expect(await started).toMatchObject([{ brokerId: 1, httpPort: 11 }]);
  expect(spawned.length).toBe(3);
});

it('gives up after six tries, with a code of its own and a word on what helps', async () => {
  const started = supervise(1).start();
  for (let tries = 1; tries <= 6; tries += 1) {
    const process = tries === 1 ? spawned[0]! : respawn();
    process.tells({ type: 'failed', message: outOfTime, code: 'START_METADATA_UNREACHABLE' });
    process.ends(69);
  }
  await expect(started).rejects.toMatchObject({
    message: `Broker 1 cannot be started after 6 tries: ${outOfTime}. Start again when this machine has less to do, or with fewer brokers`,
    failure: { code: 'START_METADATA_UNREACHABLE' },
  });
  clock.advance(60_000);
  expect(spawned.length).toBe(6);
});

it('gives up at once where settings are wrong', async () => {
  const started = supervise(1).start();
  spawned[0]!.tells({ type: 'failed', message: 'No such setting', code: 'START_CONFIG_INVALID' });
  spawned[0]!.ends(78);
  await expect(started).rejects.toMatchObject({ message: 'Broker 1 cannot be started: No such setting' });
  expect(spawned.length).toBe(1);
});
