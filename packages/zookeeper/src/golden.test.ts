import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { JuteReader, type JuteWriter } from './jute.ts';
import {
  decodeConnectRequest,
  decodeConnectResponse,
  decodeRequest,
  ErrorNumber,
  encodeConnectRequest,
  encodeConnectResponse,
  encodeEvent,
  encodeRequest,
  putMultiResults,
  putStat,
  type RequestBody,
  replyWriter,
  takeEvent,
  takeMultiResults,
  takeReplyHeader,
  takeStat,
  Xid,
} from './protocol.ts';

interface Recorded {
  readonly connection: number;
  readonly from: 'client' | 'server';
  readonly hex: string;
}

/** What ZooKeeper 3.8.0's command line and this client said to a server of 3.8.0, and what it said. */
const frames = readFileSync(new URL('../fixtures/zookeeper-3.8.0.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);

const withoutLength = (frame: Buffer): string => frame.subarray(4).toString('hex');

interface Conversation {
  readonly requests: Map<number, RequestBody>;
  greeted: Set<'client' | 'server'>;
}

/** Each frame with the request that it is or answers; undefined for the greeting. */
function* conversations(): Generator<{ frame: Recorded; bytes: Buffer; body: RequestBody | 'greeting' | 'event' }> {
  const open = new Map<number, Conversation>();
  for (const frame of frames) {
    const bytes = Buffer.from(frame.hex, 'hex');
    const talk: Conversation = open.get(frame.connection) ?? { requests: new Map(), greeted: new Set() };
    open.set(frame.connection, talk);
    if (!talk.greeted.has(frame.from)) {
      talk.greeted.add(frame.from);
      yield { frame, bytes, body: 'greeting' };
      continue;
    }
    const xid = bytes.readInt32BE(0);
    if (frame.from === 'server') {
      yield { frame, bytes, body: xid === Xid.NOTIFICATION ? 'event' : (talk.requests.get(xid) as RequestBody) };
      continue;
    }
    const { body } = decodeRequest(bytes);
    if (body === undefined) throw new Error(`a request of kind ${bytes.readInt32BE(4)} is not spoken`);
    talk.requests.set(xid, body);
    yield { frame, bytes, body };
  }
}

/** Reads what answers a request and writes it again. */
function again(body: RequestBody, reader: JuteReader, writer: JuteWriter): void {
  switch (body.type) {
    case 'create':
      writer.string(reader.string());
      if (body.withStat === true) putStat(writer, takeStat(reader));
      break;
    case 'get':
      putStat(writer.buffer(reader.buffer()), takeStat(reader));
      break;
    case 'set':
    case 'exists':
      putStat(writer, takeStat(reader));
      break;
    case 'children':
      writer.vector(
        reader.vector(4, () => reader.string()),
        (name) => writer.string(name),
      );
      if (body.withStat) putStat(writer, takeStat(reader));
      break;
    case 'getAcl':
      writer.vector(
        reader.vector(12, () => [reader.int(), reader.string(), reader.string()] as const),
        ([permissions, scheme, id]) => writer.int(permissions).string(scheme).string(id),
      );
      putStat(writer, takeStat(reader));
      break;
    case 'multi':
      putMultiResults(writer, takeMultiResults(reader));
      break;
    case 'sync':
      writer.string(reader.string());
      break;
  }
}

describe('what was recorded of ZooKeeper 3.8.0', () => {
  it('has what a cluster needs', () => {
    const kinds = new Set(
      [...conversations()].map(({ frame, body }) =>
        [frame.from, typeof body === 'string' ? body : body.type].join(' '),
      ),
    );
    for (const kind of [
      'create',
      'set',
      'delete',
      'get',
      'exists',
      'children',
      'multi',
      'setWatches',
      'close',
      'auth',
    ]) {
      expect([...kinds]).toContain(`client ${kind}`);
    }
    expect([...kinds]).toContain('server event');
  });

  it('is read and written to the byte, requests', () => {
    for (const { frame, bytes, body } of conversations()) {
      if (frame.from !== 'client') continue;
      const written =
        typeof body === 'string'
          ? encodeConnectRequest(decodeConnectRequest(bytes))
          : encodeRequest(bytes.readInt32BE(0), body);
      expect(withoutLength(written), frame.hex).toBe(frame.hex);
    }
  });

  it('is read and written to the byte, answers and events', () => {
    for (const { frame, bytes, body } of conversations()) {
      if (frame.from !== 'server') continue;
      if (body === 'greeting') {
        expect(withoutLength(encodeConnectResponse(decodeConnectResponse(bytes)))).toBe(frame.hex);
        continue;
      }
      const reader = new JuteReader(bytes);
      const header = takeReplyHeader(reader);
      if (typeof body === 'string') {
        expect(withoutLength(encodeEvent(takeEvent(reader), header.zxid)), frame.hex).toBe(frame.hex);
        continue;
      }
      const writer = replyWriter(header);
      if (header.error === ErrorNumber.OK) again(body, reader, writer);
      expect(withoutLength(writer.frame()), `${body.type} ${frame.hex}`).toBe(frame.hex);
      expect(reader.remaining).toBe(0);
    }
  });
});
