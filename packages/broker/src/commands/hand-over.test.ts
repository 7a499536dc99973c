import { ManualClock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { ClusterImage } from '../cluster/cluster-image.ts';
import { noPeers, type PeerLane } from '../cluster/peers.ts';
import { silentLogger } from '../shared/logger.ts';
import { ControllerLink } from './controller-link.ts';
import { handOver } from './hand-over.ts';

type Answer = { errorCode: number; remainingPartitions: { topicName: string; partitionIndex: number }[] };

const DONE: Answer = { errorCode: ErrorCode.NONE, remainingPartitions: [] };
const LEFT: Answer = { errorCode: ErrorCode.NONE, remainingPartitions: [{ topicName: 't', partitionIndex: 0 }] };
const MOVED: Answer = { errorCode: ErrorCode.STALE_CONTROLLER_EPOCH, remainingPartitions: [] };

/** Broker 1, which is its own controller, beside brokers with these ids; the answers come one after the other. */
function start(others: readonly number[], answers: readonly Answer[], attemptsMax = 3) {
  const clock = new ManualClock();
  const cluster = new ClusterImage();
  const liveBrokers = [1, ...others].map((id) => ({ id, rack: null, endpoints: [] }));
  cluster.apply({ controllerId: 1, controllerEpoch: 1, brokerEpoch: -1, liveBrokers, partitions: [] });
  const asked: number[] = [];
  const link = new ControllerLink({ brokerId: 1, cluster, peers: noPeers, listener: 'PLAINTEXT', timeoutMs: 1000 });
  const done = handOver({
    brokerId: 1,
    brokerEpoch: () => 7,
    cluster,
    link,
    own: async ({ brokerEpoch }) => {
      expect(brokerEpoch).toBe(7);
      asked.push(clock.monotonic());
      return answers[asked.length - 1] ?? MOVED;
    },
    clock,
    hold: { begin: () => {}, end: () => {} },
    logger: silentLogger,
    attemptsMax,
    backoffMs: 5000,
  });
  return { clock, asked, done };
}

describe('handing over what a broker leads', () => {
  it('is done when nothing is left', async () => {
    const { asked, done } = start([2], [DONE]);
    expect([await done, asked.length]).toEqual([true, 1]);
  });

  it('asks nobody where there is nobody to take over', async () => {
    const { asked, done } = start([], []);
    expect([await done, asked.length]).toEqual([true, 0]);
  });

  it('asks again after a controller that is none any more, and after partitions that are left', async () => {
    const { clock, asked, done } = start([2], [MOVED, LEFT, DONE]);
    await clock.advanceAsync(10_000);
    expect(await done).toBe(true);
    expect(asked.map((at) => at - asked[0]!)).toEqual([0, 100, 2100]);
  });

  it('gives up after so many attempts, with pauses that grow', async () => {
    const { clock, asked, done } = start([2], []);
    await clock.advanceAsync(10_000);
    expect(await done).toBe(false);
    expect(asked.map((at) => at - asked[0]!)).toEqual([0, 100, 2100]);
  });

  it('asks nobody where no attempt is to be made, and once where one is', async () => {
    const none = start([2], [DONE], 0);
    expect([await none.done, none.asked.length]).toEqual([false, 0]);
    const one = start([2], [LEFT, DONE], 1);
    await one.clock.advanceAsync(10_000);
    expect([await one.done, one.asked.length]).toEqual([false, 1]);
  });

  it('lets records wait from when the controller is asked, and not while it is still to be connected to', async () => {
    const endpoints = [{ listener: 'PLAINTEXT', host: 'localhost', port: 9092, securityProtocol: 'PLAINTEXT' }];
    const cluster = new ClusterImage();
    const liveBrokers = [1, 2].map((id) => ({ id, rack: null, endpoints }));
    cluster.apply({ controllerId: 2, controllerEpoch: 1, brokerEpoch: -1, liveBrokers, partitions: [] });
    const happened: string[] = [];
    const connected = Promise.withResolvers<void>();
    const lane = {
      send: async (_: unknown, __: unknown, body: (version: number) => unknown) => {
        happened.push('connects');
        await connected.promise;
        body(3);
        happened.push('asks');
        return DONE;
      },
      reset: () => {},
      close: () => {},
    };
    const peers = { lane: () => lane as unknown as PeerLane };
    const done = handOver({
      brokerId: 1,
      brokerEpoch: () => 7,
      cluster,
      link: new ControllerLink({ brokerId: 1, cluster, peers, listener: 'PLAINTEXT', timeoutMs: 1000 }),
      own: () => Promise.reject(new Error('it is none')),
      clock: new ManualClock(),
      hold: { begin: () => happened.push('holds'), end: () => happened.push('takes on') },
      logger: silentLogger,
      attemptsMax: 1,
      backoffMs: 5000,
    });
    expect(happened).toEqual(['connects']);
    connected.resolve();
    expect(await done).toBe(true);
    expect(happened).toEqual(['connects', 'holds', 'asks', 'takes on']);
  });
});
