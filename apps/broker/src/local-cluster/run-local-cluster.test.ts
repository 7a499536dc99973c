import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@millrace/broker';
import { NodeDisk } from '@millrace/ports';
import { expect, it, onTestFinished } from 'vitest';
import { openOwnMetadata } from '../metadata-engine.ts';
import { startLocalCluster } from './run-local-cluster.ts';

it.each([
  [{ 'node.id': '2' }, 'numbers 1 to 3, and node.id=2 is set'],
  [{ 'broker.id': '0' }, 'numbers 1 to 3, and broker.id=0 is set'],
  [{ 'zookeeper.connect': 'zk:2181' }, 'zookeeper.connect names an ensemble'],
  [{ listeners: 'PLAINTEXT://:9644' }, 'would both be on port 9644'],
])('does not pass over settings that a single broker alone can have: %j', async (overrides, said) => {
  // Where nothing is refused, the start goes no further than this.
  const interrupted = Promise.reject<never>(new Error('It was not refused'));
  const start = startLocalCluster({ brokers: 3, overrides, env: {}, logger: silentLogger, interrupted });
  await expect(start).rejects.toMatchObject({
    code: 'START_CONFIG_INVALID',
    message: expect.stringContaining(said),
  });
  await interrupted.catch(() => {});
});

it('does not start beside one that runs on the same folder, and leaves that one alone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-twice-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const metadata = join(folder, '__millrace_metadata');
  // What a parent holds while it runs, and where it says that it serves it.
  const store = await openOwnMetadata(metadata, { disk: new NodeDisk(), logger: silentLogger, onFailed: () => {} });
  onTestFinished(() => store.close());
  await writeFile(join(metadata, '.socket'), '/tmp/of-the-first.sock');
  const overrides = { 'log.dirs': folder, listeners: 'PLAINTEXT://localhost:0', 'millrace.http.port': '' };
  const second = startLocalCluster({ brokers: 3, overrides, env: {}, logger: silentLogger });
  await expect(second).rejects.toMatchObject({ code: 'START_FOLDER_LOCKED', exitCode: 69 });
  expect(await readdir(folder)).toEqual(['__millrace_metadata']);
  expect(await readFile(join(metadata, '.socket'), 'utf8')).toBe('/tmp/of-the-first.sock');
  await store.create('/still', Buffer.from('there'));
});
