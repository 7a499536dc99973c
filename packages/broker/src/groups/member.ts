import type { Deadline } from '../shared/deadlines.ts';
import { type JoinResult, NO_BYTES, type SyncResult } from './results.ts';

/** One way of dividing the work that a member knows (a partition assignor), with what it wants to tell its leader. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

/** About what protocols take in memory. */
export function metadataBytes(protocols: readonly MemberProtocol[]): number {
  let bytes = 0;
  for (const { name, metadata } of protocols) bytes += name.length + metadata.length;
  return bytes;
}

export interface MemberFields {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
  readonly assignment?: Buffer;
}

/** A member of a group, with the JoinGroup or SyncGroup that it waits in. Only its group changes it. */
export class Member {
  /** Changes when a static member comes back under a new id. */
  memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  /** In the order of the member's preference. */
  protocols: readonly MemberProtocol[];
  assignment: Buffer;
  /** Waits in its first JoinGroup: it cannot heartbeat yet, so its deadline holds though it waits. */
  isNew = false;
  /** Ends its membership unless it is heard of; set by the coordinator when the member is added. */
  sessionDeadline: Deadline | undefined;
  replyJoin: ((result: JoinResult) => void) | undefined;
  replySync: ((result: SyncResult) => void) | undefined;

  constructor(fields: MemberFields) {
    this.memberId = fields.memberId;
    this.groupInstanceId = fields.groupInstanceId;
    this.clientId = fields.clientId;
    this.clientHost = fields.clientHost;
    this.rebalanceTimeoutMs = fields.rebalanceTimeoutMs;
    this.sessionTimeoutMs = fields.sessionTimeoutMs;
    this.protocols = fields.protocols;
    this.assignment = fields.assignment ?? NO_BYTES;
  }

  get isAwaitingJoin(): boolean {
    return this.replyJoin !== undefined;
  }

  get isAwaitingSync(): boolean {
    return this.replySync !== undefined;
  }

  /** Whether a deadline that falls due now speaks against it: one who waits for our answer cannot be silent. */
  get mayExpire(): boolean {
    return this.isNew || !(this.isAwaitingJoin || this.isAwaitingSync);
  }

  /** Its metadata under a protocol; undefined for one it does not know. */
  metadata(protocolName: string): Buffer | undefined {
    return this.protocols.find((protocol) => protocol.name === protocolName)?.metadata;
  }

  /** The first of its protocols that is among the candidates. */
  vote(candidates: ReadonlySet<string>): string | undefined {
    return this.protocols.find((protocol) => candidates.has(protocol.name))?.name;
  }

  /** Whether it joined with the very same protocols, in the same order, with the same metadata. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every((protocol, index) => {
        const own = this.protocols[index]!;
        return own.name === protocol.name && own.metadata.equals(protocol.metadata);
      })
    );
  }
}
