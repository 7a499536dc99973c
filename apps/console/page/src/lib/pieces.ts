/** What is shorter is never broken: half a word or half a number reads as another. */
export const KEPT_CHARS = 22;
/** What has no place to break is broken after so many, so that nothing is wider than a page. */
export const PIECE_CHARS_MAX = 30;

/** A name, a path or a value in pieces: a long one may be broken behind what divides it, and nowhere else. */
export function piecesOf(text: string): string[] {
  if (text.length <= KEPT_CHARS) return [text];
  const divided = text.split(/(?<=[.,:;/_\-\s])/u);
  return divided.flatMap((piece) => piece.match(new RegExp(`.{1,${PIECE_CHARS_MAX}}`, 'gsu')) ?? []);
}

/** As much as a browser lays out at once without anybody noticing. */
export const PART_CHARS_MAX = 16 * 1024;

/** A long text in parts that are laid out one by one: behind a line's end, or else a space, where there is one, and never within a character. */
export function partsOf(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  while (text.length - from > PART_CHARS_MAX) {
    const most = text.slice(from, from + PART_CHARS_MAX);
    const end = most.lastIndexOf('\n') + 1 || most.lastIndexOf(' ') + 1 || most.replace(/[\uD800-\uDBFF]$/, '').length;
    parts.push(most.slice(0, end));
    from += end;
  }
  parts.push(text.slice(from));
  return parts;
}
