import { ErrorCode } from '@millrace/protocol';
import type { Group } from './group.ts';
import { GroupState } from './group-state.ts';
import { NO_BYTES } from './results.ts';

/** A group as DescribeGroups shows it. */
export interface DescribedGroup {
  readonly errorCode: number;
  readonly groupId: string;
  readonly groupState: string;
  readonly protocolType: string;
  /** The chosen protocol; empty unless the group is stable. */
  readonly protocolData: string;
  readonly members: readonly DescribedMember[];
}

export interface DescribedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly memberMetadata: Buffer;
  readonly memberAssignment: Buffer;
}

/** A group as ListGroups shows it. */
export interface ListedGroup {
  readonly groupId: string;
  readonly protocolType: string;
  readonly state: string;
  readonly type: string;
}

/** Only a stable group has metadata and assignments that belong together; of others, who is in it is told. */
export function describeGroup(group: Group): DescribedGroup {
  const protocolName = group.is(GroupState.STABLE) ? group.protocolName : null;
  return {
    errorCode: ErrorCode.NONE,
    groupId: group.id,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: protocolName ?? '',
    members: Array.from(group.members, (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: protocolName === null ? NO_BYTES : (member.metadata(protocolName) ?? NO_BYTES),
      memberAssignment: protocolName === null ? NO_BYTES : member.assignment,
    })),
  };
}

export function unknownGroup(groupId: string, groupState: string, errorCode: number): DescribedGroup {
  return { errorCode, groupId, groupState, protocolType: '', protocolData: '', members: [] };
}
