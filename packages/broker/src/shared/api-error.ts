import { ErrorCode } from '@millrace/protocol';

/** The outcome of one part of a request, as responses carry it. */
export interface ApiError {
  /** 0 is success. */
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export const NO_ERROR: ApiError = { errorCode: ErrorCode.NONE, errorMessage: null };

export function apiError(errorCode: number, errorMessage: string | null = null): ApiError {
  return { errorCode, errorMessage };
}
