/**
 * What the brokers of an Apache Kafka 3.9.1 cluster in ZooKeeper mode said to one another (fixtures/inter-broker.jsonl.br), with the
 * inter.broker.protocol.version at 3.9, 2.8 and 2.6: every frame is read to its last byte, no field of it by nobody, and written again as
 * it was.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type AnyApi,
  apiByKey,
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequest,
  encodeResponse,
} from './index.ts';

/** Scenario, API, version, sender, receiver, request and response in hex; the response null where there is none, or not all of it. */
type Exchange = readonly [string, number, number, number, number, string, string | null];

const exchanges = brotliDecompressSync(readFileSync(join(import.meta.dirname, '../fixtures/inter-broker.jsonl.br')))
  .toString()
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Exchange);

/** What is bytes by the protocol: the records of a partition. */
const OPAQUE = new Set(['records']);

/** Fails on what would be carried, and nobody would have read it, however deep: fields without a name, and bytes in the place of a structure. */
function expectNamed(value: unknown, label: string): void {
  if (typeof value !== 'object' || value === null) return;
  expect(value, label).not.toHaveProperty('unknownTags');
  for (const [name, each] of Object.entries(value)) {
    if (ArrayBuffer.isView(each)) expect(OPAQUE, `${name} in ${label}`).toContain(name);
    else expectNamed(each, label);
  }
}

describe('frames between the brokers of Apache Kafka', () => {
  const byApi = Map.groupBy(exchanges, ([, key, version]) => `${apiByKey.get(key)?.name} v${version}`);

  it.each([...byApi])(
    '%s: all fields of requests and responses have names, and encode to the same bytes',
    (label, all) => {
      for (const [scenario, key, version, , , request, response] of all) {
        const where = `${label} in ${scenario}`;
        const api = apiByKey.get(key) as AnyApi;
        const decoded = decodeRequestFrame(Buffer.from(request, 'hex'));
        expect(decoded?.header, where).toMatchObject({ apiKey: key, apiVersion: version });
        expectNamed(decoded?.body, where);
        const again = Buffer.concat(encodeRequest(api, version, decoded!.header, decoded!.body)).subarray(4);
        expect(again.toString('hex'), where).toBe(request);
        if (response === null) continue;
        const answer = decodeResponseFrame(api, version, Buffer.from(response, 'hex'));
        expectNamed(answer.body, where);
        const answeredAgain = encodeResponse(api, version, answer.header.correlationId, answer.body);
        expect(Buffer.concat(answeredAgain).subarray(4).toString('hex'), where).toBe(response);
      }
    },
  );

  it('are those of every API that brokers use among themselves', () => {
    const keys = new Set(exchanges.map(([, key]) => key));
    expect([...keys].sort((a, b) => a - b)).toEqual([1, 2, 4, 5, 6, 7, 18, 23, 24, 27, 56, 67]);
  });
});
