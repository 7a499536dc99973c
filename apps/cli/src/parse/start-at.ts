import { parseMoment } from './values.ts';

/** Where reading begins: a place, an offset, so many records before the end, or a time. */
export type StartAt =
  | { readonly at: 'beginning' | 'end' }
  | { readonly at: 'offset'; readonly offset: number }
  | { readonly at: 'last'; readonly count: number }
  | { readonly at: 'time'; readonly timestamp: number };

/** `beginning`, `end`, `1234`, `-10`, `timestamp:1700000000000`, `2026-03-01T12:00:00Z`; undefined for anything else. */
export function parseStartAt(text: string): StartAt | undefined {
  if (text === 'beginning' || text === 'earliest') return { at: 'beginning' };
  if (text === 'end' || text === 'latest') return { at: 'end' };
  if (/^-?\d+$/.test(text)) {
    const offset = Number(text);
    if (!Number.isSafeInteger(offset)) return undefined;
    return text.startsWith('-') ? { at: 'last', count: -offset } : { at: 'offset', offset };
  }
  const time = /^(?:timestamp:|s@)?(.+)$/.exec(text)?.[1] ?? '';
  const timestamp = text.startsWith('timestamp:') && /^\d+$/.test(time) ? Number(time) : parseMoment(time);
  return timestamp === undefined ? undefined : { at: 'time', timestamp };
}
