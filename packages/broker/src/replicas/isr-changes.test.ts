import { ManualClock } from '@millrace/ports';
import type { AlterPartitionRequestInput, AlterPartitionResponse } from '@millrace/protocol';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { type IsrChange, IsrChangeSender, type IsrOutcome } from './isr-changes.ts';

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

const change = (partition: number, isr: readonly number[] = [1, 2]): IsrChange => ({
  topicId: TOPIC_ID,
  topic: 't',
  partition,
  leaderEpoch: 3,
  partitionEpoch: 4,
  isr,
  leaderRecoveryState: 0,
});

type PartitionAnswer = AlterPartitionResponse['topics'][number]['partitions'][number];

/** A controller that the test answers for, in a version. */
function start(version = 3, logger: Logger = silentLogger) {
  const clock = new ManualClock();
  const asked: AlterPartitionRequestInput[] = [];
  const open: PromiseWithResolvers<{ version: number; response: AlterPartitionResponse }>[] = [];
  const sender = new IsrChangeSender({
    brokerId: 1,
    brokerEpoch: () => 77,
    clock,
    logger,
    ask: (body) => {
      asked.push(body(version));
      const pending = Promise.withResolvers<{ version: number; response: AlterPartitionResponse }>();
      open.push(pending);
      return pending.promise;
    },
  });
  const settle = (): Promise<void> => clock.advanceAsync(0);
  return {
    clock,
    asked,
    sender,
    settle,
    /** Partitions of the last request. */
    partitions: () => asked.at(-1)?.topics?.flatMap(({ partitions }) => partitions ?? []) ?? [],
    async answer(errorCode: number, ...partitions: Partial<PartitionAnswer>[]): Promise<void> {
      const all = partitions.map((each) => ({
        partitionIndex: 0,
        errorCode: 0,
        leaderId: 1,
        leaderEpoch: 3,
        isr: [1, 2],
        leaderRecoveryState: 0,
        partitionEpoch: 5,
        ...each,
      }));
      const topics = [{ topicName: version < 2 ? 't' : '', topicId: version < 2 ? '' : TOPIC_ID, partitions: all }];
      open.shift()?.resolve({ version, response: { throttleTimeMs: 0, errorCode, topics } });
      await settle();
    },
    async fail(): Promise<void> {
      open.shift()?.reject(new Error('nobody answers'));
      await settle();
    },
  };
}

describe('what leaders propose to the controller', () => {
  it('goes in one request with what is proposed in the same breath, by id and with epochs', async () => {
    const { asked, sender, settle, answer } = start();
    const outcomes = [sender.propose(change(0)), sender.propose(change(1, [1]))];
    await settle();
    const isrOf = (...ids: number[]): object[] => ids.map((brokerId) => ({ brokerId, brokerEpoch: -1 }));
    const epochs = { leaderEpoch: 3, partitionEpoch: 4, leaderRecoveryState: 0 };
    expect(asked).toEqual([
      {
        brokerId: 1,
        brokerEpoch: 77,
        topics: [
          {
            topicId: TOPIC_ID,
            partitions: [
              { partitionIndex: 0, ...epochs, newIsrWithEpochs: isrOf(1, 2) },
              { partitionIndex: 1, ...epochs, newIsrWithEpochs: isrOf(1) },
            ],
          },
        ],
      },
    ]);
    await answer(0, {}, { partitionIndex: 1, errorCode: ErrorCode.FENCED_LEADER_EPOCH });
    expect(await Promise.all(outcomes)).toMatchObject([
      { errorCode: 0, isr: [1, 2], partitionEpoch: 5 },
      { errorCode: ErrorCode.FENCED_LEADER_EPOCH },
    ]);
  });

  it('is told in one line when many are refused at once', async () => {
    const lines: unknown[] = [];
    const { sender, settle, answer } = start(3, { ...silentLogger, info: (...line) => void lines.push(line) });
    const partitions = Array.from({ length: 20 }, (_, partition) => partition);
    for (const partition of partitions) void sender.propose(change(partition));
    await settle();
    const errorCode = ErrorCode.INELIGIBLE_REPLICA;
    await answer(0, ...partitions.map((partitionIndex) => ({ partitionIndex, errorCode })));
    const some = partitions.slice(0, 10).map((partition) => `t-${partition}`);
    const fields = { errorCodes: [errorCode], partitions: 20, some };
    expect(lines).toEqual([[fields, 'The controller refused changes of in-sync replicas of many partitions']]);
  });

  it('goes by name, without recovery state, to a controller of old', async () => {
    const { asked, sender, settle, answer } = start(0);
    const outcome = sender.propose(change(0));
    await settle();
    expect(asked[0]?.topics).toEqual([
      { topicName: 't', partitions: [{ partitionIndex: 0, leaderEpoch: 3, partitionEpoch: 4, newIsr: [1, 2] }] },
    ]);
    await answer(0, {});
    expect(await outcome).toMatchObject({ errorCode: 0 });
  });

  it('waits while a request is under way, and goes with the next', async () => {
    const { asked, sender, settle, answer, partitions } = start();
    void sender.propose(change(0));
    await settle();
    void sender.propose(change(1));
    void sender.propose(change(2));
    await settle();
    expect(asked.length).toBe(1);
    await answer(0, {});
    expect([asked.length, partitions().map(({ partitionIndex }) => partitionIndex)]).toEqual([2, [1, 2]]);
  });

  it.each([
    ['nobody answers', (test: ReturnType<typeof start>) => test.fail()],
    ['it is none any more', (test: ReturnType<typeof start>) => test.answer(ErrorCode.NOT_CONTROLLER)],
    ['it knows an older registration', (test: ReturnType<typeof start>) => test.answer(ErrorCode.STALE_BROKER_EPOCH)],
    ['it says nothing of the partition', (test: ReturnType<typeof start>) => test.answer(0)],
    [
      'it has failed',
      (test: ReturnType<typeof start>) => test.answer(0, { errorCode: ErrorCode.UNKNOWN_SERVER_ERROR }),
    ],
  ])('is sent again a moment later when %s, for as long as it takes', async (_, goWrong) => {
    const test = start();
    let outcome: IsrOutcome | undefined;
    void test.sender.propose(change(0)).then((decided) => {
      outcome = decided;
    });
    await test.settle();
    for (let attempt = 1; attempt <= 20; attempt += 1) {
      expect([test.asked.length, outcome]).toEqual([attempt, undefined]);
      await goWrong(test);
      await test.clock.advanceAsync(49);
      expect(test.asked.length).toBe(attempt);
      await test.clock.advanceAsync(1);
    }
    await test.answer(0, {});
    expect(outcome).toMatchObject({ errorCode: 0 });
  });

  it('is replaced by a later proposal for the partition, and what was answered to the one before means nothing', async () => {
    const { sender, settle, answer, partitions } = start();
    const first = sender.propose(change(0, [1, 2]));
    await settle();
    const second = sender.propose({ ...change(0, [1, 2, 3]), leaderEpoch: 4 });
    expect(await first).toBeUndefined();
    await answer(0, {});
    expect(partitions()).toMatchObject([{ leaderEpoch: 4 }]);
    await answer(0, { leaderEpoch: 4, isr: [1, 2, 3] });
    expect(await second).toMatchObject({ leaderEpoch: 4, isr: [1, 2, 3] });
  });

  it('is sent no more once it is withdrawn, whether it was on its way or waited', async () => {
    const { sender, settle, clock, asked, answer } = start();
    const [gone, other] = [change(0), change(1)];
    const outcome = sender.propose(gone);
    await settle();
    sender.withdraw(other);
    sender.withdraw(gone);
    expect(await outcome).toBeUndefined();
    await answer(ErrorCode.STALE_BROKER_EPOCH);
    await clock.advanceAsync(1000);
    expect(asked.length).toBe(1);
  });

  it('says once that no changes are taken, for as long as it lasts', async () => {
    const lines: unknown[] = [];
    const warn = (...line: unknown[]): void => void lines.push(line);
    const { sender, settle, clock, answer } = start(3, { ...silentLogger, warn });
    void sender.propose(change(0));
    await settle();
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await answer(ErrorCode.STALE_BROKER_EPOCH);
      await clock.advanceAsync(50);
    }
    expect(lines.length).toBe(1);
    await answer(0);
    await clock.advanceAsync(50);
    await answer(ErrorCode.STALE_BROKER_EPOCH);
    expect(lines.length).toBe(2);
  });

  it('ends when the broker stops', async () => {
    const { sender, settle, clock, asked, fail } = start();
    const outcomes = [sender.propose(change(0)), sender.propose(change(1))];
    await settle();
    await fail();
    sender.close();
    expect(await Promise.all(outcomes)).toEqual([undefined, undefined]);
    await clock.advanceAsync(1000);
    expect([asked.length, await sender.propose(change(2))]).toEqual([1, undefined]);
  });
});
