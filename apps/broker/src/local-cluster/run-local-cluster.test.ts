import { silentLogger } from '@millrace/broker';
import { expect, it } from 'vitest';
import { startLocalCluster } from './run-local-cluster.ts';

it.each([
  [{ 'node.id': '2' }, 'numbers 1 to 3, and node.id=2 is set'],
  [{ 'broker.id': '0' }, 'numbers 1 to 3, and broker.id=0 is set'],
  [{ 'zookeeper.connect': 'zk:2181' }, 'zookeeper.connect names an ensemble'],
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
