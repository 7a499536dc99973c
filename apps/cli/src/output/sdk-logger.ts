import type { Logger } from '@millrace/client';
import type { Output } from './output.ts';

/** What the SDKs have to say on the way: their warnings once each in a row, the rest with `--debug`. */
export function sdkLogger(out: Output, debug: boolean): Logger {
  let last: string | undefined;
  const warn = (_fields: object, message: string): void => {
    // What goes on trying says the same each time.
    if (message !== last) out.warn(message);
    last = message;
  };
  const detail = (_fields: object, message: string): void => {
    if (debug) out.note(message);
  };
  return { debug: detail, info: detail, warn, error: warn };
}
