import { MemoryMetadataStore, type Operation } from '@millrace/metadata';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ControllerMovedError, isRefusedGroup, writeAll, writeGroups } from './guarded-writes.ts';

const GUARD = '/controller_epoch';
const COUNT = 1000;
const guard = { path: GUARD, version: 0 };

let store: MemoryMetadataStore;

beforeEach(async () => {
  store = new MemoryMetadataStore();
  await store.create(GUARD, Buffer.from('1'));
  for (let index = 0; index < COUNT; index += 1) await store.create(`/n${index}`, Buffer.from('before'));
});

afterEach(() => store.close());

/** Every node is set where it is of version 0. */
const groups: readonly (readonly Operation[])[] = Array.from({ length: COUNT }, (_, index) => [
  { type: 'set', path: `/n${index}`, data: Buffer.from('after'), expected: { exactly: 0 } },
]);

const contents = (): Promise<string[]> =>
  Promise.all(groups.map(async ([operation]) => (await store.get(operation?.path ?? '')).data.toString()));

describe('many writes of a controller', () => {
  it('are all done but for the one that somebody else was before', async () => {
    await store.set('/n500', Buffer.from('another'), 'any');
    const outcomes = await writeGroups(store, guard, groups);
    expect(outcomes.flatMap((outcome, index) => (isRefusedGroup(outcome) ? [[index, outcome.code]] : []))).toEqual([
      [500, 'BAD_VERSION'],
    ]);
    const written = await contents();
    expect(written[500]).toBe('another');
    expect(written.filter((content) => content === 'after')).toHaveLength(COUNT - 1);
  });

  it('go in as few transactions as their sizes allow, none larger than the store takes', async () => {
    const multi = vi.spyOn(store, 'multi');
    const data = Buffer.alloc(2000);
    const large = groups.map(([operation]): Operation[] => [
      { type: 'set', path: operation?.path ?? '', data, expected: { exactly: 0 } },
    ]);
    await writeAll(store, guard, large);
    expect(multi.mock.calls.length).toBeLessThan(10);
    await Promise.all(multi.mock.results.map(({ value }) => value));
  });

  it('are none of them done when another controller was elected meanwhile, even where one would not apply anyway', async () => {
    await store.set('/n500', Buffer.from('another'), 'any');
    await store.set(GUARD, Buffer.from('2'), 'any');
    await expect(writeGroups(store, guard, groups)).rejects.toBeInstanceOf(ControllerMovedError);
    expect((await contents()).every((content) => content !== 'after')).toBe(true);
  });

  it('that must all apply fail with what is wrong with the first that does not', async () => {
    await store.delete('/n3', 'any');
    await expect(writeAll(store, guard, groups.slice(0, 5))).rejects.toMatchObject({ code: 'NO_NODE' });
  });
});
