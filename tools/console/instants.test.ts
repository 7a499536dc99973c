import { afterEach, describe, expect, it, vi } from 'vitest';
import { instantMs, instantOf, localField } from '../../apps/console/page/src/lib/instants.ts';

describe('an instant in an address', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each(['Asia/Seoul', 'America/New_York', 'UTC'])(
    'is the same to a reader in %s as to whoever has typed it elsewhere',
    (zone) => {
      vi.stubEnv('TZ', 'Asia/Seoul');
      const at = instantOf('2026-11-30T18:00:00.250');
      expect(at).toBe('2026-11-30T09:00:00.250Z');
      vi.stubEnv('TZ', zone);
      expect(instantMs(at)).toBe(Date.UTC(2026, 10, 30, 9, 0, 0, 250));
      // And what the field shows is that instant in the reader's own zone.
      expect(instantOf(localField(at))).toBe(at);
    },
  );

  it('may be a number of milliseconds, and is nothing where it is none', () => {
    expect(instantMs(1_700_000_000_000)).toBe(1_700_000_000_000);
    expect(instantMs('1700000000000')).toBe(1_700_000_000_000);
    for (const none of [undefined, '', 'tomorrow']) {
      expect(instantMs(none)).toBeNaN();
      expect(localField(none)).toBe('');
    }
    expect(instantOf('tomorrow')).toBeUndefined();
  });
});
