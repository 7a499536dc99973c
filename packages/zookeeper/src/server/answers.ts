import {
  isMetadataError,
  type MetadataErrorCode,
  type NodeStat,
  type Operation,
  type Version,
} from '@millrace/metadata';
import type { LongId } from '../jute.ts';
import { ANY_VERSION, ErrorNumber, type MultiResult, OPEN_ACL, type WireStat, type WriteBody } from '../protocol.ts';

/** ZooKeeper's numbers for what the store raises. */
const numbers: Partial<Record<MetadataErrorCode, number>> = {
  NO_NODE: ErrorNumber.NO_NODE,
  NODE_EXISTS: ErrorNumber.NODE_EXISTS,
  BAD_VERSION: ErrorNumber.BAD_VERSION,
  NOT_EMPTY: ErrorNumber.NOT_EMPTY,
  NO_CHILDREN_FOR_EPHEMERALS: ErrorNumber.NO_CHILDREN_FOR_EPHEMERALS,
  INVALID_PATH: ErrorNumber.BAD_ARGUMENTS,
  TOO_LARGE: ErrorNumber.BAD_ARGUMENTS,
  SESSION_EXPIRED: ErrorNumber.SESSION_EXPIRED,
  STORE_CLOSED: ErrorNumber.SESSION_EXPIRED,
};

/** What a client is told of an error; a fault of the server itself is a system error. */
export function errorNumber(error: unknown): number {
  if (error instanceof RefusedRequest) return error.error;
  return (isMetadataError(error) ? numbers[error.code] : undefined) ?? ErrorNumber.SYSTEM_ERROR;
}

/** A request that this server does not carry out. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  readonly error: number;

  constructor(error: number, why: string) {
    super(why);
    this.error = error;
  }
}

/** A write as the store takes it. @throws RefusedRequest for rights that this server would not keep */
export function operationOf(body: WriteBody): Operation {
  const { type, path } = body;
  if (type === 'create') {
    const isOpen =
      body.acl.length === 1 && body.acl[0]?.scheme === 'world' && body.acl[0].permissions === OPEN_ACL[0]?.permissions;
    if (!isOpen) throw new RefusedRequest(ErrorNumber.INVALID_ACL, 'this server keeps no rights');
    const { ephemeral, sequential, data } = body;
    return { type, path, data, options: { ephemeral, sequential } };
  }
  const expected: Version = body.version === ANY_VERSION ? 'any' : { exactly: body.version };
  return type === 'set' ? { type, path, data: body.data, expected } : { type, path, expected };
}

/** A stat as ZooKeeper sends it. */
export function wireStat(stat: NodeStat, idOf: (sessionId: string) => LongId): WireStat {
  const { ephemeralOwner } = stat;
  // The store does not keep when the children last changed; nobody but a person looks at it.
  const owner = ephemeralOwner === undefined ? undefined : idOf(ephemeralOwner);
  return { ...stat, ephemeralOwner: owner, pzxid: stat.mzxid };
}

/** What a multi that does not apply answers: nothing before the operation that failed, its error, and a -2 behind it. */
export function failedMulti(operations: number, failedIndex: number, error: number): MultiResult[] {
  return Array.from({ length: operations }, (_, index): MultiResult => {
    if (index < failedIndex) return { type: 'error', error: ErrorNumber.OK };
    return { type: 'error', error: index === failedIndex ? error : ErrorNumber.RUNTIME_INCONSISTENCY };
  });
}
