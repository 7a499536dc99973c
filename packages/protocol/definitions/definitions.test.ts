/** Holds the definitions against what Apache Kafka's own specifications say, field by field, and both ways. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { FieldDefinition, MessageDefinition } from './dsl.ts';
import { apis, dataMessages } from './index.ts';

interface ReferenceField {
  name: string;
  type: string;
  versions?: string;
  nullableVersions?: string;
  taggedVersions?: string;
  tag?: number;
  default?: unknown;
  ignorable?: boolean;
  fields?: ReferenceField[];
}

interface ReferenceMessage {
  apiKey?: number;
  type: 'request' | 'response' | 'data' | 'header';
  name: string;
  validVersions: string;
  flexibleVersions: string;
  fields: ReferenceField[];
  commonStructs?: { name: string; fields: ReferenceField[] }[];
}

const reference: ReferenceMessage[] = readFileSync(new URL('../fixtures/kafka-messages.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

/** APIs that only controllers of a KRaft quorum speak; Millrace keeps its metadata in a store of its own. */
const kraftOnly = 'spoken inside a KRaft quorum, which Millrace does not have';
/** How share coordinators keep state among brokers (KIP-932, unstable in these sources): no client calls them. */
const shareState = 'spoken between brokers for share groups, which are not stable in Kafka yet';

const leftOutApis: Readonly<Record<string, string>> = {
  Vote: kraftOnly,
  BeginQuorumEpoch: kraftOnly,
  EndQuorumEpoch: kraftOnly,
  Envelope: 'wraps requests that a broker forwards to a KRaft controller',
  FetchSnapshot: kraftOnly,
  BrokerRegistration: kraftOnly,
  BrokerHeartbeat: kraftOnly,
  ControllerRegistration: kraftOnly,
  AssignReplicasToDirs: kraftOnly,
  UpdateRaftVoter: kraftOnly,
  InitializeShareGroupState: shareState,
  ReadShareGroupState: shareState,
  WriteShareGroupState: shareState,
  DeleteShareGroupState: shareState,
  ReadShareGroupStateSummary: shareState,
};

const leftOutMessages: Readonly<Record<string, string>> = {
  RequestHeader: 'written by hand in src/frames.ts: every request has one',
  ResponseHeader: 'written by hand in src/frames.ts: every response has one',
  DefaultPrincipalData: 'travels in Envelope only',
  KRaftVersionRecord: 'in the metadata log of KRaft only',
  LeaderChangeMessage: 'in the metadata log of KRaft only',
  SnapshotFooterRecord: 'in the metadata log of KRaft only',
  SnapshotHeaderRecord: 'in the metadata log of KRaft only',
  VotersRecord: 'in the metadata log of KRaft only',
  ShareGroupCurrentMemberAssignmentKey: shareState,
  ShareGroupCurrentMemberAssignmentValue: shareState,
  ShareGroupMemberMetadataKey: shareState,
  ShareGroupMemberMetadataValue: shareState,
  ShareGroupMetadataKey: shareState,
  ShareGroupMetadataValue: shareState,
  ShareGroupPartitionMetadataKey: shareState,
  ShareGroupPartitionMetadataValue: shareState,
  ShareGroupStatePartitionMetadataKey: shareState,
  ShareGroupStatePartitionMetadataValue: shareState,
  ShareGroupTargetAssignmentMemberKey: shareState,
  ShareGroupTargetAssignmentMemberValue: shareState,
  ShareGroupTargetAssignmentMetadataKey: shareState,
  ShareGroupTargetAssignmentMetadataValue: shareState,
};

/** Versions that came with 4.0 and later: they have the fields of the last of these sources, or one more (KIP-890, KIP-1152, KIP-1166). */
const laterVersions: Readonly<Record<string, string>> = {
  FetchRequest: '0-18',
  FetchResponse: '0-18',
  ListTransactionsRequest: '0-2',
  ListTransactionsResponse: '0-2',
  ProduceRequest: '0-12',
  ProduceResponse: '0-12',
  TxnOffsetCommitRequest: '0-5',
  TxnOffsetCommitResponse: '0-5',
  WriteTxnMarkersRequest: '0-2',
  WriteTxnMarkersResponse: '0-2',
};

/** Fields that came with those, by the message and the field that they stand in; those of the message itself under its own name. */
const laterFields: Readonly<Record<string, Readonly<Record<string, ReferenceField>>>> = {
  FetchRequest: {
    Partitions: {
      name: 'HighWatermark',
      type: 'int64',
      versions: '18+',
      default: '9223372036854775807',
      taggedVersions: '18+',
      tag: 1,
      ignorable: true,
    },
  },
  ListTransactionsRequest: {
    ListTransactionsRequest: {
      name: 'TransactionalIdPattern',
      type: 'string',
      versions: '2+',
      nullableVersions: '2+',
      default: 'null',
    },
  },
  WriteTxnMarkersRequest: {
    Markers: { name: 'TransactionVersion', type: 'int8', versions: '2+', default: '0', ignorable: true },
  },
};

function withLaterFields(message: string, fields: readonly ReferenceField[]): ReferenceField[] {
  const own = laterFields[message]?.[message];
  const all = fields.map((field) => laterWithin(message, field));
  return own === undefined ? all : [...all, own];
}

function laterWithin(message: string, field: ReferenceField): ReferenceField {
  if (field.fields === undefined) return field;
  const later = laterFields[message]?.[field.name];
  const known = field.fields.map((each) => laterWithin(message, each));
  return { ...field, fields: later === undefined ? known : [...known, later] };
}

interface Fact {
  name: string;
  type: string;
  versions: string;
  nullable: string;
  tag: number | null;
  default: string;
  ignorable: boolean;
  fields: Fact[] | null;
}

/** A default in one spelling: that of the type's zero where none is named. */
function spelled(value: unknown, isNamed: boolean, type: string): string {
  if (value === null || value === 'null') return isNamed ? 'null' : '';
  if (!isNamed || value === undefined) return zeroOf(type);
  return /^(u?int|float)/.test(type) ? String(Number(value)) : String(value);
}

function zeroOf(type: string): string {
  if (/^(u?int|float)/.test(type)) return '0';
  return type === 'bool' ? 'false' : '';
}

function factOfReference(field: ReferenceField): Fact {
  return {
    name: field.name[0]!.toLowerCase() + field.name.slice(1),
    type: field.type,
    // Where a field is always tagged, Kafka's files may name its versions only once.
    versions: field.versions ?? field.taggedVersions!,
    nullable: field.nullableVersions ?? 'none',
    tag: field.tag ?? null,
    default: spelled(field.default, 'default' in field, field.type),
    ignorable: field.ignorable ?? false,
    fields: field.fields?.map(factOfReference) ?? null,
  };
}

function factOfDefinition(field: FieldDefinition): Fact {
  return {
    name: field.name,
    type: field.type,
    versions: field.versions,
    nullable: field.nullable ?? 'none',
    tag: field.tag ?? null,
    default: spelled(field.default, field.default !== undefined, field.type),
    ignorable: field.ignorable ?? false,
    fields: field.fields?.map(factOfDefinition) ?? null,
  };
}

function agrees(definition: MessageDefinition, expected: ReferenceMessage): void {
  expect(definition.name).toBe(expected.name);
  expect(definition.versions).toBe(laterVersions[expected.name] ?? expected.validVersions);
  expect(definition.flexible).toBe(expected.flexibleVersions);
  expect(definition.fields.map(factOfDefinition)).toEqual(
    withLaterFields(expected.name, expected.fields).map(factOfReference),
  );
  expect(definition.structs.map(({ name, fields }) => ({ name, fields: fields.map(factOfDefinition) }))).toEqual(
    (expected.commonStructs ?? []).map(({ name, fields }) => ({ name, fields: fields.map(factOfReference) })),
  );
}

function find(type: ReferenceMessage['type'], name: string): ReferenceMessage {
  const found = reference.find((message) => message.type === type && message.name === name);
  if (found === undefined) throw new Error(`Kafka has no ${type} ${name}.`);
  return found;
}

describe('the definitions agree with Apache Kafka', () => {
  it.each(apis.map((api) => [api.name, api] as const))('%s', (name, api) => {
    const request = find('request', `${name}Request`);
    expect(api.key).toBe(request.apiKey);
    agrees(api.request, request);
    agrees(api.response, find('response', `${name}Response`));
  });

  const messages = Object.values(dataMessages).flat();
  it.each(messages.map((message) => [message.name, message] as const))('%s', (name, message) => {
    agrees(message, find('data', name));
  });

  it('leave nothing out without saying why', () => {
    const requests = reference.filter(({ type }) => type === 'request').map(({ name }) => name.replace('Request', ''));
    expect(new Set([...apis.map(({ name }) => name), ...Object.keys(leftOutApis)])).toEqual(new Set(requests));
    const others = reference.filter(({ type }) => type === 'data' || type === 'header').map(({ name }) => name);
    expect(new Set([...messages.map(({ name }) => name), ...Object.keys(leftOutMessages)])).toEqual(new Set(others));
    expect(Object.keys(leftOutApis).filter((name) => apis.some((api) => api.name === name))).toEqual([]);
  });

  it('would notice a field that differs', () => {
    const [first, ...rest] = apis[0]!.request.fields;
    const wrong = { ...apis[0]!.request, fields: [{ ...first!, nullable: '4+' }, ...rest] };
    expect(() => agrees(wrong, find('request', 'ProduceRequest'))).toThrow();
  });
});
