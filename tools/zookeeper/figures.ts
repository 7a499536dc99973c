/** How fast a store on ZooKeeper is, and how long its client may stand still: what `node tools/zookeeper/main.ts figures` prints. */
import { setImmediate } from 'node:timers/promises';
import { ZooKeeperMetadataStore } from '@millrace/zookeeper';
import { ZooKeeperEnsemble } from './ensemble.ts';

const CREATES = 5000;
const IN_FLIGHT_MAX = 1000;
const ROUNDS = 3;
const SESSION_MS = 6000;
/** Shares of a session's time for which the event loop stands still. */
const STALLS = [0.25, 0.5, 0.75, 0.9, 1.5];
const BODY = Buffer.alloc(100, 1);

/** Measures against an ensemble of one server and of three. */
export async function figures(print: (line: string) => void): Promise<void> {
  for (const servers of [1, 3]) {
    const ensemble = await ZooKeeperEnsemble.start({ servers, tickMs: 2000, settings: { maxSessionTimeout: '60000' } });
    try {
      await creates(ensemble, `${servers} server${servers === 1 ? '' : 's'}`, print);
      if (servers === 1) await stalls(ensemble, print);
    } finally {
      await ensemble.stop();
    }
  }
}

async function creates(ensemble: ZooKeeperEnsemble, name: string, print: (line: string) => void): Promise<void> {
  const store = await ZooKeeperMetadataStore.open({
    connect: ensemble.connectString,
    sessionTimeoutMs: 30_000,
    inFlightMax: IN_FLIGHT_MAX,
  });
  await store.create('/n', BODY);
  const rates: Record<'one by one' | 'pipelined', number[]> = { 'one by one': [], pipelined: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    await store.create(`/n/${round}`, BODY);
    const at = (kind: string, index: number): string => `/n/${round}/${kind}${index}`;
    const single = CREATES / 5;
    rates['one by one'].push(
      await rateOf(single, async () => {
        for (let index = 0; index < single; index += 1) await store.create(at('a', index), BODY);
      }),
    );
    rates.pipelined.push(
      await rateOf(CREATES, () =>
        Promise.all(Array.from({ length: CREATES }, (_, index) => store.create(at('b', index), BODY))),
      ),
    );
  }
  await store.close();
  for (const [kind, all] of Object.entries(rates)) {
    print(`${name}, creates of 100 bytes ${kind}: ${all.map((rate) => Math.round(rate)).join(', ')} a second`);
  }
}

async function rateOf(count: number, work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return (count * 1000) / (performance.now() - beganMs);
}

/** Has the event loop stand still, and looks whether the session is the same afterwards. */
async function stalls(ensemble: ZooKeeperEnsemble, print: (line: string) => void): Promise<void> {
  for (const share of STALLS) {
    const store = await ZooKeeperMetadataStore.open({
      connect: ensemble.connectString,
      sessionTimeoutMs: SESSION_MS,
    });
    const states: string[] = [];
    store.onSession((state) => states.push(state));
    await store.exists('/');
    await setImmediate();
    const endMs = performance.now() + SESSION_MS * share;
    while (performance.now() < endMs);
    const outcome = await store.exists('/').then(
      () => 'goes on',
      () => 'is over',
    );
    print(
      `a session of ${store.sessionTimeoutMs} ms whose client stands still for ${SESSION_MS * share} ms ${outcome}` +
        ` (${states.length === 0 ? 'its connection stays' : states.join(', ')})`,
    );
    await store.close();
  }
}
