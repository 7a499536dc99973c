/** What a person or a script that calls the program sees of its end. */
export const ExitCode = {
  DONE: 0,
  FAILED: 1,
  /** The command cannot be meant as it was written. */
  USAGE: 2,
  /** Ctrl-C came before the work was done. */
  INTERRUPTED: 130,
} as const;

/** What the command line itself finds wrong. */
export type CliErrorCode =
  | 'CLI_USAGE'
  | 'CLI_FAILED'
  | 'CLI_FILE_UNREADABLE'
  | 'CLI_CONFIG_INVALID'
  | 'CLI_INPUT_INVALID';

/** Codes of the SDKs that the command line gives its own words. */
export type SdkErrorCode = `KAFKA_${string}` | 'CLIENT_TIMED_OUT';

/** A command that cannot do its work, in words for the one who typed it. */
export class CliError extends Error {
  override name = 'CliError';
  /** Stable, for scripts that read `--json`. */
  readonly code: CliErrorCode | SdkErrorCode;
  readonly retriable = false;
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(
    code: CliErrorCode | SdkErrorCode,
    message: string,
    details: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/** An argument or option that cannot be meant. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError('CLI_USAGE', message, { hint });
}

/** A command that was understood and could not be carried out. */
export function failure(message: string, hint?: string, cause?: unknown): CliError {
  return new CliError('CLI_FAILED', message, { hint, cause });
}
