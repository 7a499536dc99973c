/** What members say that cannot be kept, and what throws where nobody awaits it: neither may cost others anything. */
import type { Logger } from '@millrace/ports';
import { ConsumerProtocolSubscription, ErrorCode, encodeVersioned } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { REBALANCE_MS, SESSION_MS, TestCoordinator } from '../testing/test-groups.ts';
import { ALL_METADATA_BYTES_MAX, MEMBER_METADATA_BYTES_MAX } from './group-memory.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A logger that throws when it is told to, so that whatever logs throws there. */
class FailingLogger implements Logger {
  fails = false;
  readonly errors: string[] = [];

  #say(): void {
    if (this.fails) throw new Error('the logger throws on purpose');
  }
  debug(): void {
    this.#say();
  }
  info(): void {
    this.#say();
  }
  warn(): void {
    this.#say();
  }
  error(_fields: object, message: string): void {
    this.errors.push(message);
  }
}

const other = { groupId: 'other' };

/** Lets something throw in a callback of the coordinator; other groups must go on, and the defect must be logged. */
async function throwsAlone(prepare: (test: TestCoordinator) => Promise<unknown>, trigger: Trigger): Promise<void> {
  const logger = new FailingLogger();
  const config = { offsetsRetentionMs: DAY_MS, offsetsRetentionCheckIntervalMs: 60_000 };
  const test = await TestCoordinator.start({ logger, config });
  await prepare(test);
  logger.fails = true;
  await trigger(test);
  await test.settle();
  logger.fails = false;
  expect(logger.errors).toEqual(expect.arrayContaining([expect.stringContaining('defect of the broker')]));
  test.log.appendError = ErrorCode.NONE;
  expect(await test.commit(5, other)).toBe(ErrorCode.NONE);
  expect(test.offset(0, 'topic', 'other')).toBe(5);
  expect(test.groups.list([], []).errorCode).toBe(ErrorCode.NONE);
}

type Trigger = (test: TestCoordinator) => Promise<unknown> | unknown;

describe('what throws in a callback of the coordinator costs nobody else anything', () => {
  it('when a session ends', () =>
    throwsAlone(
      (test) => test.stableMember(),
      (test) => test.advance(SESSION_MS + 1),
    ));

  it('when a member id lapses that nobody joined with', () =>
    throwsAlone(
      async (test) => void test.join(),
      (test) => test.advance(SESSION_MS + 1),
    ));

  it('when the time to join is over', () =>
    throwsAlone(
      async (test) => {
        await test.stableMember();
        test.join({ groupInstanceId: 'second' });
      },
      (test) => test.advance(REBALANCE_MS + 1),
    ));

  it('when the time to sync is over', () =>
    throwsAlone(
      async (test) => {
        const joined = await test.joined();
        for (let ms = 0; ms < REBALANCE_MS - SESSION_MS; ms += SESSION_MS / 2) {
          await test.advance(SESSION_MS / 2);
          test.heartbeat(joined);
        }
      },
      (test) => test.advance(SESSION_MS),
    ));

  it('when offsets expire', () =>
    throwsAlone(
      (test) => test.commit(1),
      (test) => test.advance(2 * DAY_MS),
    ));

  it('when it hears how a write went', () =>
    throwsAlone(
      async (test) => {
        const { memberId } = await test.stableMember();
        test.log.appendError = ErrorCode.NOT_ENOUGH_REPLICAS;
        test.groups.leave('group', [{ memberId, groupInstanceId: null, reason: null }]);
      },
      () => {},
    ));

  it('when a write takes too long', () =>
    throwsAlone(
      async (test) => {
        const joined = await test.joined();
        test.log.hold();
        void test.sync(joined, { assignments: [{ memberId: joined.memberId, assignment: Buffer.from('all') }] });
      },
      async (test) => {
        await test.advance(test.config.offsetsCommitTimeoutMs + 1);
        test.log.letGo();
      },
    ));

  it('when the log throws instead of answering', () =>
    throwsAlone(
      async () => {},
      async (test) => {
        const append = test.log.append;
        test.log.append = () => {
          throw new Error('the log throws on purpose');
        };
        expect(await test.commit(1)).toBe(ErrorCode.UNKNOWN_SERVER_ERROR);
        test.log.append = append;
      },
    ));

  it('when a partition goes to another broker', () =>
    throwsAlone(
      (test) => test.stableMember(),
      async (test) => {
        test.listener.onResigned(0, 2);
        test.listener.onElected(0, 3);
        await test.settle();
      },
    ));
});

describe('what a member says of itself', () => {
  it.each([
    ['client id', { clientId: 'x'.repeat(32_767) }],
    ['client id that grew when it was decoded', { clientId: '\ufffd'.repeat(10_920) }],
    ['group instance id', { groupInstanceId: 'x'.repeat(32_767) }],
  ])('is refused where no record could hold it: a long %s', async (_what, fields) => {
    const test = await TestCoordinator.start();
    const joining = test.join({ requireKnownMemberId: false, ...fields });
    await test.settle();
    expect(joining.result?.errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect(test.log.appendCount).toBe(0);
    expect(test.groups.list([], []).groups).toEqual([]);
  });

  it('may be as long as the record can hold', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.stableMember({ clientId: 'x'.repeat(32_767 - 37) });
    expect(joined.memberId).toHaveLength(32_767);
    test.restart();
    await test.settle();
    expect(test.groups.describe('group').members).toHaveLength(1);
  });

  it('is bounded for each member, and over all groups until members go', async () => {
    const test = await TestCoordinator.start();
    const metadata = Buffer.alloc(MEMBER_METADATA_BYTES_MAX - 5);
    const join = async (groupId: string, bytes: Buffer) => {
      const protocols = [{ name: 'range', metadata: bytes }];
      const joining = test.join({ groupId, requireKnownMemberId: false, protocols });
      await test.settle();
      return joining.promise;
    };
    expect((await join('g', Buffer.alloc(MEMBER_METADATA_BYTES_MAX))).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    const count = ALL_METADATA_BYTES_MAX / MEMBER_METADATA_BYTES_MAX;
    for (let n = 0; n < count; n += 1) expect((await join(`group ${n}`, metadata)).errorCode).toBe(ErrorCode.NONE);
    const late = await join('late', metadata);
    expect(late.errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    await test.advance(2 * SESSION_MS + REBALANCE_MS);
    expect((await join('late', metadata)).errorCode).toBe(ErrorCode.NONE);
  });

  it('is read for its topics whatever version it names, since some clients leave out what later versions added', async () => {
    const subscription = encodeVersioned(ConsumerProtocolSubscription, 0, { topics: ['read'], userData: null });
    subscription.writeInt16BE(3);
    const test = await TestCoordinator.start();
    const member = await test.stableMember({ protocols: [{ name: 'range', metadata: subscription }] });
    for (const topic of ['read', 'left']) await test.commit(1, { ...member, topic });
    const outcome = await test.groups.deleteOffsets('group', [
      { topic: 'read', partition: 0 },
      { topic: 'left', partition: 0 },
    ]);
    expect(outcome.partitions).toEqual([ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE]);
  });
});
