/** Topics that are not there, as a whole engine meets them in a cluster made up for tests. */
import type { Logger } from '@millrace/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConsumerEngine } from './engine.ts';
import { collectMetrics } from './metrics.ts';
import { collect, type Harness, newHarness } from './testing/harness.ts';

const emitWarning = process.emitWarning;
let warnings: unknown[][];
let lines: string[];
const logger: Logger = {
  debug() {},
  info: (_fields, message) => void lines.push(`info ${message}`),
  warn: (_fields, message) => void lines.push(`warn ${message}`),
  error: (_fields, message) => void lines.push(`error ${message}`),
};

beforeEach(() => {
  warnings = [];
  lines = [];
  process.emitWarning = ((...given: unknown[]) => void warnings.push(given)) as typeof process.emitWarning;
});
afterEach(() => {
  process.emitWarning = emitWarning;
});

const told = (what: string): string[] => lines.filter((line) => line.includes(what));
const MISSING = /^warn Cannot read topic "nope": it does not exist\. .*It is asked for again until it is there$/;

/** The ways to read, each of a topic that may not be there. */
const READ: readonly [string, (engine: ConsumerEngine) => void][] = [
  ['subscribed', (engine) => engine.subscribe(['t', 'nope'])],
  [
    'assigned',
    (engine) =>
      engine.assign([
        { topic: 't', partition: 0 },
        { topic: 'nope', partition: 0 },
      ]),
  ],
];

function reader(harness: Harness, read: (engine: ConsumerEngine) => void, hasLogger = true): ConsumerEngine {
  harness.cluster.autoCreates = false;
  harness.cluster.createTopic('t', 1)[0]?.append(['a']);
  const engine = harness.engine({ groupId: 'g', autoOffsetReset: 'earliest', logger }, hasLogger);
  read(engine);
  return engine;
}

async function close(harness: Harness, engine: ConsumerEngine): Promise<void> {
  const closing = engine.close(1_000);
  await harness.clock.advanceAsync(5_000);
  await closing;
}

describe.each(READ)('a topic that is %s and does not exist', (_name, read) => {
  it('is told within seconds, again each minute and no more, and counted once; and that it is there', async () => {
    const harness = newHarness();
    const engine = reader(harness, read);
    const { records } = collect(engine);
    await harness.clock.advanceAsync(900);
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([]);
    await harness.clock.advanceAsync(4_000);
    expect(told('nope')).toEqual([expect.stringMatching(MISSING)]);
    expect(records).toEqual(['t-0@0=a']);
    await harness.clock.advanceAsync(130_000);
    expect(told('nope')).toHaveLength(3);
    expect(collectMetrics(engine).missingTopics).toBe(1);
    expect(warnings).toEqual([]);
    harness.cluster.createTopic('nope', 1)[0]?.append(['b']);
    await harness.until('it is read', () => records.includes('nope-0@0=b'));
    expect(told('nope').at(-1)).toBe('info topic "nope" is there now');
    await close(harness, engine);
  });

  it("is told once by a warning of Node's where there is no logger", async () => {
    const harness = newHarness();
    const engine = reader(harness, read, false);
    await harness.clock.advanceAsync(130_000);
    const type = { type: 'MillraceWarning', code: 'MILLRACE_TOPIC_MISSING' };
    expect(warnings).toEqual([[expect.stringMatching(/^Cannot read topic "nope": it does not exist/), type]]);
    await close(harness, engine);
  });

  it('is told of only when it was missing for longer than a moment', async () => {
    const harness = newHarness();
    const engine = reader(harness, read);
    await harness.clock.advanceAsync(500);
    harness.cluster.createTopic('nope', 1);
    await harness.clock.advanceAsync(70_000);
    expect(told('nope')).toEqual([]);
    expect(collectMetrics(engine).missingTopics).toBe(0);
    await close(harness, engine);
  });
});

it('tells of a partition that a topic does not have', async () => {
  const harness = newHarness();
  const engine = reader(harness, (one) => one.assign([{ topic: 't', partition: 7 }]));
  await harness.clock.advanceAsync(10_000);
  expect(told('partition 7')).toEqual([
    'warn Cannot read partition 7 of topic "t": the topic has partition 0 alone. It is asked for again until it is there',
  ]);
  await close(harness, engine);
});
