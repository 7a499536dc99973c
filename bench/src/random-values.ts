/** Values for records: the same in every run, all different, of text that compresses by about half. */

/** Sixteen letters make four bits of eight. */
const LETTERS = 16;

export function randomValues(count: number, bytes: number): Buffer[] {
  const all = Buffer.alloc(count * bytes);
  let state = 42;
  for (let at = 0; at < all.length; at += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    all[at] = 97 + ((state >>> 16) % LETTERS);
  }
  return Array.from({ length: count }, (_, index) => all.subarray(index * bytes, (index + 1) * bytes));
}
