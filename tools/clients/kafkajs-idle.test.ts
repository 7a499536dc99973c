import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import './kafkajs-idle.ts';

it('gives timers a turn while a consumer of kafkajs that does not run is asked for records', async () => {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/runner') as {
    readonly prototype: { fetch(nodeId: number): Promise<unknown[]> };
  };
  const logger = { debug: () => {} };
  const runner = { running: false, logger, consumerGroup: { groupId: 'g', memberId: 'm' } };
  let hasHadTurn = false;
  setTimeout(() => {
    hasHadTurn = true;
  }, 0);
  for (let left = 1000; !hasHadTurn && left > 0; left -= 1) expect(await prototype.fetch.call(runner, 1)).toEqual([]);
  expect(hasHadTurn).toBe(true);
});
