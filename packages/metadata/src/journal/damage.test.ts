import { ManualClock, MemoryDisk, seededRandom, systemError } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMetadataError } from '../errors.ts';
import { JournalMetadataStore } from '../journal-store.ts';
import type { TreeMetadataStore } from '../tree-store.ts';

const FOLDER = '/data/metadata';
const PATHS = ['/a', '/b', '/a/x', '/a/y', '/b/x'];

const open = (disk: MemoryDisk, onWarning: (message: string) => void = () => {}): Promise<JournalMetadataStore> =>
  JournalMetadataStore.open({ folder: FOLDER, disk, clock: new ManualClock(), journalBytesMax: 600, onWarning });

async function contentOf(store: TreeMetadataStore, path = '/'): Promise<string> {
  const { data, stat } = await store.get(path);
  const names = (await store.children(path)).toSorted();
  const below = await Promise.all(names.map((name) => contentOf(store, path === '/' ? `/${name}` : `${path}/${name}`)));
  return `${path}=${data.toString()}@${stat.version}(${below.join()})`;
}

/** A disk with the same files, all of them durable. */
async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const copy = new MemoryDisk();
  await copy.makeFolder(FOLDER);
  for (const { path } of disk.filesBelow(FOLDER)) await copy.replaceFile(path, disk.peek(path));
  return copy;
}

/** A store that has rolled its journal, and was closed in order or killed; with the content after each of its writes. */
async function storeThat(
  end: 'was closed' | 'was killed',
): Promise<{ disk: MemoryDisk; content: string; earlier: string[] }> {
  const disk = new MemoryDisk();
  const store = await open(disk);
  const earlier: string[] = [];
  for (const path of PATHS) await store.create(path, Buffer.from(path));
  for (let index = 0; index < 14; index += 1) {
    earlier.push(await contentOf(store));
    await store.set('/a/x', Buffer.alloc(60, `${index} `), 'any');
  }
  earlier.push(await contentOf(store));
  await store.delete('/a/y', 'any');
  const content = await contentOf(store);
  if (end === 'was closed') await store.close();
  return { disk: end === 'was closed' ? disk : disk.crash('none'), content, earlier };
}

const lastFile = (disk: MemoryDisk, suffix: string): string =>
  String(disk.filesBelow(FOLDER).findLast(({ path }) => path.endsWith(suffix))?.path);

/** What an opening gives: the content, or that it is refused. */
async function outcomeOf(disk: MemoryDisk): Promise<string> {
  try {
    const store = await open(disk);
    const content = await contentOf(store);
    await store.close();
    // What was mended stays mended.
    const again = await open(disk);
    expect(await contentOf(again)).toBe(content);
    await again.close();
    return content;
  } catch (error) {
    if (!isMetadataError(error, 'STORE_CORRUPT')) throw error;
    return 'refused';
  }
}

describe('a store that was closed in order', () => {
  it('is whole after any bit of any file has flipped', async () => {
    const { disk, content } = await storeThat('was closed');
    for (const { path, sizeBytes } of disk.filesBelow(FOLDER)) {
      for (let at = 0; at < sizeBytes; at += 1) {
        const damaged = await copyOf(disk);
        damaged.flipBit(path, at, at % 8);
        expect(await outcomeOf(damaged), `${path} byte ${at}`).toBe(content);
      }
    }
  }, 60_000);

  it('is whole after any file was cut short anywhere, emptied, zeroed or removed', async () => {
    const { disk, content } = await storeThat('was closed');
    for (const { path, sizeBytes } of disk.filesBelow(FOLDER)) {
      const whole = disk.peek(path);
      for (let size = 0; size < sizeBytes; size += 1) {
        const damaged = await copyOf(disk);
        await damaged.replaceFile(path, whole.subarray(0, size));
        expect(await outcomeOf(damaged), `${path} cut to ${size}`).toBe(content);
      }
      const zeroed = await copyOf(disk);
      await zeroed.replaceFile(path, Buffer.alloc(sizeBytes));
      expect(await outcomeOf(zeroed), `${path} zeroed`).toBe(content);
      const removed = await copyOf(disk);
      await removed.remove(path);
      expect(await outcomeOf(removed), `${path} removed`).toBe(content);
    }
  }, 60_000);

  it('goes on from the snapshot before the last where the last is damaged, and mends itself', async () => {
    const { disk, content } = await storeThat('was closed');
    disk.flipBit(lastFile(disk, '.snapshot'), 50, 0);
    const warnings: string[] = [];
    const store = await open(disk, (message) => warnings.push(message));
    expect(await contentOf(store)).toBe(content);
    expect(warnings).toEqual([expect.stringContaining('The snapshot')]);
    await store.close();
    const after = await open(disk, (message) => warnings.push(message));
    expect(warnings).toHaveLength(1);
    await after.close();
  });
});

describe('a store whose process was killed', () => {
  it('is whole or refused after any bit of any file has flipped', async () => {
    const { disk, content } = await storeThat('was killed');
    const refused = new Set<string>();
    for (const { path, sizeBytes } of disk.filesBelow(FOLDER)) {
      for (let at = 0; at < sizeBytes; at += 1) {
        const damaged = await copyOf(disk);
        damaged.flipBit(path, at, at % 8);
        const outcome = await outcomeOf(damaged);
        expect([content, 'refused'], `${path} byte ${at}`).toContain(outcome);
        if (outcome === 'refused') refused.add(path);
      }
    }
    // What was written since the last snapshot is in one place only.
    expect([...refused]).toEqual([lastFile(disk, '.journal')]);
  }, 60_000);

  it('loses of a journal that was cut short what was cut off, and of other files nothing', async () => {
    const { disk, content, earlier } = await storeThat('was killed');
    const journal = lastFile(disk, '.journal');
    for (const { path, sizeBytes } of disk.filesBelow(FOLDER)) {
      const whole = disk.peek(path);
      for (let size = 0; size < sizeBytes; size += 1) {
        const damaged = await copyOf(disk);
        await damaged.replaceFile(path, whole.subarray(0, size));
        const allowed = path === journal ? [content, 'refused', ...earlier] : [content];
        expect(allowed, `${path} cut to ${size}`).toContain(await outcomeOf(damaged));
      }
    }
  }, 60_000);

  it('has what only its journal held in a second place after the first write of its next life', async () => {
    const { disk } = await storeThat('was killed');
    const journal = lastFile(disk, '.journal');
    const store = await open(disk);
    await store.set('/b', Buffer.from('more'), 'any');
    const content = await contentOf(store);
    // The snapshot is made beside the writes that follow.
    const zxid = String((await store.get('/b')).stat.mzxid);
    while (!lastFile(disk, '.snapshot').includes(zxid)) await new Promise((resolve) => setImmediate(resolve));
    const next = disk.crash('none');
    next.flipBit(journal, 70, 3);
    const after = await open(next);
    expect(await contentOf(after)).toBe(content);
    await after.close();
  });

  it('goes on without the last write wherever a crash has cut that, in the middle of a sector too', async () => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    await store.create('/a', Buffer.from('1'));
    const before = await contentOf(store);
    const journal = lastFile(disk, '.journal');
    const begin = disk.peek(journal).length;
    await store.create('/b', Buffer.alloc(700, 'b'));
    const killed = disk.crash('none');
    const bytes = killed.peek(journal);
    for (let at = begin; at < bytes.length; at += 1) {
      const torn = await copyOf(killed);
      await torn.replaceFile(journal, Buffer.concat([bytes.subarray(0, at), Buffer.alloc(bytes.length - at)]));
      expect(await outcomeOf(torn), `torn at ${at}`).toBe(before);
    }
  });

  it('does not pass for closed because it was once', async () => {
    const { disk } = await storeThat('was closed');
    const store = await open(disk);
    await store.set('/b', Buffer.from('more'), 'any');
    const killed = disk.crash('none');
    killed.flipBit(lastFile(killed, '.journal'), 70, 3);
    expect(await outcomeOf(killed)).toBe('refused');
  });

  it('shows nothing at its next start that a loss of power could take back', async () => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    await store.create('/a', Buffer.from('1'));
    disk.fault = ({ kind }) => (kind === 'sync' ? systemError('EIO', 'broken') : undefined);
    await expect(store.create('/b', Buffer.from('2'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    // The write is in the system's memory, the sync has failed: whoever reads the file sees it, and the disk does not have it.
    const next = disk.crash('all');
    const shown = await contentOf(await open(next));
    expect(await contentOf(await open(next.crash('none')))).toBe(shown);
  });

  it('says what is wrong, where, and how to go on', async () => {
    const { disk } = await storeThat('was killed');
    disk.flipBit(lastFile(disk, '.journal'), 70, 3);
    await expect(open(disk)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(/damaged at byte \d+ of \d+: it is whole up to transaction \d+.*metadata restore/),
    });
  });
});

const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('create' as const), path: fc.constantFrom(...PATHS) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      path: fc.constantFrom(...PATHS),
      size: fc.nat(700),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), path: fc.constantFrom(...PATHS) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), turns: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), seed: fc.nat(), keeps: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const) }) },
);

type Model = ReadonlyMap<string, { readonly data: string; readonly version: number }>;

/** What a step makes of the model; the same where the store would refuse it. Slow and plain on purpose. */
function applied(model: Model, step: { do: string; path: string; size?: number }): Model {
  const node = model.get(step.path);
  const next = new Map(model);
  const parent = step.path.slice(0, step.path.lastIndexOf('/')) || '/';
  if (step.do === 'create' && node === undefined && model.has(parent)) next.set(step.path, { data: 'new', version: 0 });
  if (node === undefined) return next;
  if (step.do === 'set') {
    next.set(step.path, { data: Buffer.alloc(step.size ?? 0, step.path).toString(), version: node.version + 1 });
  }
  if (step.do === 'delete' && ![...model.keys()].some((path) => path.startsWith(`${step.path}/`))) {
    next.delete(step.path);
  }
  return next;
}

function textOf(model: Model, path = '/'): string {
  const children = [...model.keys()]
    .filter((each) => each !== '/' && (each.slice(0, each.lastIndexOf('/')) || '/') === path)
    .toSorted();
  const node = model.get(path);
  return `${path}=${node?.data}@${node?.version}(${children.map((each) => textOf(model, each)).join()})`;
}

describe('a store that crashes', () => {
  it('comes back with everything that was answered, and with nothing but a beginning of what was asked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 80 }), async (steps) => {
        let disk = new MemoryDisk();
        let store = await open(disk);
        // The content after each transaction that was asked for, and how many of them were answered.
        let model: Model = new Map([['/', { data: '', version: 0 }]]);
        let states = [textOf(model)];
        const models = new Map([[textOf(model), model]]);
        let answered = 0;
        for (const step of steps) {
          if (step.do === 'wait') {
            for (let turn = 0; turn < step.turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
            continue;
          }
          if (step.do === 'crash' || step.do === 'stop') {
            if (step.do === 'stop') await store.close();
            const [known, promised] = [states, answered];
            disk = disk.crash(
              step.do === 'stop' || step.keeps === 0 ? 'none' : step.keeps === 1 ? 'all' : seededRandom(step.seed),
            );
            store = await open(disk);
            const content = await contentOf(store);
            expect(known.slice(promised)).toContain(content);
            model = models.get(content) as Model;
            states = [content];
            answered = 0;
            continue;
          }
          const current = store;
          const index = states.length;
          const settled = (): void => {
            if (current === store) answered = Math.max(answered, index);
          };
          const write =
            step.do === 'create'
              ? current.create(step.path, Buffer.from('new'))
              : step.do === 'set'
                ? current.set(step.path, Buffer.alloc(step.size, step.path), 'any')
                : current.delete(step.path, 'any');
          void write.then(settled, () => undefined);
          model = applied(model, step);
          states.push(textOf(model));
          models.set(textOf(model), model);
        }
        await store.close();
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
