import {
  ApiVersions,
  decodeBody,
  decodeResponseFrame,
  ErrorCode,
  encodeRequest,
  Heartbeat,
  LeaderAndIsr,
  Metadata,
  StopReplica,
  UpdateMetadata,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { handlers } from './handlers/registry.ts';
import { BrokerUnderTest, type TestConnection } from './testing/test-broker.ts';

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
  client = test.connect();
});

afterEach(() => test.stop());

/** A frame with a header of the old kind and nothing behind it. */
function bareRequest(apiKey: number, apiVersion: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(10);
  header.writeInt16BE(apiKey, 0);
  header.writeInt16BE(apiVersion, 2);
  header.writeInt32BE(7, 4);
  header.writeInt16BE(-1, 8);
  return Buffer.concat([header, body]);
}

const ENVELOPE_KEY = 58;
/** What the codec lets a request of a stranger take. */
const STRANGERS_BYTES_MAX = 32 * 1024 * 1024;

/** What ends a header of the new kind. */
const NO_TAGS = Buffer.alloc(1);

describe('commands of controllers, which may take more memory than strangers’ requests', () => {
  const nobody = { isAllowed: () => false, isAllowedForAny: () => false };
  const junk = Buffer.alloc(64, 0x7f);

  it.each([
    [LeaderAndIsr, 2],
    [StopReplica, 1],
    [UpdateMetadata, 5],
  ] as const)('are not decoded for who may not give them: $name', async (api, version) => {
    await expect(client.sendFrame(bareRequest(api.key, version, junk))).rejects.toThrow('does not decode');
    test.authorizer = nobody;
    const answer = await test.connect().sendFrame(bareRequest(api.key, version, junk));
    const { body } = decodeResponseFrame(api as never, version, answer as Buffer);
    expect(body).toMatchObject({ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED });
  });

  it('are all of those that may', () => {
    const larger = handlers.filter(({ decodedBytesMax = 0 }) => decodedBytesMax > STRANGERS_BYTES_MAX);
    expect(larger.map(({ api }) => api.name)).toEqual(['LeaderAndIsr', 'StopReplica', 'UpdateMetadata']);
    expect(larger.filter(({ askedFirst }) => askedFirst === undefined)).toEqual([]);
  });
});

describe('ApiVersions', () => {
  it.each([0, 1, 2, 3, 4])('tells of every handler and of nothing else, in version %i', async (version) => {
    const answer = await client.ask(ApiVersions, version, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1.0',
    });
    expect(answer.errorCode).toBe(0);
    expect(answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => ({ apiKey, minVersion, maxVersion }))).toEqual(
      handlers.map(({ api, minVersion, maxVersion }) => ({ apiKey: api.key, minVersion, maxVersion })),
    );
  });

  it('lists each API once, in the order of the keys', () => {
    const keys = handlers.map(({ api }) => api.key);
    expect(keys).toEqual([...new Set(keys)].sort((a, b) => a - b));
  });

  it('answers a version that it does not know with error 35 in the layout of v0', async () => {
    const answer = await client.sendFrame(bareRequest(ApiVersions.key, 99, NO_TAGS));
    expect(answer?.readInt32BE(0)).toBe(7);
    const body = decodeBody(ApiVersions.response, 0, answer as Buffer, 4);
    expect(body.errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION);
    expect(body.apiKeys.find(({ apiKey }) => apiKey === ApiVersions.key)).toMatchObject({
      minVersion: 0,
      maxVersion: 4,
    });
  });

  it('refuses clients whose names could not stand in a log', async () => {
    const ask = (clientSoftwareName: string) =>
      client.ask(ApiVersions, 3, { clientSoftwareName, clientSoftwareVersion: '1' });
    expect((await ask('bad name\n')).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await ask('')).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await ask('apache-kafka-java')).errorCode).toBe(0);
  });
});

describe('a connection is given up, with a reason, when a client sends', () => {
  const codeOf = async (frame: Buffer): Promise<unknown> => {
    try {
      await client.sendFrame(frame);
      return undefined;
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
  };

  it('an API that nobody knows, or that is not served', async () => {
    expect(await codeOf(bareRequest(999, 0))).toBe('BROKER_UNKNOWN_API');
    // With ZooKeeper nobody forwards requests, and a broker of Kafka closes the connection too.
    expect(await codeOf(bareRequest(ENVELOPE_KEY, 0))).toBe('BROKER_UNKNOWN_API');
  });

  it('a version that is not served', async () => {
    expect(await codeOf(bareRequest(Heartbeat.key, 99, NO_TAGS))).toBe('BROKER_UNSUPPORTED_VERSION');
    expect(await codeOf(bareRequest(Heartbeat.key, -1))).toBe('BROKER_UNSUPPORTED_VERSION');
  });

  it('a body that does not decode, or has more than it should', async () => {
    expect(await codeOf(bareRequest(Heartbeat.key, 0))).toBe('BROKER_MALFORMED_REQUEST');
    // An array that claims two billion entries in a request of twenty bytes.
    expect(await codeOf(bareRequest(Metadata.key, 1, Buffer.from([0x7f, 0xff, 0xff, 0xff])))).toBe(
      'BROKER_MALFORMED_REQUEST',
    );
  });

  it('less than a header', async () => {
    expect(await codeOf(Buffer.alloc(3))).toBe('BROKER_MALFORMED_REQUEST');
    expect(await codeOf(Buffer.alloc(0))).toBe('BROKER_MALFORMED_REQUEST');
  });
});

describe('a request', () => {
  it('is answered with its own correlation id and in its own version', async () => {
    const frame = Buffer.concat(encodeRequest(Metadata, 9, { correlationId: 4711, clientId: null }, { topics: [] }));
    const answer = await client.sendFrame(frame.subarray(4));
    const { header, body } = decodeResponseFrame(Metadata, 9, answer as Buffer);
    expect(header.correlationId).toBe(4711);
    expect(body.clusterId).toBe(test.broker.services.clusterId);
  });
});
