import { silentLogger } from '@millrace/broker';
import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import type { BrokerProcess } from '../broker-process.ts';
import { ExitCode } from '../start-error.ts';
import { LOOK_AGAIN_MS, LOOKS_MAX } from './free-ports.ts';
import { ClusterMember, ORPHAN_MS_MAX } from './member.ts';

/** A member whose broker serves, and stops when `stopped` resolves. */
async function servingMember(stopped: Promise<void>) {
  const clock = new ManualClock();
  const exits: number[] = [];
  const stops: unknown[] = [];
  const { promise: serves, resolve: isServing } = Promise.withResolvers<void>();
  const broker = {
    logger: silentLogger,
    endpoints: [],
    httpPort: undefined,
    unusable: new Promise<never>(() => {}),
    stop: (options: unknown) => {
      stops.push(options);
      return stopped;
    },
  } as unknown as BrokerProcess;
  const member = new ClusterMember({
    env: {},
    clock,
    tell: ({ type }) => type === 'ready' && isServing(),
    exit: (exitCode) => void exits.push(exitCode),
    startBroker: () => Promise.resolve(broker),
  });
  member.told({ type: 'start', brokerId: 2, configFile: undefined, overrides: {}, sitePort: undefined });
  await serves;
  return { member, clock, exits, stops };
}

describe('a broker whose parent is gone', () => {
  it('ends within 3 seconds, however long it would take to stop', async () => {
    const { member, clock, exits, stops } = await servingMember(new Promise(() => {}));
    member.orphaned();
    await clock.advanceAsync(2999);
    // There is nobody to take over, or to decide it.
    expect([stops, exits]).toEqual([[{ handsOver: false }], []]);
    await clock.advanceAsync(1);
    expect(exits).toEqual([ExitCode.FORCED]);
  });

  it('ends as soon as it has stopped', async () => {
    const { member, exits } = await servingMember(Promise.resolve());
    member.orphaned();
    await expect.poll(() => exits).toEqual([ExitCode.STOPPED]);
  });

  it('ends sooner than the next start gives up waiting for its ports', () => {
    // The end of a process takes its time as well.
    expect(LOOK_AGAIN_MS * (LOOKS_MAX - 1)).toBeGreaterThan(ORPHAN_MS_MAX + 500);
  });
});
