/** What nobody sees and what yet changes what is read: turns of the direction, nothings, controls. */
const UNSEEN = /(?![\t\n\r]|\p{VS})[\p{DI}\p{Bidi_C}\p{Cc}\p{Zl}\p{Zp}\u{FFF9}-\u{FFFB}]/gu;
/** Joins pictures to one, and letters of scripts that are written so. */
const JOINER = /^[\u{200C}\u{200D}]$/u;
const JOINED_BEFORE =
  /(?:\p{Extended_Pictographic}[\u{FE0F}\u{1F3FB}-\u{1F3FF}]?|[\p{Script=Arabic}\p{Script=Syriac}\p{M}]|[\u{0900}-\u{0DFF}])$/u;
const JOINED_AFTER = /^(?:\p{Extended_Pictographic}|[\p{Script=Arabic}\p{Script=Syriac}]|[\u{0900}-\u{0DFF}])/u;
/** No character is longer with what may follow it. */
const BESIDE_CHARS = 4;

/** Text with what nobody would see in it written out: a name that is another than it looks is seen to be. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (unseen, at: number) => {
    if (JOINER.test(unseen) && isJoined(text, at)) return unseen;
    return `‹U+${(unseen.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}›`;
  });
}

function isJoined(text: string, at: number): boolean {
  return (
    JOINED_BEFORE.test(text.slice(Math.max(0, at - BESIDE_CHARS), at)) &&
    JOINED_AFTER.test(text.slice(at + 1, at + 1 + BESIDE_CHARS))
  );
}

/** Of a longer name the first part is shown. */
export const NAME_SHOWN_CHARS = 160;

/** A name as it is shown: one that begins or ends with nothing, or is nothing, stands in quotes, and a very long one is cut. */
export function shownName(name: string): string {
  const cut =
    name.length > NAME_SHOWN_CHARS ? `${name.slice(0, NAME_SHOWN_CHARS).replace(/[\uD800-\uDBFF]$/, '')}…` : name;
  return visible(name.trim() === name && name !== '' ? cut : `"${cut}"`);
}
