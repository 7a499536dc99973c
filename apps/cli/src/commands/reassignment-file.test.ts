import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignmentJson, parsePlan, readElections, readTopics } from './reassignment-file.ts';

describe('a plan in a file', () => {
  it('is read as it was written', () => {
    const partitions = fc.uniqueArray(
      fc.record({
        topic: fc.constantFrom('orders', 'a.b_c-1'),
        partition: fc.nat(),
        replicas: fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 5 }),
      }),
      { selector: ({ topic, partition }) => `${topic}-${partition}` },
    );
    fc.assert(
      fc.property(partitions, (placed) => {
        expect(parsePlan(JSON.stringify(assignmentJson(placed)), 'f')).toEqual(placed);
      }),
    );
  });

  it("is read as Kafka's tool writes it", () => {
    const text = '{"version":1,"partitions":[{"topic":"foo","partition":0,"replicas":[2,1],"log_dirs":["any","any"]}]}';
    expect(parsePlan(text, 'f')).toEqual([{ topic: 'foo', partition: 0, replicas: [2, 1] }]);
    const placed = text.replace('["any","any"]', '["/data/2","any"]');
    expect(parsePlan(placed, 'f')).toEqual([
      { topic: 'foo', partition: 0, replicas: [2, 1], logDirs: ['/data/2', undefined] },
    ]);
    const json = assignmentJson([{ topic: 'foo', partition: 0, replicas: [2, 1] }]);
    expect(JSON.stringify(json)).toBe(text);
  });

  it.each([
    ['', 'it is no JSON'],
    ['[1', 'it is no JSON'],
    ['7', 'it is no JSON object'],
    ['{"version":2,"partitions":[]}', 'version 2 is not known'],
    ['{}', 'it has no list of "partitions"'],
    ['{"partitions":[null]}', 'partitions[0] is no object'],
    ['{"partitions":[{"partition":0,"replicas":[1]}]}', 'partitions[0] has no "topic"'],
    ['{"partitions":[{"topic":"t","partition":-1,"replicas":[1]}]}', 'has no "partition" of 0 or more'],
    ['{"partitions":[{"topic":"t","partition":0,"replicas":[]}]}', '("t" 0) needs "replicas"'],
    ['{"partitions":[{"topic":"t","partition":0,"replicas":["1"]}]}', '("t" 0) needs "replicas"'],
    ['{"partitions":[{"topic":"t","partition":0,"replicas":[1,1]}]}', 'names a broker twice: 1, 1'],
    ['{"partitions":[{"topic":"t","partition":0,"replicas":[1],"log_dirs":["data"]}]}', 'an absolute path or "any"'],
    ['{"partitions":[{"topic":"t","partition":0,"replicas":[1],"log_dirs":[]}]}', 'for each of "replicas"'],
    ['{"partitions":[{"topic":"t","partition":0,"replicas":[1],"log_dirs":"any"}]}', 'for each of "replicas"'],
    [
      '{"partitions":[{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":0,"replicas":[2]}]}',
      'partition 0 of "t" is there twice',
    ],
  ])('that says %s is refused with what is wrong', (text, message) => {
    expect(() => parsePlan(text, 'plan.json')).toThrow(`The plan in plan.json cannot be used: `);
    expect(() => parsePlan(text, 'plan.json')).toThrow(message);
  });
});

describe("Kafka's other files", () => {
  const stdin = (text: string): Readable => Readable.from([Buffer.from(text)]);

  it('name topics', async () => {
    expect(await readTopics('-', stdin('{"topics":[{"topic":"a"},{"topic":"b"}],"version":1}'))).toEqual(['a', 'b']);
    await expect(readTopics('-', stdin('{"topics":["a"]}'))).rejects.toThrow('standard input names no topics');
  });

  it('name partitions', async () => {
    const named = await readElections('-', stdin('{"partitions":[{"topic":"a","partition":3}]}'));
    expect(named).toEqual([{ topic: 'a', partition: 3 }]);
    await expect(readElections('-', stdin('{"partitions":[{"topic":"a"}]}'))).rejects.toThrow('names no partitions');
  });
});
