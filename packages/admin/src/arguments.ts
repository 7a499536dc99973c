/** What each call of the admin takes, as tables: an unknown name or a value of the wrong kind is an error before anything is sent. */
import { type ClientOptions, InvalidArgumentError, InvalidOptionError } from '@millrace/client';
import {
  aBoolean,
  anAbortSignal,
  anyName,
  anyText,
  anything,
  clientOptionFields,
  faultOf,
  foreignClientOptions,
  holdsByName,
  INT32_MAX,
  millisecondsOrInfinity,
  offsetRule,
  oneOf,
  orNull,
  placeFields,
  required,
  type Shape,
  shown,
  someName,
  someText,
  topicNameRule,
  type ValueRule,
  valueFault,
  wholeNumber,
} from '@millrace/client/internal';

const INT16_MAX = 32_767;

/** How many arguments each call takes. */
export const argumentCounts = {
  connect: 1,
  close: 1,
  describeCluster: 1,
  listTopics: 1,
  describeTopics: 2,
  createTopics: 2,
  deleteTopics: 2,
  createPartitions: 2,
  describeConfigs: 2,
  alterConfigs: 2,
  listGroups: 1,
  describeGroups: 2,
  deleteGroups: 2,
  removeMembers: 3,
  listGroupOffsets: 3,
  alterGroupOffsets: 3,
  deleteGroupOffsets: 3,
  listOffsets: 2,
  deleteRecords: 2,
  describeLogDirs: 1,
  alterReplicaLogDirs: 2,
  describeProducers: 2,
  listTransactions: 1,
  describeTransactions: 2,
  abortTransactions: 2,
  fenceProducers: 2,
  forceTerminateTransaction: 2,
  findHangingTransactions: 1,
  listPartitionReassignments: 2,
  alterPartitionReassignments: 2,
  electLeaders: 2,
  describeClientQuotas: 2,
  alterClientQuotas: 2,
  describeAcls: 2,
  createAcls: 2,
  deleteAcls: 2,
  describeScramUsers: 2,
  setScramPasswords: 2,
  deleteScramCredentials: 2,
  createDelegationToken: 2,
  describeDelegationTokens: 2,
  renewDelegationToken: 3,
  expireDelegationToken: 3,
} as const;

/** Says what is wrong with one item of a list that stands at `place`; undefined where nothing is. */
export type ItemCheck = (item: unknown, place: string) => string | undefined;

/** @throws InvalidOptionError */
export function checkAdminOptions(options: ClientOptions): void {
  const shape = { noun: 'option of an admin', fields: clientOptionFields, foreign: foreignClientOptions };
  const fault = faultOf(options, shape);
  if (fault !== undefined) throw new InvalidOptionError(`Cannot make an admin: ${fault}`);
}

const operationFields = {
  timeoutMs: millisecondsOrInfinity(),
  signal: anAbortSignal,
  retries: wholeNumber(0),
};

/** @throws InvalidArgumentError for an option that the call does not have */
export function checkOptions(attempt: string, options: unknown, more: Readonly<Record<string, ValueRule>> = {}): void {
  check(attempt, faultOf(options, { noun: 'option of this call', fields: { ...operationFields, ...more } }));
}

/** @throws InvalidArgumentError */
export function check(attempt: string, fault: string | undefined): void {
  if (fault !== undefined) throw new InvalidArgumentError(`Cannot ${attempt}: ${fault}`);
}

/** @throws InvalidArgumentError where it is no list, or one of its items is wrong */
export function checkItems(attempt: string, name: string, items: unknown, checkItem: ItemCheck): void {
  if (!Array.isArray(items)) {
    const hint = typeof items === 'object' && items !== null ? ': give the list itself, not an object around it' : '';
    check(attempt, `${name} must be a list, not ${shown(items)}${hint}`);
    return;
  }
  for (const [index, item] of items.entries()) check(attempt, checkItem(item, `${name}[${index}]`));
}

/** The same for what may be `'all'` as well. */
export function checkItemsOrAll(attempt: string, name: string, items: unknown, checkItem: ItemCheck): void {
  if (items !== 'all') checkItems(attempt, name, items, checkItem);
}

function fields(shape: Shape): ItemCheck {
  return (item, place) => faultOf(item, shape, place);
}

function plain(rule: ValueRule): ItemCheck {
  return (item, place) => valueFault(item, required(rule), place);
}

const listOfNumbers: ValueRule = {
  expects: 'a list of broker ids',
  accepts: (value) => Array.isArray(value) && value.every((id) => Number.isInteger(id) && id >= 0),
};

const assignments: ValueRule = {
  expects: "a list of the brokers' ids for each partition",
  accepts: (value) => Array.isArray(value) && value.every((brokers) => listOfNumbers.accepts(brokers)),
};

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && holdsByName(value);

const configs: ValueRule = {
  expects: 'an object of texts, numbers and booleans by the names of configs',
  accepts: (value) =>
    isPlainObject(value) &&
    Object.keys(value).every(anyText.accepts) &&
    Object.values(value).every((each) => ['number', 'boolean'].includes(typeof each) || anyText.accepts(each)),
};

const texts: ValueRule = {
  expects: 'a list of texts',
  accepts: (value) => Array.isArray(value) && value.every(anyText.accepts),
};

const foreignPartition = {
  partitions: 'give one { topic, partition } for each',
  partitionIndex: 'it is called partition',
};

export const userName: ItemCheck = plain(someText);
export const validateOnly: Readonly<Record<string, ValueRule>> = { validateOnly: aBoolean };

export const listTopicsOptions: Readonly<Record<string, ValueRule>> = { internal: aBoolean };

export const describeConfigsOptions: Readonly<Record<string, ValueRule>> = { names: texts, documentation: aBoolean };

export const listGroupsOptions: Readonly<Record<string, ValueRule>> = { states: texts, brokerIds: listOfNumbers };

export const removeMembersOptions: Readonly<Record<string, ValueRule>> = { reason: anyText };

export const listOffsetsOptions: Readonly<Record<string, ValueRule>> = {
  isolationLevel: oneOf('read_uncommitted', 'read_committed'),
};

export const electLeadersOptions: Readonly<Record<string, ValueRule>> = { type: oneOf('preferred', 'unclean') };

export const describeQuotasOptions: Readonly<Record<string, ValueRule>> = { strict: aBoolean };

export const describeLogDirsOptions: Readonly<Record<string, ValueRule>> = {
  brokerIds: listOfNumbers,
  // Looked at item by item.
  partitions: anything,
};

export const listTransactionsOptions: Readonly<Record<string, ValueRule>> = {
  states: texts,
  producerIds: {
    expects: 'a list of producer ids',
    accepts: (value) => Array.isArray(value) && value.every((id) => Number.isSafeInteger(id)),
  },
  // As long as an offset may be large: no timer waits for it.
  openForMs: offsetRule,
  idPattern: anyText,
  brokerIds: listOfNumbers,
};

export const findHangingOptions: Readonly<Record<string, ValueRule>> = {
  idleForMs: offsetRule,
  // Looked at item by item.
  partitions: anything,
};

export const topicName: ItemCheck = plain(topicNameRule);

export const groupId: ItemCheck = plain(anyName);

export const transactionalId: ItemCheck = plain(someName);

const newTopicFields: ItemCheck = fields({
  noun: 'field of a new topic',
  fields: {
    topic: required(topicNameRule),
    partitions: wholeNumber(1),
    replicationFactor: wholeNumber(1, 32_767),
    assignments,
    configs,
  },
  foreign: {
    numPartitions: 'it is called partitions',
    replicaAssignment: 'it is called assignments: the brokers of each partition, in the order of partitions',
    configEntries: "it is called configs: an object by name, such as { 'retention.ms': 5000 }",
  },
});

/** Assignments say how many partitions and replicas there are. */
export const newTopic: ItemCheck = (item, place) => {
  const fault = newTopicFields(item, place);
  if (fault !== undefined) return fault;
  const given = item as Readonly<Record<string, unknown>>;
  if (given.assignments === undefined) return undefined;
  const other = ['partitions', 'replicationFactor'].find((name) => given[name] !== undefined);
  return other === undefined ? undefined : `${place}.${other} is what ${place}.assignments says: leave it out`;
};

export const morePartitions: ItemCheck = fields({
  noun: 'field of a topic that gets partitions',
  fields: { topic: required(topicNameRule), count: required(wholeNumber(1)), assignments },
  foreign: { partitions: 'it is called count: how many there are to be in all', totalCount: 'it is called count' },
});

const resourceFields = { type: required(oneOf('topic', 'broker', 'broker-logger')), name: required(anyText) };
const foreignResource = {
  configNames: 'it is an option of the call: names',
  configEntries: "set takes them: an object by name, such as { 'retention.ms': 5000 }",
};

export const configResource: ItemCheck = fields({
  noun: 'field of a resource',
  fields: resourceFields,
  foreign: foreignResource,
});

export const configChanges: ItemCheck = fields({
  noun: 'field of changes to configs',
  fields: { ...resourceFields, set: configs, unset: texts, append: configs, subtract: configs },
  foreign: foreignResource,
});

export const member: ItemCheck = (item, place) => {
  const shape = { noun: 'field of a member', fields: { groupInstanceId: someName, memberId: someName } };
  const fault = faultOf(item, shape, place);
  if (fault !== undefined) return fault;
  const names = Object.values(item as object).filter((value) => value !== undefined);
  return names.length === 1 ? undefined : `${place} must have groupInstanceId or memberId`;
};

export const topicPartition: ItemCheck = fields({
  noun: 'field of a partition',
  fields: placeFields,
  foreign: foreignPartition,
});

export const transactionToAbort: ItemCheck = fields({
  noun: 'field of a transaction to be aborted',
  fields: {
    ...placeFields,
    producerId: required(offsetRule),
    producerEpoch: required(wholeNumber(0, INT16_MAX)),
    coordinatorEpoch: wholeNumber(-1, INT32_MAX),
    // What was found is aborted as it was found.
    startOffset: anything,
    lastTimestamp: anything,
    transactionalId: anything,
  },
  foreign: foreignPartition,
});

export const newGroupOffset: ItemCheck = fields({
  noun: 'field of an offset',
  fields: {
    ...placeFields,
    offset: required(offsetRule),
    leaderEpoch: wholeNumber(-1),
    metadata: orNull(anyText),
  },
  foreign: foreignPartition,
});

export const offsetQuery: ItemCheck = fields({
  noun: 'field of what is asked for',
  fields: {
    ...placeFields,
    at: required({
      expects: "'earliest', 'latest', 'max-timestamp' or milliseconds since the Unix epoch",
      accepts: (value) =>
        ['earliest', 'latest', 'max-timestamp'].includes(value as string) || offsetRule.accepts(value),
    }),
  },
  foreign: { ...foreignPartition, timestamp: 'it is called at' },
});

export const recordsToDelete: ItemCheck = fields({
  noun: 'field of records to be deleted',
  fields: {
    ...placeFields,
    before: required({
      expects: "the offset that is to be the first, a whole number, or 'all'",
      accepts: (value) => value === 'all' || offsetRule.accepts(value),
    }),
  },
  foreign: { ...foreignPartition, offset: 'it is called before' },
});

export const reassignment: ItemCheck = fields({
  noun: 'field of a reassignment',
  fields: { ...placeFields, replicas: required(orNull(listOfNumbers)) },
  foreign: { ...foreignPartition, partitionAssignment: 'give one { topic, partition, replicas } for each' },
});

export const replicaPlace: ItemCheck = fields({
  noun: 'field of a place',
  fields: { ...placeFields, brokerId: required(wholeNumber(0)), logDir: required(someText) },
  foreign: { ...foreignPartition, path: 'it is called logDir', broker: 'it is called brokerId' },
});

export const quotaEntity: ItemCheck = fields({
  noun: 'field of an entity with quotas',
  fields: { type: required(oneOf('user', 'client-id', 'ip')), name: orNull(anyText) },
});
