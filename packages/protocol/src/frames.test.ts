import { describe, expect, it } from 'vitest';
import { decodeBody, encodeBody } from './body.ts';
import { ProtocolError, type ProtocolErrorCode } from './errors.ts';
import {
  decodeRequestFrame,
  decodeRequestHeader,
  decodeResponseFrame,
  decodeResponseHeader,
  encodeRequest,
  encodeResponse,
  encodeResponseInTurns,
  requestHeaderVersion,
  responseHeaderVersion,
} from './frames.ts';
import {
  ApiVersions,
  ConsumerProtocolSubscription,
  ControlledShutdown,
  CreateTopics,
  decodeVersioned,
  encodeVersioned,
  Fetch,
  GroupMetadataKey,
  Heartbeat,
  ListOffsets,
  Metadata,
  Produce,
  Reader,
  SaslHandshake,
  versionOf,
} from './index.ts';

const header = { correlationId: 1, clientId: null };

function thrownBy(run: () => unknown): ProtocolError {
  try {
    run();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
}

function expectCode(run: () => unknown, code: ProtocolErrorCode): void {
  expect(thrownBy(run).code).toBe(code);
}

describe('headers', () => {
  it('follow from the version', () => {
    expect([requestHeaderVersion(Produce, 8), requestHeaderVersion(Produce, 9)]).toEqual([1, 2]);
    expect([responseHeaderVersion(Produce, 8), responseHeaderVersion(Produce, 9)]).toEqual([0, 1]);
    expect(requestHeaderVersion(SaslHandshake, 1)).toBe(1);
    expect(requestHeaderVersion(ControlledShutdown, 0)).toBe(0);
    expect(responseHeaderVersion(ApiVersions, 4)).toBe(0);
  });

  it('of requests are read even if nobody knows the API or the version', () => {
    const unknownApi = Buffer.from('7fff0000000000050002636c', 'hex');
    expect(decodeRequestHeader(unknownApi)).toEqual({
      apiKey: 0x7fff,
      apiVersion: 0,
      correlationId: 5,
      clientId: 'cl',
      bodyOffset: 12,
    });
    const unknownVersion = Buffer.from('00120063000000050002636c00', 'hex');
    expect(decodeRequestHeader(unknownVersion)).toMatchObject({ apiKey: 18, apiVersion: 99, bodyOffset: 13 });
  });

  it('with tagged fields of a newer peer are skipped over', () => {
    const frame = Buffer.from('000c0004000000050002636c 01 63 02 aabb ff'.replaceAll(' ', ''), 'hex');
    expect(decodeRequestHeader(frame).bodyOffset).toBe(frame.length - 1);
    const response = Buffer.from('00000005 01 63 02 aabb ff'.replaceAll(' ', ''), 'hex');
    expect(decodeResponseHeader(Heartbeat, 4, response)).toEqual({ correlationId: 5, bodyOffset: response.length - 1 });
  });

  it('that are cut off, such as those of an HTTP client, are refused', () => {
    expectCode(() => decodeRequestHeader(Buffer.from('0012', 'hex')), 'PROTOCOL_TRUNCATED');
    expectCode(() => decodeRequestHeader(Buffer.from('GET / HTTP/1.1\r\n')), 'PROTOCOL_TRUNCATED');
  });
});

describe('frames', () => {
  it('of a version that does not exist are refused before anything is written', () => {
    expectCode(
      () => encodeRequest(Produce, 99, header, { acks: 1, timeoutMs: 1, topicData: [] }),
      'PROTOCOL_UNSUPPORTED_VERSION',
    );
    expectCode(() => encodeResponse(Heartbeat, -1, 1, { errorCode: 0 }), 'PROTOCOL_UNSUPPORTED_VERSION');
    expectCode(() => encodeResponse(Heartbeat, Number.NaN, 1, { errorCode: 0 }), 'PROTOCOL_UNSUPPORTED_VERSION');
  });

  it('with bytes after the message are refused', () => {
    const frame = Buffer.concat([...encodeRequest(ApiVersions, 0, header, {}), Buffer.alloc(1)]).subarray(4);
    expectCode(() => decodeRequestFrame(frame), 'PROTOCOL_TRAILING_BYTES');
  });

  it('of an API that nobody knows are told apart from broken ones', () => {
    expect(decodeRequestFrame(Buffer.from('7fff000000000005ffff', 'hex'))).toBeUndefined();
  });

  it('name the message and the version in errors', () => {
    const frame = Buffer.from('0003000100000001ffff7fffffff', 'hex');
    const error = thrownBy(() => decodeRequestFrame(frame));
    expect(error.code).toBe('PROTOCOL_ARRAY_TOO_LONG');
    expect(error.message).toContain('MetadataRequest version 1');
    expect(error.retriable).toBe(false);
  });

  it('of a response yield behind each element of its arrays, and are the same in the end', () => {
    const partition = (partitionIndex: number) => ({ partitionIndex, errorCode: 0, offset: 7 });
    const topics = [0, 3, 200].map((length) => ({
      name: `t${length}`,
      partitions: Array.from({ length }, (_, at) => partition(at)),
    }));
    for (const version of [1, 6, 9]) {
      const work = encodeResponseInTurns(ListOffsets, version, 5, { topics });
      let yields = 0;
      let step = work.next();
      for (; step.done !== true; step = work.next()) yields += 1;
      expect(yields).toBe(3 + 203);
      expect(Buffer.concat(step.value)).toEqual(Buffer.concat(encodeResponse(ListOffsets, version, 5, { topics })));
    }
    const wrong = encodeResponseInTurns(ListOffsets, 9, 5, {
      topics: [{ name: 't', partitions: [partition(2 ** 40)] }],
    });
    expectCode(() => [...wrong], 'PROTOCOL_VALUE_OUT_OF_RANGE');
  });

  it('carry records of many pieces without copying them', () => {
    const pieces = [Buffer.alloc(4096, 1), Buffer.alloc(8192, 2)];
    const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 1, records: pieces };
    const chunks = encodeResponse(Fetch, 12, 9, { sessionId: 0, responses: [{ topic: 't', partitions: [partition] }] });
    expect(chunks).toContain(pieces[0]);
    expect(chunks).toContain(pieces[1]);
    const decoded = decodeResponseFrame(Fetch, 12, Buffer.concat(chunks).subarray(4));
    expect(decoded.body.responses[0]!.partitions[0]!.records).toEqual(Buffer.concat(pieces));
  });
});

describe('what is left out', () => {
  it('gets its default', () => {
    const bytes = encodeBody(Metadata.request, 12, {});
    expect(Metadata.request.name).toBe('MetadataRequest');
    expect(bytes.toString('hex')).toBe('00010000');
  });

  it('is the empty list where null does not exist yet', () => {
    expect(encodeBody(Metadata.request, 0, {}).toString('hex')).toBe('00000000');
  });
});

describe('what a version cannot carry', () => {
  it('is refused, and the field is named', () => {
    const body = { acks: 1, timeoutMs: 1, topicData: [], transactionalId: 'tx' };
    const error = thrownBy(() => encodeBody(Produce.request, 2, body));
    expect(error.code).toBe('PROTOCOL_FIELD_NOT_IN_VERSION');
    expect(error.message).toContain('ProduceRequest.transactionalId');
  });

  it('is dropped where it is ignorable', () => {
    const partition = { index: 0, errorCode: 0, baseOffset: 1, logStartOffset: 7, logAppendTimeMs: 8 };
    const body = { responses: [{ name: 't', partitionResponses: [partition] }], throttleTimeMs: 5 };
    expect(encodeBody(Produce.response, 0, body).toString('hex')).toBe(
      '00000001000174000000010000000000000000000000000001',
    );
  });

  it('is no matter if it is the default', () => {
    const body = { acks: 1, timeoutMs: 1, topicData: [], transactionalId: null };
    expect(encodeBody(Produce.request, 0, body).length).toBe(10);
  });

  it('is refused for null in a version without null', () => {
    expectCode(() => encodeBody(Metadata.request, 0, { topics: null }), 'PROTOCOL_NULL_NOT_ALLOWED');
  });

  it('is refused for unknown tagged fields in a version without any', () => {
    const unknownTags = [{ tag: 100, data: Buffer.alloc(1) }];
    expectCode(() => encodeBody(Heartbeat.response, 3, { errorCode: 0, unknownTags }), 'PROTOCOL_FIELD_NOT_IN_VERSION');
  });
});

describe('unknown tagged fields', () => {
  it('keep their place among the known ones', () => {
    const unknownTags = [
      { tag: 0, data: Buffer.from('00', 'hex') },
      { tag: 9, data: Buffer.from('09', 'hex') },
    ];
    const body = { replicaState: { replicaId: 1 }, maxWaitMs: 0, minBytes: 0, topics: [], unknownTags };
    const bytes = encodeBody(Fetch.request, 15, body);
    // Three tagged fields: 0 and 9 as they were given, and between them 1, the replica's state.
    expect(bytes.toString('hex').slice(-44)).toBe('03' + '000100' + '010d' + '00000001ffffffffffffffff00' + '090109');
  });

  it('survive being read and written again', () => {
    const bytes = Buffer.from('000000000000 01 63 02 aabb'.replaceAll(' ', ''), 'hex');
    const decoded = decodeBody(Heartbeat.response, 4, bytes);
    expect(decoded.unknownTags).toEqual([{ tag: 99, data: Buffer.from('aabb', 'hex') }]);
    expect(encodeBody(Heartbeat.response, 4, decoded)).toEqual(bytes);
  });
});

describe('messages with their version in front', () => {
  it('of an unknown version are refused', () => {
    const key = encodeVersioned(GroupMetadataKey, 2, { group: 'g' });
    expect(versionOf(key)).toBe(2);
    key.writeInt16BE(9);
    expectCode(() => decodeVersioned(GroupMetadataKey, key), 'PROTOCOL_UNSUPPORTED_VERSION');
  });

  it('with bytes after them are refused', () => {
    const key = Buffer.concat([encodeVersioned(GroupMetadataKey, 2, { group: 'g' }), Buffer.alloc(1)]);
    expectCode(() => decodeVersioned(GroupMetadataKey, key), 'PROTOCOL_TRAILING_BYTES');
  });

  it('of the consumer protocol are read as the newest known version if they are newer', () => {
    const newer = Buffer.concat([
      encodeVersioned(ConsumerProtocolSubscription, 3, { topics: ['t'], generationId: 4, rackId: 'r' }),
      Buffer.from('something new'),
    ]);
    newer.writeInt16BE(12);
    expect(decodeVersioned(ConsumerProtocolSubscription, newer)).toMatchObject({
      topics: ['t'],
      generationId: 4,
      rackId: 'r',
    });
  });
});

describe('a message of 20 bytes that claims two thousand million elements', () => {
  it('is refused before anything is allocated', () => {
    const absurd = Buffer.alloc(20, 0x7f);
    for (const api of [Metadata, CreateTopics, Produce, Fetch]) {
      for (let version = api.minVersion; version <= api.maxVersion; version += 1) {
        expect(() => api.request.decode(new Reader(absurd), version)).toThrow(ProtocolError);
      }
    }
  });
});
