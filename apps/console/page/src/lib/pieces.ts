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
