/** What a search looks at. */

/** Of a key, a value or a header by expression, path and script; a message with a longer one is said to be looked at in part. Text is looked for in all of it. */
export const SEARCHED_PART_BYTES_MAX = 1024 * 1024;
