/** Moments in lists: in the reader's zone or in UTC, as he chooses, and in the other one where a pointer rests. */
import type { ReactNode } from 'react';
import { localTime, utcClock, utcTime } from '../lib/format.ts';
import { changeSettings, useSettings, useWords } from '../lib/settings.ts';

/** Where there is little room the day stands above the time. */
export function Instant({ ms }: { ms: number }): ReactNode {
  const { zone } = useSettings();
  const [day = '', time] = (zone === 'utc' ? utcClock(ms) : localTime(ms)).split(' ');
  return (
    <time className="time" title={zone === 'utc' ? localTime(ms) : utcTime(ms)}>
      {time === undefined ? day : <span className="day">{day} </span>}
      {time}
    </time>
  );
}

/** Beside what heads the times of a list: a finger and a keyboard come to UTC by it too. */
export function ZoneSwitch(): ReactNode {
  const say = useWords();
  const { zone } = useSettings();
  const isUtc = zone === 'utc';
  return (
    <button
      type="button"
      className="link zone"
      aria-pressed={isUtc}
      aria-label={say('timesInUtc')}
      title={say('timesInUtc')}
      onClick={() => changeSettings({ zone: isUtc ? 'local' : 'utc' })}
    >
      UTC
    </button>
  );
}
