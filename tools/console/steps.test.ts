import { describe, expect, it } from 'vitest';
import { brief, meaningOf } from '../../apps/console/page/src/lib/format.ts';
import { COUNT_STEPS } from '../../apps/console/page/src/lib/steps.ts';

/** What has room beside a chart. */
const CHARS_MAX = 7;
/** Lines of a chart of its height. */
const LINES = 5;

describe('the counts beside a chart', () => {
  it('are short enough to be read whole, and no two the same, however large they are', () => {
    for (const step of COUNT_STEPS) {
      const shown = Array.from({ length: LINES }, (_, line) => brief(line * step));
      expect(new Set(shown).size, `${step}`).toBe(LINES);
      for (const each of shown) expect(each.length, each).toBeLessThanOrEqual(CHARS_MAX);
    }
  });
});

describe('the meaning of a number of a config', () => {
  it.each([
    ['retention.ms', '604800000', '7 d'],
    ['delete.retention.ms', '86400000', '1 d'],
    ['max.message.bytes', '1048588', '1.0 MiB'],
    ['flush.ms', '9223372036854775807', '∞'],
    ['log.retention.bytes', '-1', '∞'],
    ['compression.gzip.level', '-1', undefined],
    ['num.partitions', '86400000', undefined],
    ['retention.ms', '12', undefined],
  ])('%s of %s', (name, value, meaning) => expect(meaningOf(name, value)).toBe(meaning));
});
