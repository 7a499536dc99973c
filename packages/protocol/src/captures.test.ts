/**
 * Frames of real sessions between foreign clients and Apache Kafka (fixtures/captures), put through our codec: what they
 * wrote, we read to the last byte, and write again as they did.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type AnyApi,
  apiByKey,
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequest,
  encodeResponse,
  encodeResponseInTurns,
} from './index.ts';

const folder = join(import.meta.dirname, '../fixtures/captures');

interface FrameLine {
  readonly api: number;
  readonly version: number;
  readonly direction: 'request' | 'response';
  readonly clientId: string | null;
  readonly base64: string;
}

const sessions = readdirSync(folder)
  .filter((file) => file.endsWith('.jsonl'))
  .map((file) => ({
    name: file.replace('.jsonl', ''),
    lines: readFileSync(join(folder, file), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as FrameLine),
  }));

/** Decodes a frame, which fails if bytes are left over, and encodes what came out; without the size in front. */
function recode(line: FrameLine): Buffer {
  const frame = Buffer.from(line.base64, 'base64');
  const api = apiByKey.get(line.api) as AnyApi;
  let chunks: Uint8Array[];
  if (line.direction === 'request') {
    const decoded = decodeRequestFrame(frame);
    expect(decoded?.header).toMatchObject({ apiKey: line.api, apiVersion: line.version, clientId: line.clientId });
    chunks = encodeRequest(api, line.version, decoded!.header, decoded!.body);
  } else {
    const decoded = decodeResponseFrame(api, line.version, frame);
    const { correlationId } = decoded.header;
    chunks = encodeResponse(api, line.version, correlationId, decoded.body);
    const inTurns = toEnd(encodeResponseInTurns(api, line.version, correlationId, decoded.body));
    expect(Buffer.concat(inTurns).equals(Buffer.concat(chunks)), label(line)).toBe(true);
  }
  return Buffer.concat(chunks).subarray(4);
}

function toEnd<T>(work: Generator<void, T>): T {
  for (let step = work.next(); ; step = work.next()) if (step.done === true) return step.value;
}

function label({ direction, api, version }: FrameLine): string {
  return `${apiByKey.get(api)?.name ?? api} v${version} ${direction}`;
}

describe.each(sessions)('a session of $name', ({ lines }) => {
  it('shows a client at work: it writes, reads, joins a group and commits', () => {
    const apis = new Set(lines.map((line) => apiByKey.get(line.api)?.name));
    const expected = ['Produce', 'Fetch', 'Metadata', 'FindCoordinator', 'JoinGroup', 'SyncGroup', 'OffsetCommit'];
    expect([...apis]).toEqual(expect.arrayContaining(expected));
  });

  it('decodes without a byte left over, and encodes to the same bytes', () => {
    for (const line of lines) {
      expect(recode(line).toString('hex'), label(line)).toBe(Buffer.from(line.base64, 'base64').toString('hex'));
    }
  });

  it('is refused when the last byte is missing, whatever the frame', () => {
    for (const line of lines) {
      const short = { ...line, base64: Buffer.from(line.base64, 'base64').subarray(0, -1).toString('base64') };
      expect(() => recode(short), label(line)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^PROTOCOL_/) }),
      );
    }
  });
});
