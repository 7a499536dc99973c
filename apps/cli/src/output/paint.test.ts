import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { takesColor } from './paint.ts';

const terminal = Object.assign(new Writable(), { isTTY: true });
const pipe = new Writable();

describe('colours', () => {
  it.each([
    [terminal, {}, true],
    [pipe, {}, false],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [terminal, { TERM: 'dumb' }, false],
    [pipe, { FORCE_COLOR: '1' }, true],
    [pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
    [terminal, { FORCE_COLOR: '0' }, false],
  ])('go to terminals whose environment does not speak against it (%#)', (stream, env, colored) => {
    expect(takesColor(stream, env)).toBe(colored);
  });
});
