import { setTimeout as pause } from 'node:timers/promises';
import { Producer } from '@millrace/producer';
import { startBroker } from '@millrace/testing';
import { describe, expect, it } from 'vitest';
import { createConsole } from '../index.ts';
import { askConsole } from '../testing/ask-console.ts';
import { Turns } from './turns.ts';

const limits = { what: { own: 'ownSearches', all: 'allSearches' } as const, max: 3, eachMax: 2, waitMsMax: 20 };
const LOOK = { timeout: 20_000 };
const soon = Symbol('not yet');
const isThere = (turn: Promise<unknown>) => Promise.race([turn.then(() => true), pause(0, soon)]);

describe('turns', () => {
  it('are so many for each, and so many in all', async () => {
    const turns = new Turns(limits);
    await turns.take('ann');
    await turns.take('ann');
    await expect(turns.take('ann')).rejects.toMatchObject({
      code: 'CONSOLE_BUSY',
      message: expect.stringMatching(/2 searches going on/),
    });
    await turns.take('bob');
    await expect(turns.take('bob')).rejects.toMatchObject({ message: expect.stringMatching(/^3 searches go on/) });
  });

  it('come to who has waited the longest and may have one', async () => {
    const turns = new Turns({ ...limits, waitMsMax: 60_000 });
    const [first] = [await turns.take('ann'), await turns.take('ann')];
    const last = await turns.take('bob');
    const [ann, bob] = [turns.take('ann'), turns.take('bob')];
    // One of bob's is over: ann, who came before him, has two and may have no more.
    last[Symbol.dispose]();
    last[Symbol.dispose]();
    expect(await isThere(bob)).toBe(true);
    expect(await isThere(ann)).toBe(soon);
    first[Symbol.dispose]();
    expect(await isThere(ann)).toBe(true);
    await expect(Promise.race([turns.take('bob'), pause(0, soon)])).resolves.toBe(soon);
    for (const each of [ann, bob]) (await each)[Symbol.dispose]();
  });

  it('are not waited for by any number', async () => {
    const turns = new Turns({ ...limits, max: 1, waitMsMax: 60_000 });
    const taken = await turns.take('ann');
    const waiting = Array.from({ length: 64 }, () => turns.take('bob'));
    await expect(turns.take('bob')).rejects.toMatchObject({ code: 'CONSOLE_BUSY' });
    taken[Symbol.dispose]();
    for (const each of waiting) (await each)[Symbol.dispose]();
  });
});

describe('many searches at once', () => {
  it('are a few of each person, and the others are told to wait, while everybody else goes on', async () => {
    const broker = await startBroker({ topics: ['orders'] });
    const users = ['eve', 'ann'].map((name) => ({ name, password: 'pw', role: 'viewer' as const }));
    const served = await createConsole({ clusters: { local: { bootstrapServers: broker.bootstrapServers } }, users });
    try {
      await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
      await producer.send({ topic: 'orders', value: '{"a":1}' });
      const port = await served.listen({ port: 0 });
      const search = (login: string, script: string) =>
        askConsole({ port, login }, 'GET /api/clusters/:cluster/topics/:topic/messages', {
          ...{ cluster: 'local', topic: 'orders', from: 'beginning', searchAs: 'javascript' },
          search: script,
        });
      const stop = new AbortController();
      const live = `http://localhost:${port}/api/clusters/local/topics/orders/stream?from=newest&live=true&searchAs=javascript`;
      const headers = { authorization: `Basic ${Buffer.from('eve:pw').toString('base64')}` };
      const tails = ['true', '1', '2'].map((script) =>
        fetch(`${live}&search=${script}`, { headers, signal: stop.signal }),
      );
      await Promise.all(tails);
      const codeOf = (error: { code?: string }) => error.code;
      await expect.poll(() => search('eve:pw', 'true').then(() => 'found', codeOf), LOOK).toBe('CONSOLE_BUSY');
      // What hers wait for is no matter of his.
      expect((await search('ann:pw', 'value.a === 1')).messages).toHaveLength(1);
      stop.abort();
      await expect.poll(() => search('eve:pw', 'true').then(() => 'found', codeOf), LOOK).toBe('found');
    } finally {
      await served.close();
      await broker.close();
    }
  });
});
