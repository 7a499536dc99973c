import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { withWarningBudget } from './warning-budget.ts';

describe('the warnings of a listener', () => {
  it('are bounded by the second, and tell how many were left out', () => {
    const clock = new ManualClock();
    const lines: [level: string, fields: object][] = [];
    const note = (level: string) => (fields: object) => void lines.push([level, fields]);
    const logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
    const bounded = withWarningBudget(logger, clock);
    for (let n = 0; n < 100; n += 1) bounded.warn({ n }, 'closing');
    expect(lines).toHaveLength(20);
    bounded.error({}, 'something else');
    expect(lines.at(-1)).toEqual(['error', {}]);
    clock.advance(1000);
    bounded.warn({ n: 100 }, 'closing');
    expect(lines.at(-1)).toEqual(['warn', { n: 100, warningsLeftOut: 80 }]);
    bounded.warn({ n: 101 }, 'closing');
    expect(lines.at(-1)).toEqual(['warn', { n: 101 }]);
  });
});
