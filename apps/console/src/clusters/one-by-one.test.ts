import { expect, it } from 'vitest';
import { OneByOne, WAITING_MAX } from './one-by-one.ts';

it('does what is on the same thing one after the other, whichever way it ends, and the rest beside it', async () => {
  const line = new OneByOne();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const work = async (name: string, until: Promise<unknown>): Promise<void> => {
    done.push(`${name} begun`);
    await until;
    done.push(`${name} done`);
  };
  const first = line.run('a', () =>
    work(
      'first',
      gate.promise.then(() => Promise.reject(new Error('no'))),
    ),
  );
  const second = line.run('a', () => work('second', Promise.resolve()));
  await line.run('b', () => work('other', Promise.resolve()));
  expect(done).toEqual(['first begun', 'other begun', 'other done']);
  gate.resolve();
  await expect(first).rejects.toThrow('no');
  await second;
  expect(done.slice(3)).toEqual(['second begun', 'second done']);
});

it('lets so many wait for the same thing, and tells the next to come again', async () => {
  const line = new OneByOne();
  const gate = Promise.withResolvers<void>();
  const all = Array.from({ length: WAITING_MAX }, () => line.run('a', () => gate.promise));
  await expect(line.run('a', () => gate.promise)).rejects.toMatchObject({ code: 'CONSOLE_BUSY' });
  gate.resolve();
  await Promise.all(all);
  await line.run('a', () => Promise.resolve());
});
