import { behaviour, bytes, type ConformanceCase, equal, exactly, fails, recorder } from './conformance-scene.ts';

/** What every engine that has a connection must show when it is lost. They need {@link ConformanceSubject.faults}. */
export const connectionCases: readonly ConformanceCase[] = [
  behaviour('a write that is lost before it arrives fails, once, and is not applied', async ({ a, b, faults }) => {
    faults.cutAtNextWrite(a, 'before');
    const error = await fails('CONNECTION_LOSS', a.create('/test/n', bytes('')));
    equal(error.retriable, true);
    await faults.mend(a);
    equal([await a.exists('/test/n'), await b.exists('/test/n')], [undefined, undefined]);
    await a.create('/test/n', bytes(''));
  }),
  behaviour('a write whose answer is lost fails, once, and is applied', async ({ a, b, faults }) => {
    faults.cutAtNextWrite(a, 'after');
    await fails('CONNECTION_LOSS', a.create('/test/n', bytes('one'), { ephemeral: true }));
    await faults.mend(a);
    await fails('NODE_EXISTS', a.create('/test/n', bytes('one'), { ephemeral: true }));
    equal((await b.exists('/test/n'))?.ephemeralOwner, a.sessionId);
    equal((await b.get('/test/n')).data.toString(), 'one');
  }),
  behaviour('a multi whose answer is lost is applied as a whole', async ({ a, b, faults }) => {
    await a.create('/test/epoch', bytes('0'));
    faults.cutAtNextWrite(a, 'after');
    await fails(
      'CONNECTION_LOSS',
      a.multi([
        { type: 'create', path: '/test/controller', data: bytes('a'), options: { ephemeral: true } },
        { type: 'set', path: '/test/epoch', data: bytes('1'), expected: exactly(0) },
      ]),
    );
    await faults.mend(a);
    equal((await b.get('/test/epoch')).stat.version, 1);
    equal((await b.exists('/test/controller'))?.ephemeralOwner, a.sessionId);
  }),
  behaviour(
    'a conditional write that was applied unheard fails its condition when it is tried again',
    async (scene) => {
      const { a, faults } = scene;
      await a.create('/test/n', bytes('one'));
      faults.cutAtNextWrite(a, 'after');
      await fails('CONNECTION_LOSS', a.set('/test/n', bytes('two'), exactly(0)));
      await faults.mend(a);
      await fails('BAD_VERSION', a.set('/test/n', bytes('two'), exactly(0)));
      const { data, stat } = await a.get('/test/n');
      equal([data.toString(), stat.version], ['two', 1]);
    },
  ),
  behaviour('writes behind a lost one are lost too, and reads behind it are answered', async ({ a, b, faults }) => {
    await a.create('/test/n', bytes('0'));
    faults.cutAtNextWrite(a, 'before');
    const writes = [0, 1, 2].map((version) => fails('CONNECTION_LOSS', a.set('/test/n', bytes('x'), exactly(version))));
    const reading = a.get('/test/n');
    await Promise.all(writes);
    await b.set('/test/n', bytes('b'), exactly(0));
    await faults.mend(a);
    equal((await reading).data.toString(), 'b');
  }),
  behaviour('what is asked while there is no connection waits for it, in its order', async ({ a, b, faults }) => {
    await a.create('/test/n', bytes('0'));
    const states: string[] = [];
    a.onSession((state) => states.push(state));
    const id = a.sessionId;
    faults.cut(a);
    const first = a.get('/test/n');
    const write = a.set('/test/n', bytes('1'), exactly(0));
    const second = a.get('/test/n');
    await b.exists('/test');
    equal(a.sessionState, 'disconnected');
    await faults.mend(a);
    equal([(await first).data.toString(), (await write).version, (await second).data.toString()], ['0', 1, '1']);
    equal([states, a.sessionState, a.sessionId], [['disconnected', 'connected'], 'connected', id]);
  }),
  behaviour('a read that is under way when the connection is lost is answered', async ({ a, faults }) => {
    await a.create('/test/n', bytes('one'));
    const reading = Promise.all([a.get('/test/n'), a.children('/test'), a.exists('/test/none')]);
    faults.cut(a);
    await faults.mend(a);
    const [{ data }, names, none] = await reading;
    equal([data.toString(), names, none], ['one', ['n'], undefined]);
  }),
  behaviour('ephemeral nodes outlive a lost connection', async ({ a, b, faults }) => {
    await a.create('/test/e', bytes(''), { ephemeral: true });
    faults.cut(a);
    await b.exists('/test');
    await faults.mend(a);
    equal((await b.exists('/test/e'))?.ephemeralOwner, a.sessionId);
  }),
  behaviour('what has changed meanwhile is told before any read that sees it', async ({ a, b, faults }) => {
    for (const name of ['changed', 'deleted', 'parent']) await a.create(`/test/${name}`, bytes(''));
    const log: string[] = [];
    const watch = (event: { type: string; path: string }): void => void log.push(`${event.type} ${event.path}`);
    await a.get('/test/changed', { watch });
    await a.exists('/test/deleted', { watch });
    await a.exists('/test/created', { watch });
    await a.children('/test/parent', { watch });
    faults.cut(a);
    await b.set('/test/changed', bytes('1'), 'any');
    await b.delete('/test/deleted', 'any');
    await b.create('/test/created', bytes(''));
    await b.create('/test/parent/child', bytes(''));
    equal(log, []);
    const reading = a.get('/test/changed').then(({ data }) => log.push(`read ${data}`));
    await faults.mend(a);
    await reading;
    equal(log.at(-1), 'read 1');
    equal(log.slice(0, -1).toSorted(), [
      'changed /test/changed',
      'children /test/parent',
      'created /test/created',
      'deleted /test/deleted',
    ]);
  }),
  behaviour('of several changes meanwhile what came of them is told, once', async ({ a, b, faults }) => {
    await a.create('/test/n', bytes(''));
    const seen = recorder();
    await a.get('/test/n', { watch: seen.watch });
    faults.cut(a);
    await b.set('/test/n', bytes('1'), 'any');
    await b.set('/test/n', bytes('2'), 'any');
    await b.delete('/test/n', 'any');
    await faults.mend(a);
    await seen.count(1);
    await a.exists('/test');
    equal(seen.events, [{ type: 'deleted', path: '/test/n' }]);
  }),
  behaviour('a watch whose node has not changed goes on waiting', async ({ a, b, faults }) => {
    await a.create('/test/n', bytes(''));
    const onNode = recorder();
    const onMissing = recorder();
    await a.get('/test/n', { watch: onNode.watch });
    await a.exists('/test/m', { watch: onMissing.watch });
    faults.cut(a);
    await b.exists('/test');
    await faults.mend(a);
    await a.exists('/test');
    equal([onNode.events, onMissing.events], [[], []]);
    await b.set('/test/n', bytes('1'), 'any');
    await b.create('/test/m', bytes(''));
    await onNode.count(1);
    await onMissing.count(1);
    equal(
      [onNode.events, onMissing.events],
      [[{ type: 'changed', path: '/test/n' }], [{ type: 'created', path: '/test/m' }]],
    );
  }),
  behaviour('a watch on a node that came and went meanwhile goes on waiting', async ({ a, b, faults }) => {
    const seen = recorder();
    await a.exists('/test/n', { watch: seen.watch });
    faults.cut(a);
    await b.create('/test/n', bytes(''));
    await b.delete('/test/n', 'any');
    await faults.mend(a);
    await a.exists('/test');
    await b.create('/test/n', bytes(''));
    await seen.count(1);
    equal(seen.events, [{ type: 'created', path: '/test/n' }]);
  }),
  behaviour('a session that expired meanwhile learns it when it comes back', async ({ a, b, faults }) => {
    const states: string[] = [];
    a.onSession((state) => states.push(state));
    const seen = recorder();
    await a.create('/test/e', bytes(''), { ephemeral: true });
    await a.exists('/test/n', { watch: seen.watch });
    const expiredId = a.sessionId;
    faults.cut(a);
    const waiting = [
      fails('SESSION_EXPIRED', a.get('/test')),
      fails('SESSION_EXPIRED', a.create('/test/w', bytes(''))),
    ];
    await faults.expireUnheard(a);
    equal([await b.exists('/test/e'), a.sessionState], [undefined, 'disconnected']);
    await faults.mend(a);
    await Promise.all(waiting);
    equal([a.sessionState, await b.exists('/test/w')], ['expired', undefined]);
    await a.renewSession();
    equal([a.sessionState, a.sessionId === expiredId], ['connected', false]);
    await b.create('/test/n', bytes(''));
    await a.get('/test/n');
    equal([seen.events, states.filter((state) => state === 'expired').length], [[], 1]);
  }),
  behaviour('a store that is closed while there is no connection gives up what waits', async ({ a, faults }) => {
    faults.cut(a);
    const waiting = [fails('STORE_CLOSED', a.get('/test')), fails('STORE_CLOSED', a.create('/test/n', bytes('')))];
    await a.close();
    await Promise.all(waiting);
    equal(a.sessionState, 'closed');
  }),
];
