import type { Logger } from '@millrace/client';
import { withoutAdvice } from '../explain-error.ts';
import type { Output } from './output.ts';

/**
 * What the SDKs have to say on the way: their warnings once each in a row, the rest with `--debug`. That a bootstrap server cannot be
 * reached is told by the command itself, as its end or as news beside long work; an address that the cluster names is not.
 */
export function sdkLogger(out: Output, debug: boolean): Logger {
  let last: string | undefined;
  const warn = (fields: object, message: string): void => {
    const { failures, peer } = fields as { readonly failures?: unknown; readonly peer?: unknown };
    const isUnreachable = failures !== undefined && peer !== undefined && !message.includes('the cluster names');
    if (isUnreachable) {
      detail(fields, message);
      return;
    }
    // What goes on trying says the same each time.
    if (message !== last) out.warn(withoutAdvice(message));
    last = message;
  };
  const detail = (_fields: object, message: string): void => {
    if (debug) out.note(message);
  };
  return { debug: detail, info: detail, warn, error: warn };
}
