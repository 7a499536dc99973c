import { type RefusalWord, refusalIn, type Said } from './api/refusals.ts';

/** What the console says no to, by a code that stays. */
export type ConsoleErrorCode =
  | 'CONSOLE_BAD_REQUEST'
  | 'CONSOLE_NOT_FOUND'
  | 'CONSOLE_LOGIN_NEEDED'
  | 'CONSOLE_LOGIN_FAILED'
  | 'CONSOLE_OIDC_INVALID'
  | 'CONSOLE_PASSWORD_INVALID'
  | 'CONSOLE_MASK_INVALID'
  | 'CONSOLE_USERS_INVALID'
  | 'CONSOLE_BUSY'
  | 'CONSOLE_NOT_READ'
  | 'CONSOLE_FORBIDDEN'
  | 'CONSOLE_READ_ONLY'
  | 'CONSOLE_FOREIGN_HOST'
  | 'CONSOLE_FOREIGN_ORIGIN'
  | 'CONSOLE_NOT_CONFIRMED'
  | 'CONSOLE_MASKED'
  | 'CONSOLE_CHANGED_MEANWHILE'
  | 'CONSOLE_FILTER_FAILED'
  | 'CONSOLE_SCHEMA_MISFIT'
  | 'CONSOLE_PAGE_MISSING'
  | 'CONSOLE_LOGIN_REQUIRED_BEYOND_LOOPBACK'
  | 'CONSOLE_LISTEN_FAILED';

/** The HTTP status that goes with each. */
const STATUS: Readonly<Record<ConsoleErrorCode, number>> = {
  CONSOLE_BAD_REQUEST: 400,
  CONSOLE_NOT_FOUND: 404,
  CONSOLE_LOGIN_NEEDED: 401,
  CONSOLE_LOGIN_FAILED: 403,
  CONSOLE_OIDC_INVALID: 500,
  CONSOLE_PASSWORD_INVALID: 500,
  CONSOLE_MASK_INVALID: 500,
  CONSOLE_USERS_INVALID: 500,
  CONSOLE_BUSY: 503,
  CONSOLE_NOT_READ: 503,
  CONSOLE_FORBIDDEN: 403,
  CONSOLE_READ_ONLY: 403,
  CONSOLE_FOREIGN_HOST: 403,
  CONSOLE_FOREIGN_ORIGIN: 403,
  CONSOLE_NOT_CONFIRMED: 400,
  CONSOLE_MASKED: 403,
  CONSOLE_CHANGED_MEANWHILE: 409,
  CONSOLE_FILTER_FAILED: 400,
  CONSOLE_SCHEMA_MISFIT: 400,
  CONSOLE_PAGE_MISSING: 503,
  CONSOLE_LOGIN_REQUIRED_BEYOND_LOOPBACK: 400,
  CONSOLE_LISTEN_FAILED: 503,
};

/** The console refuses; the message says what was asked and what to do. */
export class ConsoleError extends Error {
  override name = 'ConsoleError';
  readonly code: ConsoleErrorCode;
  /** The same request fails again. */
  readonly retriable = false;

  /** What the message says, for a page in another language; undefined where no page is told it. */
  readonly said: Said | undefined;

  constructor(code: ConsoleErrorCode, message: string, options: { cause?: unknown; said?: Said | undefined } = {}) {
    super(message, options);
    this.code = code;
    this.said = options.said;
  }

  get status(): number {
    return STATUS[this.code];
  }
}

/** A refusal that the page says in its reader's language. */
export function refusal(
  code: ConsoleErrorCode,
  word: RefusalWord,
  values: Said['values'] = {},
  cause?: unknown,
): ConsoleError {
  const said = { word, values };
  return new ConsoleError(code, refusalIn('en', said), { said, cause });
}
