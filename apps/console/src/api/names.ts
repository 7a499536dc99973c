/** Kafka's text is no longer, so no name of a group, a user or a transactional id is. */
export const NAME_CHARS_MAX = 32_767;
/** What a server has to take before the body: such a name in an address, where a byte takes three characters. */
export const HEAD_BYTES_MAX = 128 * 1024;

/** Stands before a name that an address would not keep as it is. */
const MARK = '~';

/**
 * A name as a part of an address. Nothing at all, `.` and `..` lead to another address, encoded or not, so they come behind a mark; and so
 * does what begins with the mark.
 */
export function pathPart(name: string): string {
  return encodeURIComponent(markedName(name));
}

/** A name as it stands in an address before it is encoded. */
export function markedName(name: string): string {
  return /^(?:|\.{1,2}|~.*)$/s.test(name) ? MARK + name : name;
}

/** The name that stands in an address, which has been decoded. */
export function nameOf(part: string): string {
  return part.startsWith(MARK) ? part.slice(MARK.length) : part;
}
