/** What a file of all that a search finds holds at most. */

/** Messages. */
export const EXPORT_RECORDS_MAX = 1_000_000;
/** How long the file grows. */
export const EXPORT_BYTES_MAX = 1024 * 1024 * 1024;
/** Of a key or a value; what is longer is cut, and said to be. */
export const EXPORT_PART_BYTES_MAX = 1024 * 1024;
