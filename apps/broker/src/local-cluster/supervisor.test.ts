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

beforeEach(() => {
  vi.clearAllMocks();
  clock = new ManualClock();
  spawned = [];
});

function supervise(brokers: number): Supervisor {
  const members = Array.from({ length: brokers }, (_, index) => ({ brokerId: index + 1, overrides: {} }));
  const spawn = (): ChildProcess => {
    const made = new FakeProcess(spawned.length + 1);
    spawned.push(made);
    return made as unknown as ChildProcess;
  };
  return new Supervisor({ members, configFile: undefined, sitePort: () => undefined, env: {}, clock, logger, spawn });
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
