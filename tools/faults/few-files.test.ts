import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RUN_MS_MAX } from './expect-kept.ts';
import { canMeasureProcesses, SpawnedBroker, usageOf } from './spawned-broker.ts';

vi.setConfig({ testTimeout: RUN_MS_MAX, hookTimeout: RUN_MS_MAX });

const DESCRIPTORS_MAX = 200;
const TOPICS = 30;
const PARTITIONS = 10;

let folder: string;
let broker: SpawnedBroker | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-few-files-'));
});
afterEach(async () => {
  await broker?.kill();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!canMeasureProcesses)('a broker that may open few files', () => {
  it('serves many more partitions than that, all at once, and none has to be refused', async () => {
    broker = await SpawnedBroker.start({ folder, descriptorsMax: DESCRIPTORS_MAX });
    const topics = Array.from({ length: TOPICS }, (_, n) => `topic-${n}`);
    await using admin = new Admin({ bootstrapServers: broker.bootstrap });
    await admin.createTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS })));
    await using producer = new Producer({ bootstrapServers: broker.bootstrap });
    for (let round = 0; round < 3; round += 1) {
      const sends = topics.flatMap((topic) =>
        Array.from({ length: PARTITIONS }, (_, partition) => producer.send({ topic, partition, value: 'x' })),
      );
      for (const { offset } of await Promise.all(sends)) expect(offset).toBe(round);
      expect(usageOf(broker.pid).openFiles).toBeLessThan(DESCRIPTORS_MAX);
    }
    expect(broker.output).not.toMatch(/EMFILE|refused/);
    expect((await broker.stop()).code).toBe(0);
    broker = await SpawnedBroker.start({ folder, descriptorsMax: DESCRIPTORS_MAX });
    const ends = topics.flatMap((topic) => ({ topic, partition: PARTITIONS - 1, at: 'latest' as const }));
    await using again = new Admin({ bootstrapServers: broker.bootstrap });
    for (const { offset } of await again.listOffsets(ends)) expect(offset).toBe(3);
  });
});
