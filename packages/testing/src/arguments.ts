/** What a test may hand over, call by call: a slip is told where it is made, and not by a test that waits for what never comes. */

import type { ConfigProblem, ConfigWarning } from '@millrace/broker';
import {
  aBoolean,
  aList,
  anyText,
  type FieldRules,
  faultOf,
  milliseconds,
  nearestName,
  objectWith,
  oneOf,
  orInfinity,
  required,
  type Shape,
  shown,
  someText,
  type ValueRule,
  valueFault,
  wholeNumber,
} from '@millrace/ports';
import { type AnyApi, apiByKey, ErrorCode, type ErrorName } from '@millrace/protocol';
import { errorAnswer } from './error-answers.ts';
import { TestBrokerError } from './errors.ts';
import type {
  DropOptions,
  FaultOptions,
  NewClusterTopic,
  NewTestTopic,
  StartBrokerOptions,
  StartClusterOptions,
} from './options.ts';
import { operationNames, type TestAcl } from './security.ts';

/** Each is a whole broker in the process of the test. */
const BROKERS_MAX = 32;
const PORT_MAX = 65_535;
const INT16_MAX = 2 ** 15 - 1;
/** A hundred years: further on, dates end. */
const ADVANCE_MS_MAX = 3_155_760_000_000;

/** The rules of what calls take beside options. */
const someTopic: ValueRule = required({ ...someText, expects: 'the name of a topic' });
const somePartition: ValueRule = required(wholeNumber(0));
const someId: ValueRule = required(someText);
const someTime: ValueRule = required(wholeNumber(0, ADVANCE_MS_MAX));
const someDelay: ValueRule = required(milliseconds());

const anObject: ValueRule = {
  expects: 'an object',
  accepts: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

const aTopic: ValueRule = {
  expects: 'the name of a topic, or an object with topic, partitions and configs',
  accepts: (value) => (typeof value === 'string' ? value !== '' : anObject.accepts(value)),
};

const someFolder: ValueRule = {
  expects: "'memory', 'temp' or an object with folder",
  accepts: (value) => value === 'memory' || value === 'temp' || anObject.accepts(value),
};

const aSetting: ValueRule = {
  expects: 'text, a number, or true or false',
  required: true,
  accepts: (value) => ['string', 'number', 'boolean'].includes(typeof value) && !Number.isNaN(value),
};

const tlsRule: ValueRule = {
  expects: 'an object as node:tls takes it, with key and cert, or pfx',
  accepts: (value) =>
    anObject.accepts(value) &&
    ['pfx', 'SNICallback', 'cert'].some((name) => (value as Record<string, unknown>)[name] !== undefined),
};

const brokerFields: FieldRules<StartBrokerOptions> = {
  storage: someFolder,
  port: wholeNumber(0, PORT_MAX),
  config: anObject,
  transactionVersion: oneOf(0, 1, 2),
  topics: aList,
  logger: objectWith('debug', 'info', 'warn', 'error'),
  users: anObject,
  acls: aList,
  tls: tlsRule,
};
const brokerShape: Shape = {
  noun: 'option of startBroker()',
  fields: brokerFields,
  foreign: {
    brokers: 'startCluster starts several',
    host: 'a broker for tests listens on 127.0.0.1',
    partitions: 'give topics: [{ topic, partitions }]',
    sasl: 'users secures the broker',
    ssl: 'it is called tls',
  },
};

const clusterFields: FieldRules<StartClusterOptions> = {
  brokers: wholeNumber(1, BROKERS_MAX),
  config: anObject,
  racks: aList,
  topics: aList,
  logger: objectWith('debug', 'info', 'warn', 'error'),
};
const singleAlone = 'a cluster does not have it, startBroker does';
const clusterShape: Shape = {
  noun: 'option of startCluster()',
  fields: clusterFields,
  foreign: {
    storage: singleAlone,
    port: singleAlone,
    users: singleAlone,
    acls: singleAlone,
    tls: singleAlone,
    transactionVersion: singleAlone,
    partitions: 'give topics: [{ topic, partitions }]',
    replicationFactor: 'give topics: [{ topic, replicationFactor }], or the setting default.replication.factor',
  },
};

const someFolderPath: ValueRule = required({
  // The setting log.dirs names several with commas between.
  expects: 'the path of a folder, without a comma',
  accepts: (value) => someText.accepts(value) && !/[,\0]/.test(String(value)),
});
const folderShape: Shape = { noun: 'field of storage', fields: { folder: someFolderPath } };

const topicFields: FieldRules<NewTestTopic> = { topic: someTopic, partitions: wholeNumber(1), configs: anObject };
const foreignTopicFields = {
  name: 'it is called topic',
  numPartitions: 'it is called partitions',
  config: 'it is called configs',
  configEntries: 'give configs, an object of names and values',
};
const topicShape: Shape = {
  noun: 'field of a topic',
  fields: topicFields,
  foreign: { ...foreignTopicFields, replicationFactor: 'one broker has one replica; startCluster has several' },
};
const clusterTopicFields: FieldRules<NewClusterTopic> = {
  ...topicFields,
  replicationFactor: wholeNumber(1, INT16_MAX),
};
const clusterTopicShape: Shape = {
  noun: 'field of a topic',
  fields: clusterTopicFields,
  foreign: foreignTopicFields,
};

const aclFields: FieldRules<TestAcl> = {
  user: someId,
  operation: required(oneOf(...operationNames)),
  topic: someText,
  group: someText,
  transactionalId: someText,
  tokensOf: someText,
  delegationToken: someText,
  cluster: { expects: 'true', accepts: (value) => value === true },
  prefixed: aBoolean,
  deny: aBoolean,
};
const aclShape: Shape = {
  noun: 'field of a rule',
  fields: aclFields,
  foreign: { principal: 'it is called user, and is the name alone', permissionType: 'deny: true forbids' },
};
const SUBJECTS = ['topic', 'group', 'transactionalId', 'tokensOf', 'delegationToken', 'cluster'] as const;

const faultFields: FieldRules<FaultOptions> = { times: orInfinity(wholeNumber(1)), clientId: anyText };
const dropFields: FieldRules<DropOptions> = { ...faultFields, when: oneOf('before', 'after') };
const faultShapes = {
  failNext: { noun: 'option of failNext()', fields: faultFields },
  delayNext: { noun: 'option of delayNext()', fields: faultFields },
  holdNext: { noun: 'option of holdNext()', fields: faultFields },
  dropNext: { noun: 'option of dropNext()', fields: dropFields },
} as const;

/** @throws TestBrokerError `TESTING_INVALID_OPTION` */
export function checkBrokerOptions(options: StartBrokerOptions): void {
  refuseOption(
    'start a broker',
    faultOf(options, brokerShape) ??
      storageFault(options.storage) ??
      valuesFault(options.config, aSetting, 'config') ??
      topicsFault(options.topics, topicShape) ??
      valuesFault(options.users, required(someText), 'users') ??
      usersFault(options.users) ??
      firstFault(options.acls, aclFault),
  );
}

function usersFault(users: StartBrokerOptions['users']): string | undefined {
  const nameless = Object.keys(users ?? {}).some((name) => name.trim() === '');
  return nameless ? 'users has one without a name, and nobody can log in as that' : undefined;
}

/**
 * What keeps a broker for tests from starting: a name that no broker knows, too, which a running one would pass over.
 */
export function settingFaults(problems: readonly ConfigProblem[], warnings: readonly ConfigWarning[]): string {
  // What is not safe is a test's own wish.
  const passedOver = warnings.filter(({ code }) => code !== 'UNSAFE_CONFIG');
  const unknown = passedOver.map(({ message }) => message.replace('; it is passed over', ''));
  return [...problems.map(({ message }) => message), ...unknown].join('; ');
}

/** @throws TestBrokerError `TESTING_INVALID_OPTION` */
export function checkClusterOptions(options: StartClusterOptions): void {
  refuseOption(
    'start a cluster',
    faultOf(options, clusterShape) ??
      valuesFault(options.config, aSetting, 'config') ??
      racksFault(options) ??
      topicsFault(options.topics, clusterTopicShape),
  );
}

function racksFault({ racks, brokers = 3 }: StartClusterOptions): string | undefined {
  if (racks === undefined) return undefined;
  const strange = racks.findIndex((rack) => typeof rack !== 'string' || rack === '');
  if (strange >= 0) return `racks[${strange}] must be the name of a rack, not ${shown(racks[strange])}`;
  return racks.length === brokers
    ? undefined
    : `racks must name one for each of ${brokers} brokers, not ${racks.length}`;
}

/** @throws TestBrokerError `TESTING_INVALID_ARGUMENT` */
export function checkTopic(topic: string | NewTestTopic): void {
  refuseArgument('make a topic', topicFault(topic, topicShape, 'the topic'));
}

/** @throws TestBrokerError `TESTING_INVALID_ARGUMENT` */
export function checkClusterTopic(topic: string | NewClusterTopic): void {
  refuseArgument('make a topic', topicFault(topic, clusterTopicShape, 'the topic'));
}

/** The calls that order a fault. */
export type FaultCall = keyof typeof faultShapes;

/** @throws TestBrokerError `TESTING_INVALID_OPTION` */
export function checkFaultOptions(call: FaultCall, options: FaultOptions | DropOptions): void {
  refuseOption(`order a fault with ${call}`, faultOf(options, faultShapes[call]));
}

/** What is told of a call that is given more than it takes. */
export function surplus(fault: string): TestBrokerError {
  return new TestBrokerError('TESTING_INVALID_ARGUMENT', `Cannot call it: ${fault}`);
}

/** @throws TestBrokerError `TESTING_INVALID_ARGUMENT` */
export function checkDelay(delayMs: number): number {
  refuseArgument('order a fault with delayNext', valueFault(delayMs, someDelay, 'delayMs'));
  return delayMs;
}

/** @throws TestBrokerError `TESTING_INVALID_ARGUMENT` */
export function checkPartition(doing: string, topic: string, partition: number): void {
  refuseArgument(doing, valueFault(topic, someTopic, 'topic') ?? valueFault(partition, somePartition, 'partition'));
}

/** Names of groups, members and transactions. @throws TestBrokerError `TESTING_INVALID_ARGUMENT` */
export function checkIds(doing: string, ids: Readonly<Record<string, string>>): void {
  for (const [name, id] of Object.entries(ids)) refuseArgument(doing, valueFault(id, someId, name));
}

/** @throws TestBrokerError `TESTING_INVALID_ARGUMENT` */
export function checkAdvance(ms: number): void {
  refuseArgument("set the broker's clock forward", valueFault(ms, someTime, 'ms'));
}

/**
 * An API by its name.
 * @throws TestBrokerError `TESTING_UNKNOWN_API` and, where it is to fail, `TESTING_UNSUPPORTED_FAULT`
 */
export function apiNamed(name: string, isToFail: boolean): AnyApi {
  const known = [...apiByKey.values()];
  const found = known.find((api) => api.name === name);
  if (found === undefined) {
    const names = known.map((api) => api.name);
    throw new TestBrokerError(
      'TESTING_UNKNOWN_API',
      `There is no Kafka API ${shown(name)}${meant(name, names) ?? "; names are as in 'Produce', 'JoinGroup'"}`,
    );
  }
  if (!isToFail || errorAnswer(found.key) !== undefined) return found;
  throw new TestBrokerError(
    'TESTING_UNSUPPORTED_FAULT',
    `Requests of ${name} cannot be answered with an error here; use dropNext, delayNext or holdNext`,
  );
}

const someCode: ValueRule = wholeNumber(-1, INT16_MAX);

/**
 * An error by its name in the protocol or by its number.
 * @throws TestBrokerError `TESTING_INVALID_ARGUMENT` for what is no error
 */
export function errorCodeOf(error: ErrorName | number): number {
  const code: unknown = typeof error === 'string' && Object.hasOwn(ErrorCode, error) ? ErrorCode[error] : error;
  if (code === ErrorCode.NONE) {
    refuseArgument('have requests fail', 'NONE is no error: they would be answered as done, and would not be done');
  }
  if (someCode.accepts(code)) return code as number;
  const hint = meant(error, Object.keys(ErrorCode)) ?? "; errors are named as in 'NOT_LEADER_OR_FOLLOWER'";
  throw new TestBrokerError(
    'TESTING_INVALID_ARGUMENT',
    `Cannot have requests fail: there is no Kafka error ${shown(error)}${hint}`,
  );
}

function meant(given: unknown, known: readonly string[]): string | undefined {
  const nearest = typeof given === 'string' ? nearestName(given, known) : undefined;
  return nearest === undefined ? undefined : `; did you mean '${nearest}'?`;
}

function topicsFault(topics: readonly unknown[] | undefined, shape: Shape): string | undefined {
  return firstFault(topics, (topic, index) => topicFault(topic, shape, `topics[${index}]`));
}

function topicFault(topic: unknown, shape: Shape, place: string): string | undefined {
  const fault = valueFault(topic, required(aTopic), place);
  if (fault !== undefined || typeof topic === 'string') return fault;
  const { configs } = topic as NewTestTopic;
  return faultOf(topic, shape, place) ?? valuesFault(configs, aSetting, `${place}.configs`);
}

function storageFault(storage: StartBrokerOptions['storage']): string | undefined {
  return typeof storage === 'object' ? faultOf(storage, folderShape, 'storage') : undefined;
}

function aclFault(acl: unknown, index: number): string | undefined {
  const place = `acls[${index}]`;
  const fault = faultOf(acl, aclShape, place);
  if (fault !== undefined) return fault;
  const subjects = SUBJECTS.filter((name) => (acl as TestAcl)[name] !== undefined);
  if (subjects.length === 1) return undefined;
  return `${place} is about ${subjects.join(' and ') || 'nothing'}: give one of ${SUBJECTS.join(', ')}`;
}

/** What is wrong with the values of an object whose names are the test's own, such as settings. */
function valuesFault(given: object | undefined, rule: ValueRule, place: string): string | undefined {
  for (const [name, value] of Object.entries(given ?? {})) {
    const fault = valueFault(value, rule, `${place}['${name}']`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function firstFault(
  list: readonly unknown[] | undefined,
  fault: (each: unknown, index: number) => string | undefined,
): string | undefined {
  for (const [index, each] of (list ?? []).entries()) {
    const found = fault(each, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

function refuseOption(doing: string, fault: string | undefined): void {
  if (fault !== undefined) throw new TestBrokerError('TESTING_INVALID_OPTION', `Cannot ${doing}: ${fault}`);
}

function refuseArgument(doing: string, fault: string | undefined): void {
  if (fault !== undefined) throw new TestBrokerError('TESTING_INVALID_ARGUMENT', `Cannot ${doing}: ${fault}`);
}
