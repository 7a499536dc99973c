import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import type { CommandOutcome, UpdateMetadataCommand } from '../cluster/broker-channel.ts';
import { silentLogger } from '../shared/logger.ts';
import { ATTEMPTS_MAX, LocalChannel } from './local-channel.ts';

const DONE: CommandOutcome = { errorCode: 0, partitions: [] };

/** An inbox that fails as often as it is told to. */
function start() {
  const clock = new ManualClock();
  const done: string[] = [];
  let failures = 0;
  const carryOut = (what: string) => async (): Promise<CommandOutcome> => {
    if (failures > 0) {
      failures -= 1;
      throw new TypeError('a mistake');
    }
    done.push(what);
    return DONE;
  };
  const inbox = {
    leaderAndIsr: carryOut('LeaderAndIsr'),
    updateMetadata: carryOut('UpdateMetadata'),
    stopReplica: carryOut('StopReplica'),
  };
  const channel = new LocalChannel({ inbox, brokerId: 1, clock, logger: silentLogger });
  const fail = (times: number): void => {
    failures = times;
  };
  return { clock, channel, done, fail };
}

const command = {
  controllerId: 1,
  controllerEpoch: 1,
  brokerEpoch: 1,
  partitions: [],
  liveBrokers: [],
  liveLeaders: [],
};

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  clock.advance(ms);
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

describe("a controller's way to its own broker", () => {
  it('tries a command again that failed by a mistake, before all that come behind it', async () => {
    const { clock, channel, done, fail } = start();
    fail(2);
    const outcomes = Promise.all([
      channel.leaderAndIsr(command),
      channel.updateMetadata(command as UpdateMetadataCommand),
      channel.stopReplica(command),
    ]);
    await pass(clock, 0);
    expect(done).toEqual([]);
    await pass(clock, 100);
    await pass(clock, 100);
    expect(done).toEqual(['LeaderAndIsr', 'UpdateMetadata', 'StopReplica']);
    expect(await outcomes).toEqual([DONE, DONE, DONE]);
  });

  it('gives a command up that fails for good, and goes on with the next', async () => {
    const { clock, channel, done, fail } = start();
    fail(ATTEMPTS_MAX);
    const failing = expect(channel.leaderAndIsr(command)).rejects.toThrow('a mistake');
    const next = channel.stopReplica(command);
    for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt += 1) await pass(clock, 100);
    await failing;
    expect(await next).toEqual(DONE);
    expect(done).toEqual(['StopReplica']);
  });

  it('does nothing any more when it is closed, not even what it was about to try again', async () => {
    const { clock, channel, done, fail } = start();
    fail(1);
    const outcomes = Promise.all([channel.leaderAndIsr(command), channel.stopReplica(command)]);
    await pass(clock, 0);
    channel.close();
    expect(await outcomes).toEqual([undefined, undefined]);
    await pass(clock, 1000);
    expect([done, clock.pendingCount]).toEqual([[], 0]);
  });
});
