import { type Clock, ManualClock, silentLogger } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deadline, Deadlines } from './deadlines.ts';
import { Guard } from './guard.ts';

const guard = new Guard(silentLogger);

describe('Deadlines', () => {
  it('goes on with the others when one throws', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock, guard);
    const fired: string[] = [];
    const failing = new Deadline(() => {
      fired.push('failing');
      throw new Error('on purpose');
    });
    deadlines.set(failing, 10);
    deadlines.set(new Deadline(() => fired.push('next')), 10);
    deadlines.set(new Deadline(() => fired.push('later')), 20);
    clock.advance(20);
    expect(fired).toEqual(['failing', 'next', 'later']);
  });

  it('fires what waits when it is next set up, though looking for it threw', () => {
    const clock = new ManualClock();
    let throwsLeft = 0;
    const failing: Clock = {
      now: () => clock.now(),
      monotonic: () => {
        throwsLeft -= 1;
        if (throwsLeft >= 0) throw new Error('on purpose');
        return clock.monotonic();
      },
      schedule: (delayMs, run) => clock.schedule(delayMs, run),
    };
    for (const throws of [1, 2, 3]) {
      const deadlines = new Deadlines(failing, guard);
      const fired: string[] = [];
      deadlines.set(new Deadline(() => fired.push('first')), 10);
      throwsLeft = throws;
      expect(() => clock.advance(10)).not.toThrow();
      throwsLeft = 0;
      deadlines.set(new Deadline(() => fired.push('second')), 5);
      clock.advance(5);
      expect(fired.toSorted()).toEqual(['first', 'second']);
    }
  });

  it('does not keep who sets one from going on, though the clock throws, and fires it all the same', () => {
    const clock = new ManualClock();
    let throwsAt = -1;
    const fail = <T>(call: () => T): T => {
      throwsAt -= 1;
      if (throwsAt === -1) throw new Error('on purpose');
      return call();
    };
    const failing: Clock = {
      now: () => clock.now(),
      monotonic: () => fail(() => clock.monotonic()),
      schedule: (delayMs, run) => fail(() => clock.schedule(delayMs, run)),
    };
    for (const at of [0, 1, 2]) {
      const deadlines = new Deadlines(failing, guard);
      const fired: string[] = [];
      throwsAt = at;
      expect(() => deadlines.set(new Deadline(() => fired.push('first')), 10)).not.toThrow();
      throwsAt = -1;
      deadlines.set(new Deadline(() => fired.push('second')), 10);
      clock.advance(10);
      expect(fired.toSorted()).toEqual(['first', 'second']);
    }
  });

  it('runs each deadline at its instant, in order', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock, guard);
    const fired: string[] = [];
    for (const [name, delayMs] of [
      ['b', 20],
      ['a', 10],
      ['c', 30],
    ] as const) {
      deadlines.set(new Deadline(() => fired.push(`${name}@${clock.monotonic()}`)), delayMs);
    }
    clock.advance(100);
    expect(fired).toEqual(['a@10', 'b@20', 'c@30']);
    expect(deadlines.size).toBe(0);
  });

  it('moves later without another timer, and fires at the later instant', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock, guard);
    let firedAt: number | undefined;
    const deadline = new Deadline(() => {
      firedAt = clock.monotonic();
    });
    deadlines.set(deadline, 10);
    for (let beat = 0; beat < 100; beat += 1) {
      clock.advance(5);
      deadlines.set(deadline, 10);
      expect(clock.pendingCount).toBe(1);
    }
    clock.advance(9);
    expect(firedAt).toBeUndefined();
    clock.advance(1);
    expect(firedAt).toBe(510);
  });

  it('moves earlier', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock, guard);
    let fired = false;
    const deadline = new Deadline(() => {
      fired = true;
    });
    deadlines.set(deadline, 300_000);
    deadlines.set(deadline, 10);
    clock.advance(10);
    expect(fired).toBe(true);
  });

  it('lets a deadline set itself anew, even to now, without spinning', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock, guard);
    let count = 0;
    const deadline: Deadline = new Deadline(() => {
      count += 1;
      if (count < 5) deadlines.set(deadline, 0);
    });
    deadlines.set(deadline, 1);
    clock.advance(1);
    expect(count).toBe(5);
  });

  it('forgets what is cancelled and takes nothing after it was closed', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock, guard);
    const never = new Deadline(() => expect.unreachable());
    deadlines.set(never, 10);
    deadlines.cancel(never);
    deadlines.cancel(never);
    deadlines.set(never, 10);
    deadlines.close();
    deadlines.set(never, 10);
    clock.advance(100);
    expect(clock.pendingCount).toBe(0);
  });

  it('fires like a list that is searched each time, whatever is set, moved and cancelled', () => {
    const step = fc.record({
      which: fc.nat({ max: 9 }),
      action: fc.constantFrom('set', 'set', 'set', 'cancel', 'wait'),
      ms: fc.nat({ max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const clock = new ManualClock();
        const deadlines = new Deadlines(clock, guard);
        const fired: string[] = [];
        const expected: string[] = [];
        const due = new Map<number, number>();
        const all = Array.from({ length: 10 }, (_, n) => new Deadline(() => fired.push(`${n}@${clock.monotonic()}`)));
        const wait = (ms: number): void => {
          const untilMs = clock.monotonic() + ms;
          for (const [n, atMs] of due) {
            if (atMs > untilMs) continue;
            expected.push(`${n}@${atMs}`);
            due.delete(n);
          }
          clock.advance(ms);
        };
        for (const { which, action, ms } of steps) {
          if (action === 'wait') wait(ms);
          else if (action === 'cancel') {
            deadlines.cancel(all[which]!);
            due.delete(which);
          } else {
            deadlines.set(all[which]!, ms);
            due.set(which, clock.monotonic() + ms);
          }
        }
        wait(1000);
        expect(fired.toSorted()).toEqual(expected.toSorted());
      }),
    );
  });
});
