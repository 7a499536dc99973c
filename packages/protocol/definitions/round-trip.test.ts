/**
 * What holds for every message in every version: it decodes to what was encoded, and bytes that are not a message give a typed
 * error, in time and memory that the input justifies.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBody, encodeBody } from '../src/body.ts';
import { ProtocolError } from '../src/errors.ts';
import { apiByKey, dataMessages as dataCodecs } from '../src/generated/apis.ts';
import type { AnyMessage } from '../src/message.ts';
import { arbitraryBody, versionsOf } from './arbitraries.ts';
import type { MessageDefinition } from './dsl.ts';
import { apis, dataMessages } from './index.ts';

const RUNS_PER_VERSION = 8;

interface Subject {
  readonly definition: MessageDefinition;
  readonly codec: AnyMessage;
}

const subjects: Subject[] = [
  ...apis.flatMap((api) => {
    const { request, response } = apiByKey.get(api.key)!;
    return [
      { definition: api.request, codec: request },
      { definition: api.response, codec: response },
    ];
  }),
  ...Object.values(dataMessages)
    .flat()
    .map((definition) => ({ definition, codec: dataCodecs.find(({ name }) => name === definition.name)! })),
];

const named = subjects.map((subject) => [subject.definition.name, subject] as const);

/** Runs the property for every version with a few random values each. */
function forEveryVersion({ definition }: Subject, property: (version: number, body: unknown) => void): void {
  for (const version of versionsOf(definition)) {
    fc.assert(
      fc.property(arbitraryBody(definition, version), (body) => property(version, body)),
      { numRuns: RUNS_PER_VERSION },
    );
  }
}

function decodesOrThrowsTyped(codec: AnyMessage, version: number, bytes: Buffer): void {
  try {
    const body = decodeBody(codec, version, bytes);
    // Every part of a result stands for bytes of the input; a struct with all its defaults is the largest part.
    expect(countParts(body)).toBeLessThanOrEqual(64 + 64 * bytes.length);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

function countParts(value: unknown): number {
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return 1;
  return Object.values(value).reduce((sum: number, part) => sum + countParts(part), 1);
}

describe('decoding gives what was encoded', () => {
  it.each(named)('%s', (_, subject) => {
    const { codec } = subject;
    forEveryVersion(subject, (version, body) => {
      const bytes = encodeBody(codec, version, body);
      const decoded = decodeBody(codec, version, bytes);
      expect(decoded).toEqual(body);
      // What was decoded can be encoded again, to the same bytes: a proxy changes nothing.
      expect(encodeBody(codec, version, decoded).equals(bytes)).toBe(true);
    });
  });

  it('would notice a codec that loses a value', () => {
    const [subject] = subjects;
    const forgetful = (bytes: Buffer): unknown => {
      const body = decodeBody(subject!.codec, 11, bytes) as { acks: number };
      return { ...body, acks: 1 };
    };
    const property = fc.property(arbitraryBody(subject!.definition, 11), (body) => {
      expect(forgetful(encodeBody(subject!.codec, 11, body))).toEqual(body);
    });
    expect(fc.check(property, { seed: 1 }).failed).toBe(true);
  });
});

describe('bytes that are not the message', () => {
  it.each(named)('%s cut off anywhere gives a ProtocolError', (_, subject) => {
    forEveryVersion(subject, (version, body) => {
      const bytes = encodeBody(subject.codec, version, body);
      const step = Math.max(1, Math.floor(bytes.length / 20));
      for (let end = bytes.length - 1; end >= 0; end -= step) {
        expect(() => decodeBody(subject.codec, version, bytes.subarray(0, end))).toThrow(ProtocolError);
      }
    });
  });

  it.each(named)('%s with changed bytes gives a value or a ProtocolError', (_, subject) => {
    const change = fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 0x7f, 0x80, 0xfe, 0xff)), { maxLength: 4 });
    for (const version of versionsOf(subject.definition)) {
      fc.assert(
        fc.property(arbitraryBody(subject.definition, version), change, (body, changes) => {
          const bytes = Buffer.from(encodeBody(subject.codec, version, body));
          if (bytes.length > 0) for (const [at, value] of changes) bytes[at % bytes.length] = value;
          decodesOrThrowsTyped(subject.codec, version, bytes);
        }),
        { numRuns: RUNS_PER_VERSION },
      );
    }
  });

  it.each(named)('%s: random bytes give a value or a ProtocolError', (_, subject) => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.array(fc.constantFrom(0, 1, 2, 0x7f, 0xff), { maxLength: 60 }),
    );
    for (const version of versionsOf(subject.definition)) {
      fc.assert(
        fc.property(noise, (bytes) => decodesOrThrowsTyped(subject.codec, version, Buffer.from(bytes))),
        { numRuns: RUNS_PER_VERSION },
      );
    }
  });
});
