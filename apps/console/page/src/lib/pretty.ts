/** Deeper than that nobody reads lines: what is within stands in one. */
const DEPTH_MAX = 24;
/** Spaces of one level. */
const INDENT = '  ';
/** A text that would be longer than that stays as it is. */
export const PRETTY_CHARS_MAX = 2 * 1024 * 1024;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},:]|[^\s"[\]{},:]+/gs;

/** JSON with a line for each value. Numbers and texts stay as they were written; undefined for what is no JSON, or would be too long. */
export function prettyJson(text: string): string | undefined {
  if (!isJson(text)) return undefined;
  let depth = 0;
  let chars = 0;
  let before = '';
  const parts: string[] = [];
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === '}' || token === ']';
    const isBroken = closes ? !isOpening(before) : isOpening(before) || before === ',';
    const isDeep = depth > DEPTH_MAX;
    if (closes) depth -= 1;
    const space = isBroken
      ? isDeep
        ? before === ','
          ? ' '
          : ''
        : `\n${INDENT.repeat(depth)}`
      : before === ':'
        ? ' '
        : '';
    parts.push(space, token);
    chars += space.length + token.length;
    if (chars > PRETTY_CHARS_MAX) return undefined;
    if (isOpening(token)) depth += 1;
    before = token;
  }
  return parts.join('');
}

function isOpening(token: string): boolean {
  return token === '{' || token === '[';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
