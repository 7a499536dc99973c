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

describe.each([
  ['assigned', (engine: ConsumerEngine) => engine.assign([0, 1, 2].map((partition) => ({ topic: 't', partition })))],
  ['subscribed', (engine: ConsumerEngine) => engine.subscribe(['t'])],
])('a partition that is %s and has no leader', (_name, read) => {
  const OFFLINE =
    /^warn Cannot read partition 1 of topic "t": it has no leader \(LEADER_NOT_AVAILABLE\)\. Start .*other partitions are read meanwhile$/;

  function withoutLeader(hasLogger = true): { harness: Harness; engine: ConsumerEngine } {
    const harness = newHarness();
    const logs = harness.cluster.createTopic('t', 3);
    for (const [index, log] of logs.entries()) log.append([`r${index}`]);
    logs[1]?.elect(-1);
    const engine = harness.engine({ groupId: 'g', autoOffsetReset: 'earliest', logger }, hasLogger);
    read(engine);
    return { harness, engine };
  }

  it('holds up no other, is told after a second, counted once, and read once it has one again, which is told', async () => {
    const { harness, engine } = withoutLeader();
    const { records } = collect(engine);
    await harness.clock.advanceAsync(900);
    expect([...records].sort()).toEqual(['t-0@0=r0', 't-2@0=r2']);
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([]);
    await harness.clock.advanceAsync(4_000);
    expect(told('partition 1')).toEqual([expect.stringMatching(OFFLINE)]);
    await harness.clock.advanceAsync(130_000);
    expect(told('partition 1')).toHaveLength(3);
    expect(lines.filter((line) => line.startsWith('warn'))).toHaveLength(3);
    expect(collectMetrics(engine).missingTopics).toBe(1);
    harness.cluster.log('t', 1).elect(2);
    await harness.until('it is read', () => records.includes('t-1@0=r1'));
    expect(told('partition 1').at(-1)).toBe('info partition 1 of topic "t" has a leader again');
    await close(harness, engine);
  });

  it("is told once by a warning of Node's where there is no logger", async () => {
    const { harness, engine } = withoutLeader(false);
    await harness.clock.advanceAsync(130_000);
    const type = { type: 'MillraceWarning', code: 'MILLRACE_PARTITION_OFFLINE' };
    expect(warnings).toEqual([
      [expect.stringMatching(/^Cannot read partition 1 of topic "t": it has no leader/), type],
    ]);
    await close(harness, engine);
  });
});
