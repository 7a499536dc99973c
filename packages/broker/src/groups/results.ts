import { ErrorCode } from '@millrace/protocol';
import { storeErrors, TOO_LARGE } from '../coordinators/store-errors.ts';

/** What JoinGroup answers with. */
export interface JoinResult {
  readonly errorCode: number;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** All members with their metadata of the chosen protocol; only the leader gets them. */
  readonly members: readonly JoinResultMember[];
}

export interface JoinResultMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Buffer;
}

/** What SyncGroup answers with. */
export interface SyncResult {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

export const NO_BYTES: Buffer = Buffer.alloc(0);

/** The member id of one who has none yet. */
export const UNKNOWN_MEMBER_ID = '';

/** The generation of a request that belongs to none. */
export const NO_GENERATION = -1;

export function joinError(memberId: string, errorCode: number): JoinResult {
  return {
    errorCode,
    generationId: NO_GENERATION,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}

export function syncError(errorCode: number): SyncResult {
  return { errorCode, protocolType: null, protocolName: null, assignment: NO_BYTES };
}

const GROUP_TOO_LARGE = [...TOO_LARGE, ErrorCode.INVALID_FETCH_SIZE];

/** The error that a member gets whose group could not be written to the log (GroupMetadataManager.storeGroup). */
export const groupStoreError: (appendError: number) => number = storeErrors([
  [ErrorCode.REQUEST_TIMED_OUT, ErrorCode.REBALANCE_IN_PROGRESS],
  ...GROUP_TOO_LARGE.map((error) => [error, ErrorCode.UNKNOWN_SERVER_ERROR] as const),
]);

/** The error that a commit gets which could not be written (GroupMetadataManager.maybeConvertOffsetCommitError). */
export const commitStoreError: (appendError: number) => number = storeErrors(
  GROUP_TOO_LARGE.map((error) => [error, ErrorCode.INVALID_COMMIT_OFFSET_SIZE] as const),
);
