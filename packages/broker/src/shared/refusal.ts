import type { ApiError } from './api-error.ts';

const wordless = new Map<number, Refusal>();

/** Why something that was asked for is not given: the error that the answer carries in its place. */
export class Refusal implements ApiError {
  readonly errorCode: number;
  readonly errorMessage: string | null;

  /** Only what was made here is one, for the compiler too: another error with these fields would pass the guard by. */
  readonly #made = true;

  private constructor(errorCode: number, errorMessage: string | null) {
    this.errorCode = errorCode;
    this.errorMessage = errorMessage;
  }

  /** Hot paths refuse too, so that refusals without words are made once for each code. */
  static of(errorCode: number, errorMessage: string | null = null): Refusal {
    if (errorMessage !== null) return new Refusal(errorCode, errorMessage);
    const known = wordless.get(errorCode);
    if (known !== undefined) return known;
    const made = new Refusal(errorCode, null);
    wordless.set(errorCode, made);
    return made;
  }

  static is(found: unknown): found is Refusal {
    return typeof found === 'object' && found !== null && #made in found;
  }
}

/** Whether what was asked for is refused. */
export function isRefusal(found: unknown): found is Refusal {
  return Refusal.is(found);
}
