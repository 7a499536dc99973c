/** The soak, short, and its judges: each of them must be able to find fault. */
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { loadValue } from '../faults/ledger.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { growthPerMinute, type MemorySample } from './memory-watch.ts';
import { soak } from './soak.ts';
import { SoakLedger } from './soak-ledger.ts';

const SOAK_MS = 12_000;

it('producers and a group get through everything that happens in a few seconds', { timeout: 120_000 }, async () => {
  const { ledger, troubles, samples } = await soak({ timeMs: SOAK_MS, seed: 3 });
  expect(ledger.violations).toEqual([]);
  expect(ledger.recordsAcknowledged).toBeGreaterThan(1_000);
  expect(ledger.recordsHandled).toBeGreaterThanOrEqual(ledger.recordsAcknowledged);
  expect(ledger.commitsAcknowledged).toBeGreaterThan(0);
  expect(troubles.size).toBeGreaterThan(3);
  expect(samples.length).toBeGreaterThan(10);
});

describe('the ledger', () => {
  const place = { producer: 0, partition: 0 };

  /** A ledger of three records acknowledged at 0 to 2, and what a reading of the topic gives. */
  function judge(read: readonly (readonly [offset: number, sequence: number])[]): string[] {
    const ledger = new SoakLedger(1, 10);
    ledger.enrol(0);
    for (const sequence of [0, 1, 2]) ledger.acknowledged({ ...place, sequence }, sequence);
    for (const [offset, sequence] of read) ledger.found(0, offset, loadValue({ ...place, sequence }));
    ledger.checkAllFound();
    return ledger.violations;
  }

  it.each<[string, [number, number][], RegExp[]]>([
    [
      'nothing where all is well',
      [
        [0, 0],
        [1, 1],
        [2, 2],
      ],
      [],
    ],
    [
      'a record that is lost in the middle',
      [
        [0, 0],
        [2, 2],
      ],
      [/1 to 1 are lost/],
    ],
    [
      'a record that is lost at the end',
      [
        [0, 0],
        [1, 1],
      ],
      [/2 is lost, at the end/],
    ],
    [
      'a record that is there twice',
      [
        [0, 0],
        [1, 1],
        [2, 2],
        [3, 2],
      ],
      [/2 is there twice/, /told to be at 2/],
    ],
    [
      'a record elsewhere than it was said to be',
      [
        [0, 0],
        [1, 1],
        [3, 2],
      ],
      [/2 is at 3, and was told to be at 2/],
    ],
  ])('finds %s', (_what, read, expected) => {
    const found = judge(read);
    expect(found).toHaveLength(expected.length);
    for (const [at, pattern] of expected.entries()) expect(found[at]).toMatch(pattern);
  });

  it('finds a group that skips records, and acknowledgements out of order', () => {
    const ledger = new SoakLedger(1, 10);
    ledger.enrol(0);
    ledger.handled(0, 0);
    ledger.handled(0, 2);
    ledger.acknowledged({ ...place, sequence: 0 }, 5);
    ledger.acknowledged({ ...place, sequence: 1 }, 4);
    expect(ledger.violations).toEqual([
      'partition 0: the group went from 1 to 2',
      '0 0: 1 was acknowledged at 4, before the one sent before it',
    ]);
  });
});

describe('growth', () => {
  const samples = (of: (at: number) => number): MemorySample[] =>
    Array.from({ length: 40 }, (_, at) => ({
      atMs: at * 10_000,
      heapBytes: of(at),
      bufferBytes: 0,
      sockets: 0,
      timers: 0,
    }));
  const growth = (of: (at: number) => number) => growthPerMinute(samples(of), ({ heapBytes }) => heapBytes);

  it('is found under what goes up and down', () => {
    expect(growth((at) => 20e6 + at * 1e5 + (at % 5) * 2e6)).toBeGreaterThan(4e5);
  });

  it('is not found in what only goes up and down, nor in a single bad moment', () => {
    expect(Math.abs(growth((at) => 20e6 + (at % 5) * 2e6))).toBeLessThan(1e5);
    expect(growth((at) => (at === 39 ? 90e6 : 20e6))).toBe(0);
  });
});

describe('the proxy', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  /** A proxy to a server that keeps what it gets. */
  async function open(): Promise<{
    proxy: CuttingProxy;
    received: () => Buffer;
    client: Socket;
    ended: Promise<void>;
  }> {
    const chunks: Buffer[] = [];
    const server = createServer((socket) => socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = await CuttingProxy.open();
    proxy.brokerPort = (server.address() as { port: number }).port;
    const client = connect(proxy.port, '127.0.0.1').on('error', () => {});
    const ended = new Promise<void>((resolve) => client.on('close', () => resolve()));
    closers.push(
      () => new Promise((resolve) => server.close(resolve)),
      () => proxy.close(),
      () => void client.destroy(),
    );
    return { proxy, received: () => Buffer.concat(chunks), client, ended };
  }

  const frame = (bytes: number): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes]), Buffer.alloc(bytes, 7)]);

  it('cuts inside the next frame, not inside the one on its way', async () => {
    const { proxy, received, client, ended } = await open();
    const [first, second] = [frame(10), frame(20)];
    client.write(first.subarray(0, 6));
    await expect.poll(() => received().length).toBe(6);
    proxy.cutNextFrame('request', 7);
    client.write(Buffer.concat([first.subarray(6), second]));
    await ended;
    await expect.poll(() => received().length).toBe(first.length + 7);
    expect(proxy.cutsInFrames).toBe(1);
  });

  it('holds bytes back, and lets them go in order', async () => {
    const { proxy, received, client } = await open();
    proxy.hold('request', 100);
    client.write(frame(3));
    client.write(frame(4));
    await expect.poll(() => received()).toEqual(Buffer.concat([frame(3), frame(4)]));
  });
});
