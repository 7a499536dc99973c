/** What the generated code uses where a field was left out. */
import { ProtocolError } from './errors.ts';

/** An array without elements. */
export const NOTHING: readonly never[] = Object.freeze([]);

/**
 * The value of a field that may be null in other versions but not in this one: its zero if it was left out.
 * @throws ProtocolError if it is null, since that means something which this version cannot express.
 */
export function required<T>(value: T | null | undefined, zero: T, field: string, version: number): T {
  if (value === undefined) return zero;
  if (value !== null) return value;
  throw new ProtocolError(
    'PROTOCOL_NULL_NOT_ALLOWED',
    `${field} is null, which version ${version} of the message cannot express. Use a newer version or give a value.`,
  );
}
