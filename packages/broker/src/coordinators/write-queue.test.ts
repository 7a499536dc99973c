import { ManualClock, silentLogger } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import type { CoordinatorLog } from '../replicas/coordinator-log.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import { WriteQueue } from './write-queue.ts';

const guard = new Guard(silentLogger);

/** A queue over a log that gives out offsets, with the timeouts that are handed in. */
function queueWith(deadlines: Deadlines): WriteQueue {
  let next = 0;
  const log = {
    topic: '__consumer_offsets',
    append: async () => {
      next += 1;
      return { errorCode: 0, baseOffset: next };
    },
    // Nothing else of it is used here.
  } as unknown as CoordinatorLog;
  return new WriteQueue({ partition: 0, log, clock: new ManualClock(), deadlines, guard, timeoutMs: 1000 });
}

function write(queue: WriteQueue): Promise<number> {
  return new Promise((resolve) => queue.push({ records: [{ key: Buffer.from('k'), value: null }], done: resolve }));
}

describe('a queue of writes', () => {
  it('goes on where the timeout of a write cannot be set, as where it can', async () => {
    const deadlines = new Deadlines(new ManualClock(), guard);
    let isFailing = true;
    const set = deadlines.set.bind(deadlines);
    deadlines.set = (...args) => {
      if (isFailing) throw new Error('on purpose');
      set(...args);
    };
    const queue = queueWith(deadlines);
    expect(await write(queue)).toBe(0);
    isFailing = false;
    expect(await Promise.all([write(queue), write(queue)])).toEqual([0, 0]);
    expect(queue.size).toBe(0);
  });

  it('tells the others of their writes when what one does with its outcome throws', async () => {
    const queue = queueWith(new Deadlines(new ManualClock(), guard));
    const records = [{ key: Buffer.from('k'), value: null }];
    const thrown = () => {
      throw new Error('on purpose');
    };
    queue.push({ records, done: thrown });
    queue.push({ records, done: thrown });
    expect(await write(queue)).toBe(0);
  });
});
