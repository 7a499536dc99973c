import { ErrorCode } from '@millrace/protocol';
import { Refusal } from '../shared/refusal.ts';

/** How many configs of one resource a request may name: several times as many as there are, and what is checked in one turn. */
export const CONFIGS_PER_RESOURCE_MAX = 1000;
/** How many names a message lists. */
const NAMES_SHOWN_MAX = 20;

export function tooManyConfigs(count: number): Refusal {
  const message = `At most ${CONFIGS_PER_RESOURCE_MAX} configs of a resource can be set at once, and these are ${count}.`;
  return Refusal.of(ErrorCode.INVALID_REQUEST, message);
}

/** Names for a message, which is not to be as long as the request. */
export function listed(names: readonly (string | number)[], separator: string = ','): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(separator);
  return names.length > NAMES_SHOWN_MAX ? `${shown}${separator}... (${names.length})` : shown;
}
