const DIGITS_MAX = 15;

/** What may lie between two lines of a chart that counts: whole numbers, and none of which the short form is another's. */
export const COUNT_STEPS: readonly number[] = Array.from({ length: DIGITS_MAX }, (_, digits) =>
  [1, 2, 5].map((first) => first * 10 ** digits),
).flat();
