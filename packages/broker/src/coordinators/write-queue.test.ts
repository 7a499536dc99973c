import { ManualClock, silentLogger } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import type { CoordinatorLog } from '../replicas/coordinator-log.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import { WriteQueue } from './write-queue.ts';

const guard = new Guard(silentLogger);

/** A queue over a log that gives out offsets. */
function openQueue(): WriteQueue {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock, guard);
  let next = 0;
  const log = {
    topic: '__consumer_offsets',
    append: async () => {
      next += 1;
      return { errorCode: 0, baseOffset: next };
    },
    // Nothing else of it is used here.
  } as unknown as CoordinatorLog;
  return new WriteQueue({ partition: 0, log, clock, deadlines, guard, timeoutMs: 1000 });
}

function write(queue: WriteQueue): Promise<number> {
  return new Promise((resolve) => queue.push({ records: [{ key: Buffer.from('k'), value: null }], done: resolve }));
}

describe('a queue of writes', () => {
  it('tells the others of their writes when what one does with its outcome throws', async () => {
    const queue = openQueue();
    const records = [{ key: Buffer.from('k'), value: null }];
    const thrown = () => {
      throw new Error('on purpose');
    };
    queue.push({ records, done: thrown });
    queue.push({ records, done: thrown });
    expect(await write(queue)).toBe(0);
  });
});
