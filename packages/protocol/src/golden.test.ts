/**
 * Bytes worked out by hand from Kafka's protocol guide (https://kafka.apache.org/protocol), byte by byte: what the codec writes must
 * not be judged by the codec alone. Frames of real clients are in `captures.test.ts`.
 */
import { describe, expect, it } from 'vitest';
import { decodeRequestFrame, decodeResponseFrame, encodeRequest, encodeResponse } from './frames.ts';
import {
  ApiVersions,
  ControlledShutdown,
  Fetch,
  Metadata,
  OffsetCommitKey,
  OffsetCommitValue,
  Produce,
} from './index.ts';
import type { Api } from './message.ts';
import { decodeVersioned, encodeVersioned } from './versioned.ts';

const bytes = (...hex: string[]): Buffer => Buffer.from(hex.join('').replaceAll(' ', ''), 'hex');

function withSize(body: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

function requestIs<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  body: ReqInput,
  frame: Buffer,
): void {
  const header = { correlationId: 7, clientId: 'cl' };
  expect(Buffer.concat(encodeRequest(api, version, header, body)).toString('hex')).toBe(
    withSize(frame).toString('hex'),
  );
  expect(decodeRequestFrame(frame)).toMatchObject({ api, header: { correlationId: 7, apiVersion: version }, body });
}

function responseIs<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  body: ResInput,
  frame: Buffer,
): void {
  expect(Buffer.concat(encodeResponse(api, version, 7, body)).toString('hex')).toBe(withSize(frame).toString('hex'));
  expect(decodeResponseFrame(api, version, frame)).toMatchObject({ header: { correlationId: 7 }, body });
}

describe('requests', () => {
  it('ApiVersions 0 is a header alone', () => {
    requestIs(ApiVersions, 0, {}, bytes('0012', '0000', '00000007', '0002 636c'));
  });

  it('ApiVersions 3 has a flexible header, with the client id in its old form', () => {
    const body = { clientSoftwareName: 'mill', clientSoftwareVersion: '1.0' };
    const header = bytes('0012', '0003', '00000007', '0002 636c', '00');
    requestIs(ApiVersions, 3, body, Buffer.concat([header, bytes('05 6d696c6c', '04 312e30', '00')]));
  });

  it('Metadata 0 asks for topics by name', () => {
    const body = { topics: [{ name: 'a' }, { name: 'bc' }] };
    requestIs(Metadata, 0, body, bytes('0003 0000 00000007 0002 636c', '00000002', '0001 61', '0002 6263'));
  });

  it('Metadata 12 asks for all topics with null', () => {
    const body = { topics: null, allowAutoTopicCreation: true, includeTopicAuthorizedOperations: false };
    requestIs(Metadata, 12, body, bytes('0003 000c 00000007 0002 636c 00', '00', '01', '00', '00'));
  });

  it('Metadata 12 asks for a topic by id', () => {
    const body = { topics: [{ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', name: null }], allowAutoTopicCreation: false };
    const topic = ['00000000000000000000000000000001', '00', '00'];
    requestIs(Metadata, 12, body, bytes('0003 000c 00000007 0002 636c 00', '02', ...topic, '00', '00', '00'));
  });

  it('Produce 3 carries record batches with an int32 in front', () => {
    const records = Buffer.from('010203', 'hex');
    const body = {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ name: 't', partitionData: [{ index: 5, records }] }],
    };
    const topic = ['0001 74', '00000001', '00000005', '00000003 010203'];
    requestIs(
      Produce,
      3,
      body,
      bytes('0000 0003 00000007 0002 636c', 'ffff', 'ffff', '00007530', '00000001', ...topic),
    );
  });

  it('Fetch 12 keeps what has a default in tagged fields', () => {
    const body = { replicaId: -1, maxWaitMs: 500, minBytes: 1, maxBytes: 1024, isolationLevel: 1, topics: [] };
    const fields = [
      'ffffffff',
      '000001f4',
      '00000001',
      '00000400',
      '01',
      '00000000',
      'ffffffff',
      '01',
      '01',
      '01',
      '00',
    ];
    requestIs(Fetch, 12, body, bytes('0001 000c 00000007 0002 636c 00', ...fields));
    const clusterId = ['ffffffff', '000001f4', '00000001', '00000400', '01', '00000000', 'ffffffff', '01', '01', '01'];
    const tagged = ['01', '00', '03', '03 6964'];
    requestIs(
      Fetch,
      12,
      { ...body, clusterId: 'id' },
      bytes('0001 000c 00000007 0002 636c 00', ...clusterId, ...tagged),
    );
  });

  it('ControlledShutdown 0 has no client id', () => {
    const frame = bytes('0007 0000 00000007', '00000003');
    const [encoded] = encodeRequest(ControlledShutdown, 0, { correlationId: 7, clientId: 'cl' }, { brokerId: 3 });
    expect(Buffer.from(encoded!).subarray(4)).toEqual(frame);
    expect(decodeRequestFrame(frame)).toMatchObject({ header: { clientId: null }, body: { brokerId: 3 } });
  });
});

describe('responses', () => {
  it('ApiVersions 3 has the oldest header, so that any client can read it', () => {
    const body = { errorCode: 0, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }], throttleTimeMs: 0 };
    responseIs(ApiVersions, 3, body, bytes('00000007', '0000', '02', '0012 0000 0004 00', '00000000', '00'));
  });

  it('ApiVersions 3 has features in tagged fields', () => {
    const body = {
      errorCode: 0,
      apiKeys: [],
      supportedFeatures: [{ name: 'f', minVersion: 1, maxVersion: 2 }],
      finalizedFeaturesEpoch: 9,
    };
    const tags = ['02', '00 08 02 02 66 0001 0002 00', '01 08 0000000000000009'];
    responseIs(ApiVersions, 3, body, bytes('00000007', '0000', '01', '00000000', ...tags));
  });

  it('an ApiVersions request of an unknown version is answered in version 0', () => {
    const frame = bytes('00000007', '0023', '00000001', '0012 0000 0004');
    expect(decodeResponseFrame(ApiVersions, 4, frame).body).toMatchObject({
      errorCode: 35,
      apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
    });
  });

  it('Produce 8 names the records that were refused', () => {
    const partition = { index: 1, errorCode: 87, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: 0 };
    const recordErrors = [{ batchIndex: 2, batchIndexErrorMessage: null }];
    const body = {
      responses: [{ name: 't', partitionResponses: [{ ...partition, recordErrors, errorMessage: 'no' }] }],
      throttleTimeMs: 3,
    };
    const offsets = ['ffffffffffffffff', 'ffffffffffffffff', '0000000000000000'];
    const errors = ['00000001', '00000002', 'ffff', '0002 6e6f'];
    responseIs(
      Produce,
      8,
      body,
      bytes('00000007', '00000001 0001 74', '00000001 00000001 0057', ...offsets, ...errors, '00000003'),
    );
  });
});

describe('records of internal topics', () => {
  it('OffsetCommitKey has its version in front', () => {
    const key = { group: 'g', topic: 't', partition: 2 };
    const encoded = bytes('0001', '0001 67', '0001 74', '00000002');
    expect(encodeVersioned(OffsetCommitKey, 1, key)).toEqual(encoded);
    expect(decodeVersioned(OffsetCommitKey, encoded)).toEqual(key);
  });

  it('OffsetCommitValue 3 is what Kafka has written since 2.1', () => {
    const value = { offset: 258, leaderEpoch: -1, metadata: '', commitTimestamp: 1 };
    const encoded = bytes('0003', '0000000000000102', 'ffffffff', '0000', '0000000000000001');
    expect(encodeVersioned(OffsetCommitValue, 3, value)).toEqual(encoded);
    expect(decodeVersioned(OffsetCommitValue, encoded)).toMatchObject(value);
  });
});
