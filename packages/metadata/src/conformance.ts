import { behaviour, bytes, type ConformanceCase, equal, exactly, fails, recorder, until } from './conformance-scene.ts';
import type { MetadataStore, Operation } from './store.ts';

/**
 * The behaviours of a metadata store, independent of test frameworks and of the engine. Trees start empty, or with nodes
 * under other names than `/test`.
 *
 * ```ts
 * describe.each(conformanceCases)('$name', (behaviour) => it('holds', () => behaviour.run(openSubject)));
 * ```
 */
export const conformanceCases: readonly ConformanceCase[] = [
  behaviour('a created node is read back with version 0', async ({ a }) => {
    equal(await a.create('/test/n', bytes('one')), '/test/n');
    const { data, stat } = await a.get('/test/n');
    equal(data.toString(), 'one');
    equal([stat.version, stat.childCount, stat.dataBytes, stat.ephemeralOwner], [0, 0, 3, undefined]);
    equal(stat.czxid, stat.mzxid);
  }),
  behaviour('the store keeps its own copy of what it is given', async ({ a }) => {
    const data = bytes('one');
    await a.create('/test/n', data);
    data.fill(0);
    equal((await a.get('/test/n')).data.toString(), 'one');
  }),
  behaviour('content is bytes, whichever', async ({ a, b }) => {
    const data = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    await a.create('/test/n', data);
    const read = (await b.get('/test/n')).data;
    equal(read.equals(data), true);
    read.fill(0);
    equal((await b.get('/test/n')).data.equals(data), true);
  }),
  behaviour('a node is created once', async ({ a, b }) => {
    await a.create('/test/n', bytes('one'));
    await fails('NODE_EXISTS', b.create('/test/n', bytes('two')));
    equal((await b.get('/test/n')).data.toString(), 'one');
  }),
  behaviour('of two that create a node at once one wins', async ({ a, b }) => {
    const outcomes = await Promise.allSettled([a.create('/test/n', bytes('a')), b.create('/test/n', bytes('b'))]);
    equal(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected']);
  }),
  behaviour('a node needs a parent', async ({ a }) => {
    await fails('NO_NODE', a.create('/test/missing/n', bytes('')));
  }),
  behaviour('malformed paths are refused', async ({ a }) => {
    for (const path of ['', 'test', '/test/', '/test//n', '/test/../n', '/test/.', '/test/\u0000']) {
      await fails('INVALID_PATH', a.create(path, bytes('')));
    }
  }),
  behaviour('reading what is not there says so', async ({ a }) => {
    await fails('NO_NODE', a.get('/test/n'));
    await fails('NO_NODE', a.children('/test/n'));
    equal(await a.exists('/test/n'), undefined);
  }),
  behaviour('a set raises the version by one', async ({ a, b }) => {
    await a.create('/test/n', bytes('one'));
    equal((await a.set('/test/n', bytes('two'), 'any')).version, 1);
    equal((await b.set('/test/n', bytes('three'), exactly(1))).version, 2);
    const { data, stat } = await a.get('/test/n');
    equal([data.toString(), stat.version, stat.mzxid > stat.czxid], ['three', 2, true]);
  }),
  behaviour('expecting version 0 means version 0', async ({ a }) => {
    await a.create('/test/n', bytes('one'));
    equal((await a.set('/test/n', bytes('two'), exactly(0))).version, 1);
    await fails('BAD_VERSION', a.set('/test/n', bytes('three'), exactly(0)));
    await fails('BAD_VERSION', a.delete('/test/n', exactly(0)));
    await fails('BAD_VERSION', a.multi([{ type: 'check', path: '/test/n', expected: exactly(0) }]));
    await fails('BAD_VERSION', a.multi([{ type: 'set', path: '/test/n', data: bytes(''), expected: exactly(0) }]));
    await fails('BAD_VERSION', a.multi([{ type: 'delete', path: '/test/n', expected: exactly(0) }]));
    equal((await a.get('/test/n')).data.toString(), 'two');
  }),
  behaviour('of two conditional sets one applies', async ({ a, b }) => {
    await a.create('/test/n', bytes('0'));
    const sets = [a.set('/test/n', bytes('a'), exactly(0)), b.set('/test/n', bytes('b'), exactly(0))];
    const outcomes = await Promise.allSettled(sets);
    equal(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected']);
    equal((await a.get('/test/n')).stat.version, 1);
  }),
  behaviour('a set of a missing node fails', async ({ a }) => {
    await fails('NO_NODE', a.set('/test/n', bytes(''), 'any'));
    await fails('NO_NODE', a.delete('/test/n', 'any'));
  }),
  behaviour('a delete removes the node, and a new one starts at version 0 with a higher czxid', async ({ a }) => {
    await a.create('/test/n', bytes('one'));
    await a.set('/test/n', bytes('two'), 'any');
    const before = (await a.get('/test/n')).stat;
    await a.delete('/test/n', exactly(1));
    equal(await a.exists('/test/n'), undefined);
    await a.create('/test/n', bytes('three'));
    const after = (await a.get('/test/n')).stat;
    equal([after.version, after.czxid > before.czxid], [0, true]);
  }),
  behaviour('a node with children stays', async ({ a }) => {
    await a.create('/test/n', bytes(''));
    await a.create('/test/n/child', bytes(''));
    await fails('NOT_EMPTY', a.delete('/test/n', 'any'));
  }),
  behaviour('children are listed and counted', async ({ a }) => {
    for (const name of ['b', 'a', 'c']) await a.create(`/test/${name}`, bytes(''));
    await a.create('/test/a/inner', bytes(''));
    equal((await a.children('/test')).toSorted(), ['a', 'b', 'c']);
    await a.delete('/test/b', 'any');
    equal((await a.children('/test')).toSorted(), ['a', 'c']);
    equal((await a.exists('/test'))?.childCount, 2);
  }),
  behaviour('changes of the children raise the children version and leave the version alone', async ({ a }) => {
    const before = (await a.get('/test')).stat;
    await a.create('/test/n', bytes(''));
    const between = (await a.get('/test')).stat;
    await a.delete('/test/n', 'any');
    const after = (await a.get('/test')).stat;
    equal([between.version, after.version], [before.version, before.version]);
    equal(between.childrenVersion > before.childrenVersion, true);
    equal(after.childrenVersion > between.childrenVersion, true);
  }),
  behaviour('sequential nodes count up and never come twice', async ({ a, b }) => {
    const first = await a.create('/test/s_', bytes('1'), { sequential: true });
    const second = await b.create('/test/s_', bytes('2'), { sequential: true });
    equal(/^\/test\/s_\d{10}$/.test(first), true);
    equal(second > first, true);
    await a.delete(second, 'any');
    const third = await a.create('/test/s_', bytes('3'), { sequential: true });
    equal(third > second, true);
  }),
  behaviour('a path that is all sequence number is possible', async ({ a }) => {
    const path = await a.create('/test/x', bytes(''), { sequential: true, ephemeral: true });
    equal((await a.exists(path))?.ephemeralOwner, a.sessionId);
  }),
  behaviour('ephemeral nodes go with the session that closes', async ({ a, b }) => {
    await a.create('/test/e', bytes(''), { ephemeral: true });
    equal((await b.exists('/test/e'))?.ephemeralOwner, a.sessionId);
    await a.create('/test/p', bytes(''));
    await a.close();
    equal(await b.children('/test'), ['p']);
  }),
  behaviour('ephemeral nodes have no children', async ({ a }) => {
    await a.create('/test/e', bytes(''), { ephemeral: true });
    await fails('NO_CHILDREN_FOR_EPHEMERALS', a.create('/test/e/n', bytes('')));
  }),
  behaviour(
    'an expired session loses its ephemeral nodes and answers nothing until it is renewed',
    async ({ a, b, expire }) => {
      const states: string[] = [];
      // That the connection is lost before the session is, an engine over a network tells as well.
      a.onSession((state) => state === 'disconnected' || states.push(state));
      await a.create('/test/e', bytes(''), { ephemeral: true });
      const expiredId = a.sessionId;
      await expire(a);
      equal([a.sessionState, await b.exists('/test/e')], ['expired', undefined]);
      await fails('SESSION_EXPIRED', a.get('/test'));
      await fails('SESSION_EXPIRED', a.create('/test/n', bytes('')));
      await a.renewSession();
      equal([a.sessionState, a.sessionId === expiredId], ['connected', false]);
      await a.create('/test/e', bytes(''), { ephemeral: true });
      equal((await b.exists('/test/e'))?.ephemeralOwner, a.sessionId);
      equal(states, ['expired', 'connected']);
    },
  ),
  behaviour('a closed store answers nothing', async ({ a }) => {
    await a.close();
    await fails('STORE_CLOSED', a.get('/test'));
    await a.close();
  }),
  behaviour('a multi applies all its operations, which see each other', async ({ a, b }) => {
    await a.create('/test/old', bytes('old'));
    const results = await a.multi([
      { type: 'check', path: '/test/old', expected: exactly(0) },
      { type: 'create', path: '/test/n', data: bytes('n') },
      { type: 'create', path: '/test/n/c_', data: bytes('c'), options: { sequential: true } },
      { type: 'set', path: '/test/n', data: bytes('m'), expected: exactly(0) },
      { type: 'delete', path: '/test/old', expected: exactly(0) },
    ]);
    equal(
      results.map((result) => result.type),
      ['check', 'create', 'create', 'set', 'delete'],
    );
    equal(results[2]?.type === 'create' && /^\/test\/n\/c_\d{10}$/.test(results[2].path), true);
    equal(results[3]?.type === 'set' && results[3].stat.version, 1);
    equal(await b.children('/test'), ['n']);
    equal((await b.get('/test/n')).data.toString(), 'm');
  }),
  behaviour('a multi that fails leaves nothing behind and names the operation', async ({ a, b }) => {
    await a.create('/test/n', bytes('one'));
    await a.create('/test/n/c', bytes(''));
    const before = await snapshot(b, '/test');
    const error = await fails(
      'BAD_VERSION',
      a.multi([
        { type: 'create', path: '/test/x', data: bytes('') },
        { type: 'create', path: '/test/x/y', data: bytes('') },
        { type: 'set', path: '/test/n', data: bytes('two'), expected: 'any' },
        { type: 'delete', path: '/test/n/c', expected: 'any' },
        { type: 'delete', path: '/test/n', expected: 'any' },
        { type: 'check', path: '/test/x', expected: exactly(7) },
      ]),
    );
    equal(error.operationIndex, 5);
    equal(await snapshot(b, '/test'), before);
  }),
  behaviour('a multi without operations does nothing', async ({ a }) => {
    equal(await a.multi([]), []);
  }),
  behaviour('a multi of checks alone guards without writing', async ({ a }) => {
    await a.create('/test/n', bytes(''));
    equal((await a.multi([{ type: 'check', path: '/test/n', expected: exactly(0) }])).length, 1);
    await fails('NO_NODE', a.multi([{ type: 'check', path: '/test/none', expected: 'any' }]));
  }),
  behaviour('an election by multi has one winner', async ({ a, b }) => {
    await a.create('/test/epoch', bytes('0'));
    const elect = (store: MetadataStore, id: string): Promise<unknown> =>
      store.multi([
        { type: 'create', path: '/test/controller', data: bytes(id), options: { ephemeral: true } },
        { type: 'set', path: '/test/epoch', data: bytes('1'), expected: exactly(0) },
      ]);
    const outcomes = await Promise.allSettled([elect(a, 'a'), elect(b, 'b')]);
    equal(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected']);
    equal((await a.get('/test/epoch')).stat.version, 1);
  }),
  behaviour('operations of one session apply in the order of the calls', async ({ a }) => {
    const writes: Promise<unknown>[] = [a.create('/test/n', bytes('0'))];
    for (let i = 0; i < 50; i += 1) writes.push(a.set('/test/n', bytes(String(i)), exactly(i)));
    const read = a.get('/test/n');
    await Promise.all(writes);
    equal((await read).data.toString(), '49');
  }),
  behaviour('what does not fit is refused', async ({ a }) => {
    await fails('TOO_LARGE', a.create('/test/n', Buffer.alloc(2 * 1024 * 1024)));
    equal(await a.exists('/test/n'), undefined);
  }),
  behaviour('a watch on a node fires once, on the first change', async ({ a, b }) => {
    await a.create('/test/n', bytes(''));
    const seen = recorder();
    await a.get('/test/n', { watch: seen.watch });
    await b.set('/test/n', bytes('1'), 'any');
    await b.set('/test/n', bytes('2'), 'any');
    await seen.count(1);
    await a.get('/test/n');
    equal(seen.events, [{ type: 'changed', path: '/test/n' }]);
  }),
  behaviour('a watch on a missing node tells of its creation, a read of it sets none', async ({ a, b }) => {
    const seen = recorder();
    const unseen = recorder();
    equal(await a.exists('/test/n', { watch: seen.watch }), undefined);
    await fails('NO_NODE', a.get('/test/n', { watch: unseen.watch }));
    await fails('NO_NODE', a.children('/test/n', { watch: unseen.watch }));
    await b.create('/test/n', bytes(''));
    await seen.count(1);
    equal([seen.events, unseen.events], [[{ type: 'created', path: '/test/n' }], []]);
  }),
  behaviour('a watch on children tells of comings and goings, not of changes', async ({ a, b }) => {
    await a.create('/test/n', bytes(''));
    const coming = recorder();
    await a.children('/test', { watch: coming.watch });
    await b.set('/test/n', bytes('1'), 'any');
    await b.create('/test/n/inner', bytes(''));
    await a.children('/test');
    equal(coming.events, []);
    await b.create('/test/m', bytes(''));
    await coming.count(1);
    const going = recorder();
    await a.children('/test', { watch: going.watch });
    await b.delete('/test/m', 'any');
    await going.count(1);
    equal([...coming.events, ...going.events], Array(2).fill({ type: 'children', path: '/test' }));
  }),
  behaviour('a deletion sets off the watches on the node and on its children', async ({ a, b }) => {
    await a.create('/test/n', bytes(''));
    const onNode = recorder();
    const onChildren = recorder();
    await a.get('/test/n', { watch: onNode.watch });
    await a.children('/test/n', { watch: onChildren.watch });
    await b.delete('/test/n', 'any');
    await onNode.count(1);
    await onChildren.count(1);
    equal([onNode.events, onChildren.events], Array(2).fill([{ type: 'deleted', path: '/test/n' }]));
  }),
  behaviour('the same watch set twice on a node fires once', async ({ a, b }) => {
    await a.create('/test/n', bytes(''));
    const seen = recorder();
    await a.get('/test/n', { watch: seen.watch });
    await a.exists('/test/n', { watch: seen.watch });
    await b.set('/test/n', bytes('1'), 'any');
    await seen.count(1);
    await a.get('/test/n');
    equal(seen.events.length, 1);
  }),
  behaviour('the end of a session sets off the watches on its ephemeral nodes', async ({ a, b }) => {
    await a.create('/test/e', bytes(''), { ephemeral: true });
    const seen = recorder();
    await b.exists('/test/e', { watch: seen.watch });
    await a.close();
    await seen.count(1);
    equal(seen.events, [{ type: 'deleted', path: '/test/e' }]);
  }),
  behaviour('a multi that fails sets off no watch', async ({ a, b }) => {
    await a.create('/test/n', bytes(''));
    const seen = recorder();
    await a.get('/test/n', { watch: seen.watch });
    const operations: Operation[] = [
      { type: 'set', path: '/test/n', data: bytes('1'), expected: 'any' },
      { type: 'check', path: '/test/none', expected: 'any' },
    ];
    await fails('NO_NODE', b.multi(operations));
    await a.get('/test/n');
    equal(seen.events, []);
  }),
  behaviour('a watch is told after the read that set it and before any read that sees the change', async ({ a, b }) => {
    await a.create('/test/n', bytes('0'));
    const log: string[] = [];
    const reading = a.get('/test/n', { watch: () => log.push('event') });
    const read = async (first: Promise<{ data: Buffer }>): Promise<void> => {
      log.push((await first).data.toString());
    };
    const done = read(reading);
    const writing = b.set('/test/n', bytes('1'), 'any');
    await Promise.all([done, writing]);
    await read(a.get('/test/n'));
    // Sessions on several connections may be served in either order.
    equal(log, log[0] === '0' ? ['0', 'event', '1'] : ['1', '1']);
  }),
  behaviour('watches fire in the order of the changes', async ({ a, b }) => {
    const log: string[] = [];
    const names = ['c', 'a', 'd', 'b'];
    for (const name of names) await a.exists(`/test/${name}`, { watch: (event) => log.push(event.path) });
    await Promise.all(names.map((name) => b.create(`/test/${name}`, bytes(''))));
    await a.get('/test');
    equal(
      log,
      names.map((name) => `/test/${name}`),
    );
  }),
  behaviour('a watch may call the store', async ({ a, b }) => {
    await a.create('/test/n', bytes('0'));
    const values: string[] = [];
    const follow = async (): Promise<void> => {
      const { data } = await a.get('/test/n', { watch: () => void follow() });
      values.push(data.toString());
    };
    await follow();
    for (let i = 1; i <= 3; i += 1) {
      await b.set('/test/n', bytes(String(i)), 'any');
      await until(() => values.at(-1) === String(i));
    }
    equal(values.at(-1), '3');
  }),
];

/** Content and versions of everything below a path. */
async function snapshot(store: MetadataStore, path: string): Promise<unknown> {
  const { data, stat } = await store.get(path);
  const children: unknown[] = [];
  for (const name of (await store.children(path)).toSorted()) children.push(await snapshot(store, `${path}/${name}`));
  return { path, data: data.toString(), stat, children };
}
