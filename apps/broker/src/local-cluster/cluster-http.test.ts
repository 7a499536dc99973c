import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { expect, it, vi } from 'vitest';
import { ClusterHttp, leadingTo } from './cluster-http.ts';

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
const makeSite = () =>
  Promise.resolve({
    handle: (_: unknown, response: { end(text: string): void }) => response.end('the page'),
    close: () => Promise.resolve(),
  });

it('tells a cluster that lacks a broker from one that is whole, and serves the page meanwhile', async () => {
  const running = new Set([2, 1]);
  const http = await ClusterHttp.open(
    { host: '127.0.0.1', port: 0, makeSite, logger, brokers: 2, running: () => running },
    Promise.resolve([]),
  );
  try {
    const health = () => fetch(`http://127.0.0.1:${http!.port}/health`);
    const whole = await health();
    expect([whole.status, await whole.json()]).toMatchObject([200, { status: 'up', brokers: [1, 2] }]);
    running.delete(1);
    const less = await health();
    expect([less.status, await less.json()]).toMatchObject([503, { status: 'degraded', brokers: [2] }]);
    expect(await (await fetch(`http://127.0.0.1:${http!.port}/local/topics`)).text()).toBe('the page');
  } finally {
    await http?.close();
  }
});

it('tells of the folders of its brokers that have failed, which is no health, and of those that are full, which is one', async () => {
  let folders: object = { offlineLogDirs: [], fullLogDirs: ['/b'] };
  const member = createServer((_, response) => response.end(JSON.stringify({ status: 'up', ...folders })));
  member.listen(0, '127.0.0.1');
  await new Promise((resolve) => member.once('listening', resolve));
  const { port: httpPort } = member.address() as AddressInfo;
  const ready = [
    { brokerId: 1, endpoints: [], httpPort },
    { brokerId: 2, endpoints: [], httpPort: undefined },
  ];
  const options = { host: '127.0.0.1', port: 0, makeSite, logger, brokers: 2, running: () => new Set([1, 2]) };
  const http = await ClusterHttp.open(options, Promise.resolve(ready));
  const health = async (): Promise<[number, unknown]> => {
    const answer = await fetch(`http://127.0.0.1:${http!.port}/health`);
    return [answer.status, await answer.json()];
  };
  expect(await health()).toMatchObject([200, { status: 'up', offlineLogDirs: [], fullLogDirs: ['/b'] }]);
  folders = { offlineLogDirs: ['/a'], fullLogDirs: [] };
  expect(await health()).toMatchObject([503, { status: 'degraded', offlineLogDirs: ['/a'], fullLogDirs: [] }]);
  member.closeAllConnections();
  await new Promise((resolve) => member.close(resolve));
  expect(await health()).toMatchObject([200, { status: 'up', offlineLogDirs: [], fullLogDirs: [] }]);
  await http?.close();
});

it('goes without a page where the port is taken, and says so', async () => {
  const other = createTcpServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const options = { host: '127.0.0.1', port, makeSite, logger, brokers: 1, running: () => new Set<number>() };
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
