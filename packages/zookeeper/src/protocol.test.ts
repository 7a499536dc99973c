import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameCutter, JuteReader } from './jute.ts';
import {
  type Acl,
  decodeConnectRequest,
  decodeConnectResponse,
  decodeRequest,
  encodeConnectRequest,
  encodeConnectResponse,
  encodeRequest,
  type MultiResult,
  putMultiResults,
  type RequestBody,
  replyWriter,
  takeMultiResults,
  takeReplyHeader,
  type WireStat,
  type WriteBody,
} from './protocol.ts';

const zxid = fc.maxSafeNat();
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const id = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const text = fc.string({ maxLength: 40, unit: 'grapheme' });
const acl: fc.Arbitrary<Acl> = fc.record({ permissions: int, scheme: text, id: text });
const version = int;

const write: fc.Arbitrary<WriteBody> = fc.oneof(
  fc.record({
    type: fc.constant('create' as const),
    path: text,
    data: bytes,
    acl: fc.array(acl, { maxLength: 3 }),
    ephemeral: fc.boolean(),
    sequential: fc.boolean(),
    withStat: fc.constant(false),
  }),
  fc.record({ type: fc.constant('delete' as const), path: text, version }),
  fc.record({ type: fc.constant('check' as const), path: text, version }),
  fc.record({ type: fc.constant('set' as const), path: text, data: bytes, version }),
);
const paths = fc.array(text, { maxLength: 5 });
const body: fc.Arbitrary<RequestBody> = fc.oneof(
  write,
  fc.record({ type: fc.constantFrom('get' as const, 'exists' as const), path: text, watch: fc.boolean() }),
  fc.record({ type: fc.constant('children' as const), path: text, watch: fc.boolean(), withStat: fc.boolean() }),
  fc.record({ type: fc.constant('multi' as const), operations: fc.array(write, { maxLength: 6 }) }),
  fc.record({ type: fc.constantFrom('sync' as const, 'getAcl' as const), path: text }),
  fc.record({ type: fc.constant('setAcl' as const), path: text, acl: fc.array(acl, { maxLength: 3 }), version }),
  fc.record({ type: fc.constant('auth' as const), scheme: text, auth: bytes }),
  fc.record({
    type: fc.constant('setWatches' as const),
    relativeZxid: zxid,
    watches: fc.record({ data: paths, exist: paths, children: paths }),
  }),
  fc.record({ type: fc.constantFrom('ping' as const, 'close' as const) }),
);
const stat: fc.Arbitrary<WireStat> = fc.record({
  czxid: zxid,
  mzxid: zxid,
  createdMs: zxid,
  modifiedMs: zxid,
  version: int,
  childrenVersion: int,
  ephemeralOwner: fc.option(
    id.filter((each) => !/^0+$/.test(each)),
    { nil: undefined },
  ),
  dataBytes: int,
  childCount: int,
  pzxid: zxid,
});

describe('a request', () => {
  it('says the same when it has been read', () => {
    fc.assert(
      fc.property(int, body, (xid, asked) => {
        const frame = encodeRequest(xid, asked);
        expect(frame.readInt32BE(0)).toBe(frame.length - 4);
        expect(decodeRequest(frame.subarray(4))).toEqual({ xid, body: asked });
      }),
    );
  });

  it('that is cut short, or is noise, is refused and nothing else', () => {
    fc.assert(
      fc.property(body, fc.nat(400), fc.uint8Array({ maxLength: 60 }), (asked, length, noise) => {
        const frame = encodeRequest(1, asked).subarray(4);
        for (const bad of [frame.subarray(0, Math.min(length, frame.length - 1)), Buffer.from(noise)]) {
          try {
            decodeRequest(bad);
          } catch (error) {
            expect(error).toMatchObject({ code: 'ZOOKEEPER_MALFORMED_FRAME' });
          }
        }
      }),
    );
  });

  it('that announces more than it has takes no memory for it', () => {
    const frame = Buffer.alloc(24);
    frame.writeInt32BE(101, 4);
    frame.writeInt32BE(0x7fff_ffff, 16);
    expect(() => decodeRequest(frame)).toThrow(expect.objectContaining({ code: 'ZOOKEEPER_MALFORMED_FRAME' }));
  });

  // What zkCli.sh of ZooKeeper 3.8.0 sent for the commands beside it.
  const open: Acl[] = [{ permissions: 31, scheme: 'world', id: 'anyone' }];
  const create = { type: 'create', path: '/a', data: Buffer.from('x'), acl: open, withStat: false } as const;
  it.each<[string, string, number, RequestBody]>([
    [
      'create -e /a x',
      '000000320000000100000001000000022f610000000178000000010000001f00000005776f726c6400000006616e796f6e6500000001',
      1,
      { ...create, ephemeral: true, sequential: false },
    ],
    ['ls /', '0000000e000000020000000c000000012f00', 2, { type: 'children', path: '/', watch: false, withStat: true }],
    ['get /a', '0000000f0000000300000004000000022f6100', 3, { type: 'get', path: '/a', watch: false }],
    [
      'set /a y',
      '000000170000000400000005000000022f610000000179ffffffff',
      4,
      { type: 'set', path: '/a', data: Buffer.from('y'), version: -1 },
    ],
    ['stat /a', '0000000f0000000500000003000000022f6100', 5, { type: 'exists', path: '/a', watch: false }],
    [
      'create -s /s_ z',
      '000000330000000600000001000000032f735f000000017a000000010000001f00000005776f726c6400000006616e796f6e6500000002',
      6,
      { ...create, path: '/s_', data: Buffer.from('z'), ephemeral: false, sequential: true },
    ],
    ['getAcl /a', '0000000e0000000700000006000000022f61', 7, { type: 'getAcl', path: '/a' }],
    ['delete /n', '000000120000000a00000002000000022f6effffffff', 10, { type: 'delete', path: '/n', version: -1 }],
    ['quit', '000000080000000bfffffff5', 11, { type: 'close' }],
  ])('is what a real client says with %s', (_, hex, xid, body) => {
    const frame = Buffer.from(hex, 'hex');
    expect(decodeRequest(frame.subarray(4))).toEqual({ xid, body });
    expect(encodeRequest(xid, body).toString('hex')).toBe(hex);
  });
});

describe('the answers', () => {
  it('of a multi say the same when they have been read', () => {
    const result: fc.Arbitrary<MultiResult> = fc.oneof(
      fc.record({ type: fc.constant('create' as const), path: text }),
      fc.record({ type: fc.constant('set' as const), stat }),
      fc.record({ type: fc.constantFrom('delete' as const, 'check' as const) }),
      fc.record({ type: fc.constant('error' as const), error: int }),
    );
    fc.assert(
      fc.property(fc.array(result, { maxLength: 6 }), int, zxid, int, (results, xid, at, error) => {
        const writer = replyWriter({ xid, zxid: at, error });
        putMultiResults(writer, results);
        const reader = new JuteReader(writer.frame().subarray(4));
        expect(takeReplyHeader(reader)).toEqual({ xid, zxid: at, error });
        expect(takeMultiResults(reader)).toEqual(results);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('to a greeting say the same when they have been read, both ways', () => {
    fc.assert(
      fc.property(zxid, int, id, bytes, (lastZxidSeen, timeoutMs, sessionId, password) => {
        const request = { lastZxidSeen, timeoutMs, sessionId, password };
        expect(decodeConnectRequest(encodeConnectRequest(request).subarray(4))).toEqual(request);
        const response = { timeoutMs, sessionId, password };
        expect(decodeConnectResponse(encodeConnectResponse(response).subarray(4))).toEqual(response);
      }),
    );
  });
});

describe('a byte stream', () => {
  it('gives the same frames however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 5 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 50 })),
        (bodies, cuts) => {
          const stream = Buffer.concat(bodies.map((each) => encodeRequest(7, each)));
          const cutter = new FrameCutter(100_000);
          const frames: Buffer[] = [];
          for (let at = 0; at < stream.length; ) {
            const length = cuts.next().value as number;
            cutter.push(stream.subarray(at, at + length));
            at += length;
            for (let frame = cutter.next(); frame !== undefined; frame = cutter.next()) frames.push(frame);
          }
          expect(frames.map((frame) => decodeRequest(frame).body)).toEqual(bodies);
        },
      ),
    );
  });

  it('that announces a frame larger than allowed, or of negative length, is refused', () => {
    for (const hex of ['7fffffff', 'ffffffff']) {
      const cutter = new FrameCutter(100);
      cutter.push(Buffer.from(hex, 'hex'));
      expect(() => cutter.next()).toThrow(expect.objectContaining({ code: 'ZOOKEEPER_FRAME_TOO_LARGE' }));
    }
  });
});
