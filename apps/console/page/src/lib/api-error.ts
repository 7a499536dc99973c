import type { Failure } from '../../../src/api/contract.ts';
import { refusalIn } from '../../../src/api/refusals.ts';

/** The server's refusal, in its words. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly said: Failure['said'];

  constructor({ code, message, said }: Failure, status: number) {
    super(message);
    this.code = code;
    this.status = status;
    this.said = said;
  }
}

/** In the place of an answer where there is none. */
export function unreachable(): ApiError {
  const said = { word: 'unreachable', values: {} } as const;
  return new ApiError({ code: 'CONSOLE_UNREACHABLE', message: refusalIn('en', said), said }, 0);
}
