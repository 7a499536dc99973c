import { nextTurn } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryMetadataStore } from '../memory-store.ts';
import type { TreeMetadataStore } from '../tree-store.ts';
import { FaultyMetadataStore } from './faulty-store.ts';

function faultyOver(inner: TreeMetadataStore): FaultyMetadataStore {
  return new FaultyMetadataStore(inner, { expire: () => inner.expireSession(), freeze: () => inner.freeze() });
}

async function scene(): Promise<{ a: FaultyMetadataStore; b: TreeMetadataStore }> {
  const root = new MemoryMetadataStore();
  const a = faultyOver(root);
  await a.create('/n', Buffer.from('0'));
  return { a, b: root.openSession() };
}

const EMPTY = Buffer.alloc(0);
const text = async (store: FaultyMetadataStore): Promise<string> => (await store.get('/n')).data.toString();

describe('a server that is behind', () => {
  it('answers what was, until it hears of what is', async () => {
    const { a, b } = await scene();
    a.lag();
    await b.set('/n', Buffer.from('1'), 'any');
    await b.create('/m', EMPTY);
    expect([await text(a), await a.exists('/m'), await a.children('/')]).toEqual(['0', undefined, ['n']]);
    await expect(a.get('/m')).rejects.toMatchObject({ code: 'NO_NODE' });
    await a.catchUp();
    expect([await text(a), (await a.children('/')).length]).toEqual(['1', 2]);
  });

  it('tells watches when it hears of the change, and before a read that sees it', async () => {
    const { a, b } = await scene();
    const log: string[] = [];
    const watch = (event: { type: string; path: string }): void => void log.push(`${event.type} ${event.path}`);
    await a.get('/n', { watch });
    a.lag();
    await b.set('/n', Buffer.from('1'), 'any');
    await a.exists('/m', { watch });
    await a.children('/', { watch });
    await a.get('/n', { watch });
    await b.create('/m', EMPTY);
    expect([log, await text(a)]).toEqual([[], '0']);
    await a.catchUp();
    log.push(await text(a));
    expect(log).toEqual(['changed /n', 'created /m', 'children /', '1']);
    await b.set('/n', Buffer.from('2'), 'any');
    await text(a);
    expect(log).toHaveLength(4);
  });

  it('sets watches on what has not changed since', async () => {
    const { a, b } = await scene();
    const log: string[] = [];
    a.lag();
    await a.get('/n', { watch: ({ type }) => log.push(type) });
    await a.catchUp();
    expect(log).toEqual([]);
    await b.set('/n', Buffer.from('1'), 'any');
    await text(a);
    expect(log).toEqual(['changed']);
  });

  it.each(['before', 'after'] as const)(
    'has its watches set anew where the connection is lost %s others change what they are on',
    async (when) => {
      const { a, b } = await scene();
      const log: string[] = [];
      const change = (): Promise<unknown> => b.set('/n', Buffer.from('1'), 'any');
      a.lag();
      if (when === 'after') await change();
      await a.get('/n', { watch: ({ type }) => log.push(type) });
      a.cut();
      if (when === 'before') await change();
      expect(log).toEqual([]);
      await a.mend();
      expect(log).toEqual(['changed']);
    },
  );

  it('has heard of everything before a write of its own', async () => {
    const { a, b } = await scene();
    a.lag();
    await b.set('/n', Buffer.from('1'), 'any');
    await expect(a.set('/n', Buffer.from('2'), { exactly: 0 })).rejects.toMatchObject({ code: 'BAD_VERSION' });
    expect(await text(a)).toBe('1');
  });

  it('is left by a lost connection: no other may be older than what was seen', async () => {
    const { a, b } = await scene();
    a.lag();
    await b.set('/n', Buffer.from('1'), 'any');
    a.cut();
    await a.mend();
    expect(await text(a)).toBe('1');
  });
});

describe('whatever happens to a session', () => {
  const step = fc.constantFrom('cut', 'mend', 'lag', 'catchUp', 'lose before', 'lose after', 'own', 'other', 'read');
  it('never reads backwards, and its counter counts what was acknowledged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { a, b } = await scene();
        // In the order in which they were asked for; those without an answer stay undefined.
        const seen: (number | undefined)[] = [];
        const see = (): ((version: number) => void) => {
          const at = seen.push(undefined) - 1;
          return (version) => {
            seen[at] = version;
          };
        };
        let acknowledged = 0;
        let inDoubt = 0;
        const waiting: Promise<unknown>[] = [];
        for (const each of steps) {
          if (each === 'cut') a.cut();
          else if (each === 'mend') await a.mend();
          else if (each === 'lag') a.lag();
          else if (each === 'catchUp') await a.catchUp();
          else if (each === 'lose before') a.cutAtNextWrite('before');
          else if (each === 'lose after') a.cutAtNextWrite('after');
          else if (each === 'other') await b.set('/n', EMPTY, 'any').then(() => (acknowledged += 1));
          else if (each === 'read') {
            const note = see();
            waiting.push(a.get('/n').then(({ stat }) => note(stat.version)));
          } else {
            const note = see();
            const own = a.set('/n', EMPTY, 'any').then(
              ({ version }) => {
                acknowledged += 1;
                note(version);
              },
              (error: { code: string }) => {
                expect(error.code).toBe('CONNECTION_LOSS');
                inDoubt += 1;
              },
            );
            waiting.push(own);
          }
        }
        // The last cut may not have shown yet.
        for (let turn = 0; turn < 10; turn += 1) await nextTurn();
        await a.mend();
        await Promise.all(waiting);
        const { version } = (await b.get('/n')).stat;
        expect(version).toBeGreaterThanOrEqual(acknowledged);
        expect(version).toBeLessThanOrEqual(acknowledged + inDoubt);
        const versions = seen.filter((each) => each !== undefined);
        expect(versions).toEqual(versions.toSorted((left, right) => left - right));
      }),
      // A read that was under way when the server fell behind was answered behind the one after it.
      { examples: [[['read', 'lag', 'read', 'own', 'mend', 'cut']]] },
    );
  });
});
