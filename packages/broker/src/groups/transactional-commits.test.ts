/** Who may commit offsets in a transaction: the rows of Kafka's `GroupCoordinator.validateOffsetCommit`. */
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { commitOf, TestCoordinator } from '../testing/test-groups.ts';

type ErrorName = keyof typeof ErrorCode;
/** A member's id as the test comes to know it, or one that the group has never heard of. */
type Who = 'member' | 'stranger' | '';
/** Of the group, or so many on. */
type Generation = 'none' | 0 | 1 | -1;

interface Known {
  readonly test: TestCoordinator;
  readonly memberId: string;
  readonly generationId: number;
}

type Row = readonly [who: Who, generation: Generation, instance: string | null, answer: ErrorName];

async function answerTo({ test, memberId, generationId }: Known, [who, generation, instance]: Row): Promise<string> {
  const [code] = await test.groups.commitTransactional({
    groupId: 'group',
    memberId: who === 'member' ? memberId : who,
    generationId: generation === 'none' ? -1 : generationId + generation,
    groupInstanceId: instance,
    producer: { producerId: 1, producerEpoch: 0, guard: undefined },
    offsets: [commitOf('topic', 0, 1, test.clock.now())],
  });
  return Object.entries(ErrorCode).find(([, known]) => known === code)![0];
}

const ofMembers: readonly Row[] = [
  ['member', 0, null, 'NONE'],
  ['member', 1, null, 'ILLEGAL_GENERATION'],
  ['member', -1, null, 'ILLEGAL_GENERATION'],
  ['member', 'none', null, 'ILLEGAL_GENERATION'],
  ['member', 0, 'instance', 'UNKNOWN_MEMBER_ID'],
  ['stranger', 0, null, 'UNKNOWN_MEMBER_ID'],
  ['stranger', 'none', null, 'UNKNOWN_MEMBER_ID'],
  ['', 0, null, 'UNKNOWN_MEMBER_ID'],
  ['', 'none', 'instance', 'UNKNOWN_MEMBER_ID'],
  ['', 'none', null, 'NONE'],
];

describe('TxnOffsetCommit', () => {
  it.each(ofMembers)(
    'of %j with generation %j and instance %j is answered with %s by a group with members',
    async (...row) => {
      const test = await TestCoordinator.start();
      const { memberId, generationId } = await test.stableMember();
      expect(await answerTo({ test, memberId, generationId }, row)).toBe(row[3]);
    },
  );

  it.each<Row>([
    ['member', 0, 'instance', 'NONE'],
    ['member', 0, null, 'NONE'],
    ['member', 1, 'instance', 'ILLEGAL_GENERATION'],
    ['member', 'none', 'instance', 'ILLEGAL_GENERATION'],
    ['stranger', 0, 'instance', 'FENCED_INSTANCE_ID'],
    ['', 'none', 'instance', 'FENCED_INSTANCE_ID'],
    ['member', 0, 'another', 'UNKNOWN_MEMBER_ID'],
    ['', 'none', null, 'NONE'],
  ])('of %j with generation %j and instance %j is answered with %s by a group with a static member', async (...row) => {
    const test = await TestCoordinator.start();
    const { memberId, generationId } = await test.stableMember({ groupInstanceId: 'instance' });
    expect(await answerTo({ test, memberId, generationId }, row)).toBe(row[3]);
  });

  it.each<Row>([
    ['member', 0, null, 'UNKNOWN_MEMBER_ID'],
    ['member', 'none', null, 'NONE'],
    ['stranger', 'none', null, 'NONE'],
    ['', 0, null, 'UNKNOWN_MEMBER_ID'],
    ['', 'none', 'instance', 'NONE'],
    ['', 'none', null, 'NONE'],
  ])('of %j with generation %j and instance %j is answered with %s by a group that all have left', async (...row) => {
    const test = await TestCoordinator.start();
    const { memberId, generationId } = await test.stableMember();
    await test.groups.leave('group', [{ memberId, groupInstanceId: null, reason: null }]);
    expect(await answerTo({ test, memberId, generationId }, row)).toBe(row[3]);
  });

  it('is taken while the group rebalances, of the generation that is', async () => {
    const test = await TestCoordinator.start();
    const { memberId, generationId } = await test.stableMember();
    void test.join({ requireKnownMemberId: false });
    await test.settle();
    const of = (generation: number) =>
      answerTo({ test, memberId, generationId: generation }, ['member', 0, null, 'NONE']);
    expect(await of(generationId)).toBe('NONE');
    const { generationId: next } = await test.join({ memberId }).promise;
    expect(await of(next)).toBe('NONE');
    expect(await of(generationId)).toBe('ILLEGAL_GENERATION');
  });
});
