/** What a program hands to a producer's calls beside records, looked at where it comes in. */
import {
  aFunction,
  anyName,
  anyText,
  faultOf,
  objectWith,
  offsetRule,
  orNull,
  placeFields,
  required,
  type Shape,
  shown,
  someName,
  type ValueRule,
  valueFault,
  wholeNumber,
} from '@millrace/client/internal';
import type { Random } from '@millrace/ports';
import { AbortableTransactionError, ProducerError } from './errors.ts';
import type { GroupMember } from './transactions/transaction.ts';
import type { ConsumerGroupMetadata, TransactionOffset } from './transactions/transaction-transport.ts';

const aGroupId: ValueRule = { ...someName, expects: `the id of a group, ${someName.expects}` };

const groupShape: Shape = {
  noun: "field of a group's member",
  fields: {
    groupId: required(aGroupId),
    memberId: anyName,
    generationId: wholeNumber(-1),
    groupInstanceId: orNull(anyName),
  },
  foreign: {
    consumerGroupId: 'sendOffsets takes the consumer or the id of its group first, and the offsets after it',
    topics: 'sendOffsets takes the consumer or the id of its group first, and the offsets after it',
  },
};

const offsetShape: Shape = {
  noun: 'field of an offset to commit',
  fields: { ...placeFields, offset: required(offsetRule), leaderEpoch: wholeNumber(-1), metadata: anyText },
  foreign: {
    partitions: 'an offset is that of one partition: give { topic, partition, offset } for each of them',
    timestamp: 'a record is not the place to go on at: give { topic, partition, offset: record.offset + 1 }',
  },
};

/** @throws ProducerError `PRODUCER_INVALID_ARGUMENT` for work that cannot be called */
export function checkWork(work: unknown): void {
  refuseIf('do a transaction', valueFault(work, required(aFunction), 'what is to be done in it'));
}

/**
 * A group in whichever form it was given.
 * @throws ProducerError `PRODUCER_INVALID_ARGUMENT`; what a consumer throws that has no group
 */
export function groupOf(group: GroupMember | ConsumerGroupMetadata | string): ConsumerGroupMetadata {
  if (typeof group !== 'object' || group === null) {
    const rule = { ...aGroupId, expects: `a consumer, its groupMetadata, or ${aGroupId.expects}` };
    refuseIf('send offsets', valueFault(group, required(rule), 'the group'));
    return { groupId: group };
  }
  const metadata = 'groupMetadata' in group ? group.groupMetadata : group;
  refuseIf('send offsets', faultOf(metadata, groupShape, 'group'));
  return metadata;
}

/** @throws ProducerError `PRODUCER_INVALID_ARGUMENT` */
export function checkOffsets(offsets: readonly TransactionOffset[]): void {
  if (!Array.isArray(offsets)) refuseIf('send offsets', `offsets must be an array, not ${shown(offsets)}`);
  for (const [index, one] of offsets.entries()) {
    refuseIf('send offsets', faultOf(one, offsetShape, `offsets[${index}]`));
  }
}

/**
 * A consumer's partitions may have gone to another between the records and their offsets, without whom it still is a member.
 * @throws AbortableTransactionError
 */
export function checkHeld(
  group: GroupMember | ConsumerGroupMetadata | string,
  { groupId, generationId = -1 }: ConsumerGroupMetadata,
  offsets: readonly TransactionOffset[],
): void {
  const held = typeof group === 'object' && 'assignment' in group ? group.assignment : undefined;
  if (held === undefined || generationId < 0) return;
  const lost = offsets.find(
    (one) => !held.some((each) => each.topic === one.topic && each.partition === one.partition),
  );
  if (lost === undefined) return;
  throw new AbortableTransactionError(
    `Cannot commit offsets of group '${groupId}' in the transaction, which must be aborted: partition ${lost.partition} of topic '${lost.topic}' is not the consumer's any more`,
  );
}

/** @throws ProducerError `PRODUCER_INVALID_ARGUMENT` */
export function checkRandom(random: Random): void {
  refuseIf('make a partitioner', valueFault(random, required(objectWith('nextInt')), 'random'));
}

/** @throws ProducerError `PRODUCER_INVALID_ARGUMENT` */
export function checkPartitionOf(key: unknown, partitionCount: unknown): void {
  const bytes = { expects: 'text or bytes', accepts: (value: unknown) => value instanceof Uint8Array };
  if (typeof key !== 'string') refuseIf('find the partition of a key', valueFault(key, required(bytes), 'key'));
  const fault = valueFault(partitionCount, required(wholeNumber(1)), 'partitionCount');
  refuseIf('find the partition of a key', fault);
}

/** What is told of a call that is given more than it takes. */
export function surplus(fault: string): ProducerError {
  return new ProducerError('PRODUCER_INVALID_ARGUMENT', `Cannot call the producer: ${fault}`);
}

function refuseIf(attempt: string, fault: string | undefined): void {
  if (fault !== undefined) throw new ProducerError('PRODUCER_INVALID_ARGUMENT', `Cannot ${attempt}: ${fault}`);
}
