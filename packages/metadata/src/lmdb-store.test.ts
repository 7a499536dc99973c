import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@millrace/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LmdbMetadataStore } from './lmdb-store.ts';
import type { Operation } from './store.ts';
import { testLocker } from './test-locker.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-metadata-'));
});
afterEach(() => rm(folder, { recursive: true }));

const open = (): Promise<LmdbMetadataStore> =>
  LmdbMetadataStore.open({ folder, disk: testLocker(), clock: new ManualClock() });

describe('the LMDB engine', () => {
  it('finds everything again after it was closed, with the same stats', async () => {
    const before = await open();
    await before.create('/a', Buffer.from('one'));
    await before.create('/a/s_', Buffer.alloc(0), { sequential: true });
    await before.create('/a/gone', Buffer.alloc(0));
    await before.delete('/a/gone', 'any');
    await before.set('/a', Buffer.from([0x7b, 0x00, 0xff, 0x80, 0xc3, 0x28]), 'any');
    const content = await before.get('/a');
    await before.close();

    const after = await open();
    expect(await after.get('/a')).toEqual(content);
    expect(await after.children('/a')).toEqual(['s_0000000000']);
    expect(await after.create('/a/s_', Buffer.alloc(0), { sequential: true })).toBe('/a/s_0000000002');
    expect((await after.get('/a/s_0000000002')).stat.czxid).toBeGreaterThan(content.stat.mzxid);
    await after.close();
  });

  it('forgets the ephemeral nodes of a process that is gone, and numbers new ones higher', async () => {
    const dead = await open();
    await dead.create('/ids', Buffer.alloc(0));
    await dead.create('/ids/1', Buffer.alloc(0), { ephemeral: true });
    const epoch = (await dead.get('/ids/1')).stat.czxid;
    // A second look at the files, as they would be found after a crash at this point.
    const restarted = await open();
    expect(await restarted.children('/ids')).toEqual([]);
    await restarted.create('/ids/1', Buffer.alloc(0), { ephemeral: true });
    expect((await restarted.get('/ids/1')).stat.czxid).toBeGreaterThan(epoch);
    await restarted.close();
    await dead.close();
  });

  it('has one opener at a time and says who is in the way', async () => {
    const disk = testLocker();
    const first = await LmdbMetadataStore.open({ folder, disk });
    await expect(LmdbMetadataStore.open({ folder, disk })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await first.close();
    await (await LmdbMetadataStore.open({ folder, disk })).close();
  });

  it('loads tens of thousands of nodes', async () => {
    const before = await open();
    await before.create('/topics', Buffer.alloc(0));
    const topics = Array.from({ length: 10_000 }, (_, index) => `/topics/topic-${index}`);
    for (let at = 0; at < topics.length; at += 1000) {
      const data = Buffer.from('{"version":1,"leader":1,"leader_epoch":0,"controller_epoch":1,"isr":[1]}');
      await before.multi(
        topics.slice(at, at + 1000).flatMap((path): Operation[] => [
          { type: 'create', path, data },
          { type: 'create', path: `${path}/0`, data },
        ]),
      );
    }
    await before.close();
    const after = await open();
    expect((await after.children('/topics')).length).toBe(10_000);
    expect((await after.get('/topics/topic-9999/0')).data.length).toBe(72);
    await after.close();
  });

  it('keeps every write that was answered when the process is killed', async () => {
    const child = fork(new URL('./test-writer.ts', import.meta.url), [folder], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let acknowledged = -1;
    await new Promise<void>((resolve) => {
      child.on('message', (index) => {
        acknowledged = index as number;
        if (acknowledged >= 200) resolve();
      });
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = await open();
    const value = Number((await store.get('/counter')).data.toString());
    // One write may have become durable without its answer getting through.
    expect(value).toBeGreaterThanOrEqual(acknowledged);
    expect((await store.children('/log')).length).toBe(value + 1);
    await store.close();
  });
});
