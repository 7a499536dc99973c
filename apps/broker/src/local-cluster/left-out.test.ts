import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryMetadataStore } from '@millrace/metadata';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refuseLeftOut } from './left-out.ts';

let folder: string;
let store: MemoryMetadataStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-left-out-'));
  store = new MemoryMetadataStore();
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

const members = (...ids: number[]): Promise<unknown> =>
  Promise.all(ids.map((id) => mkdir(join(folder, `__millrace_broker_${id}`))));

/** Topics by their names, with the replicas of each of their partitions. */
async function topics(assignments: Readonly<Record<string, readonly (readonly number[])[]>>): Promise<void> {
  await store.create('/brokers', Buffer.alloc(0));
  await store.create('/brokers/topics', Buffer.alloc(0));
  for (const [name, partitions] of Object.entries(assignments)) {
    const node = { version: 2, partitions: Object.fromEntries(partitions.entries()) };
    await store.create(`/brokers/topics/${name}`, Buffer.from(JSON.stringify(node)));
  }
}

const refusal = (brokers: number): Promise<string | undefined> =>
  refuseLeftOut(store, folder, brokers).then(
    () => undefined,
    (error: Error) => error.message,
  );

describe('a start of fewer brokers than a folder has', () => {
  it('is refused while others hold replicas, and says whose and how they leave', async () => {
    await members(2, 3, 4, 5, 10);
    await topics({ a: [[1, 4]], b: [[1, 2]], c: [[5, 10]], d: [[4]], e: [[5]] });
    const message = await refusal(3);
    expect(message).toMatch(/^Brokers 4, 5, 10 of the cluster in .* hold replicas \(of a, d, c and 1 more\)/);
    expect(message).toContain('Start with --brokers 10;');
    expect(message).toContain('--all-topics --brokers 1-3`');
    expect(await refusal(10)).toBeUndefined();
  });

  it('is not refused when these hold none any more, or none have been here', async () => {
    await topics({ a: [[1, 2]], b: [[7]] });
    expect(await refusal(1)).toBeUndefined();
    await members(2, 3);
    expect(await refusal(2)).toBeUndefined();
    expect(await refusal(1)).toMatch(/^Broker 2 .* holds .* is not .*--brokers 1 --replication-factor 1`/);
  });

  it('is not refused on a new folder', async () => {
    expect(await refusal(3)).toBeUndefined();
  });
});
