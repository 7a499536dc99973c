import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { expect, it, vi } from 'vitest';
import { ClusterHttp, leadingTo } from './cluster-http.ts';
import type { ReadyMember } from './supervisor.ts';

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
const makeSite = () =>
  Promise.resolve({
    handle: (_: unknown, response: { end(text: string): void }) => response.end('the page'),
    close: () => Promise.resolve(),
  });

/** A broker's own port, which says of its health what it is told to. */
async function member(brokerId: number): Promise<Member> {
  const says = { status: 200, folders: { offlineLogDirs: [] as string[], fullLogDirs: [] as string[] } };
  const server = createServer((_, response) => response.writeHead(says.status).end(JSON.stringify(says.folders)));
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const end = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { says, end, ready: { brokerId, endpoints: [], httpPort: (server.address() as AddressInfo).port } };
}

interface Member {
  readonly says: { status: number; folders: { offlineLogDirs: string[]; fullLogDirs: string[] } };
  readonly ready: ReadyMember;
  end(): Promise<void>;
}

/** The health of a cluster of two, and the page that it serves beside. */
async function withCluster(
  work: (
    members: readonly [Member, Member],
    serving: Set<ReadyMember>,
    health: () => Promise<[number, unknown]>,
    port: number,
  ) => Promise<void>,
): Promise<void> {
  const members = [await member(1), await member(2)] as const;
  // In the order of their starts, which is none of their numbers.
  const serving = new Set([members[1].ready, members[0].ready]);
  const options = { host: '127.0.0.1', port: 0, makeSite, logger, brokers: 2, serving: () => [...serving] };
  const http = await ClusterHttp.open(options, Promise.resolve([...serving]));
  const { port } = http!;
  try {
    await work(
      members,
      serving,
      async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/health`);
        return [answer.status, await answer.json()];
      },
      port,
    );
  } finally {
    await http?.close();
    for (const { end } of members) await end();
  }
}

it('tells a cluster that lacks a broker from one that is whole, and serves the page meanwhile', () =>
  withCluster(async ([one], serving, health, port) => {
    expect(await health()).toMatchObject([200, { status: 'up', brokers: [1, 2] }]);
    // It has ended, and what is started in its place does not serve yet.
    serving.delete(one.ready);
    expect(await health()).toMatchObject([503, { status: 'degraded', brokers: [2], brokersWanted: 2 }]);
    expect(await (await fetch(`http://127.0.0.1:${port}/local/topics`)).text()).toBe('the page');
  }));

it('counts no broker that does not call itself well, and none that does not answer', () =>
  withCluster(async ([one, two], _, health) => {
    one.says.status = 503;
    expect(await health()).toMatchObject([503, { status: 'degraded', brokers: [2] }]);
    one.says.status = 200;
    await two.end();
    expect(await health()).toMatchObject([503, { status: 'degraded', brokers: [1] }]);
  }));

it('tells of the folders of its brokers that have failed, which is no health, and of those that are full, which is one', () =>
  withCluster(async ([one, two], _, health) => {
    two.says.folders = { offlineLogDirs: [], fullLogDirs: ['/b'] };
    expect(await health()).toMatchObject([200, { status: 'up', offlineLogDirs: [], fullLogDirs: ['/b'] }]);
    one.says.status = 503;
    one.says.folders = { offlineLogDirs: ['/a'], fullLogDirs: [] };
    expect(await health()).toMatchObject([
      503,
      { status: 'degraded', brokers: [2], offlineLogDirs: ['/a'], fullLogDirs: ['/b'] },
    ]);
  }));

it('is starting until all brokers have served once', async () => {
  const one = await member(1);
  const options = { host: '127.0.0.1', port: 0, makeSite, logger, brokers: 2, serving: () => [one.ready] };
  const http = await ClusterHttp.open(options, new Promise(() => {}));
  const answer = await fetch(`http://127.0.0.1:${http!.port}/health`);
  expect([answer.status, await answer.json()]).toMatchObject([503, { status: 'starting', brokers: [1] }]);
  await http?.close();
  await one.end();
});

it('goes without a page where the port is taken, and says so', async () => {
  const other = createTcpServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const options = { host: '127.0.0.1', port, makeSite, logger, brokers: 1, serving: () => [] };
  expect(await ClusterHttp.open(options, Promise.resolve([]))).toBeUndefined();
  expect(logger.warn).toHaveBeenCalledWith(expect.objectContaining({ port }), expect.stringContaining('console'));
  other.close();
});

it('leads from a broker to the port of the cluster, on the same host, and to no other', async () => {
  const server = createServer((request, response) => leadingTo(9647).handle(request, response)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const led = async (path: string): Promise<string | null> =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' })).headers.get('location');
  expect(await led('/local/topics?q=a')).toBe('http://127.0.0.1:9647/local/topics?q=a');
  expect(await led('//evil.example/')).toBe('http://127.0.0.1:9647/evil.example/');
  server.close();
});
