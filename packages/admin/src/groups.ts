import {
  type KafkaClient,
  type OperationOptions,
  type TopicPartition,
  UnsupportedVersionError,
} from '@millrace/client';
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription,
  DeleteGroups,
  DescribeGroups,
  decodeVersioned,
  ErrorCode,
  LeaveGroup,
  ListGroups,
  ProtocolError,
} from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { fromBrokers } from './every-broker.ts';
import { failureOf, ofOne } from './requests.ts';

/** A group in a list. */
export interface ListedGroup {
  readonly groupId: string;
  /** `consumer` for groups of consumers; connect workers and others have their own. Empty where only offsets are kept. */
  readonly protocolType: string;
  /** Empty from brokers before 2.6. */
  readonly state: string;
  /** The broker that coordinates the group. */
  readonly coordinatorId: number;
}

/** Which groups to list. */
export interface ListGroupsOptions extends OperationOptions {
  /** Only groups in these states, such as `Stable` or `Empty`; all by default. Needs brokers from 2.6 on. */
  readonly states?: readonly string[] | undefined;
  /** Only the groups that these brokers coordinate; of all brokers by default. */
  readonly brokerIds?: readonly number[] | undefined;
}

const STATES_FILTER_VERSION = 4;

export async function listGroups(
  client: KafkaClient,
  { states = [], brokerIds, ...options }: ListGroupsOptions,
): Promise<ListedGroup[]> {
  const versionMin = states.length > 0 ? STATES_FILTER_VERSION : 0;
  const groups = await fromBrokers(client, 'Listing groups', brokerIds, options, async (nodeId, once) => {
    const response = await client.sendToBroker(nodeId, ListGroups, { statesFilter: states }, { ...once, versionMin });
    return response.groups.map((group) => ({
      groupId: group.groupId,
      protocolType: group.protocolType,
      state: group.groupState,
      coordinatorId: nodeId,
    }));
  });
  return groups.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
}

/** A member of a group. */
export interface GroupMember {
  readonly memberId: string;
  /** The name of a static member. */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** What the member reads; empty where it is no consumer. */
  readonly assignment: readonly TopicPartition[];
  /** What the member asked for; empty where it is no consumer. */
  readonly topics: readonly string[];
}

/** A group with its members. */
export interface DescribedGroup {
  readonly groupId: string;
  /** `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable`, or `Dead` where there is no such group. */
  readonly state: string;
  readonly protocolType: string;
  /** The assignor that the members agreed on. */
  readonly assignor: string;
  readonly coordinator: { readonly nodeId: number; readonly host: string; readonly port: number };
  readonly members: readonly GroupMember[];
}

export async function describeGroups(
  client: KafkaClient,
  groupIds: readonly string[],
  options: OperationOptions,
): Promise<DescribedGroup[]> {
  const failures = new ItemFailures('Describing groups');
  const described = groupIds.map(async (groupId): Promise<DescribedGroup[]> => {
    const coordinator = await client.coordinatorFor('group', groupId, options);
    const response = await client.sendToCoordinator(
      'group',
      groupId,
      DescribeGroups,
      { groups: [groupId] },
      { ...options, errorOf: (answer) => coordinatorError(answer.groups[0]?.errorCode) },
    );
    const group = response.groups[0]!;
    if (!failures.add(groupId, failureOf(group.errorCode, `Describing group "${groupId}"`))) return [];
    const isConsumer = group.protocolType === 'consumer' || group.protocolType === '';
    return [
      {
        groupId,
        state: group.groupState,
        protocolType: group.protocolType,
        assignor: group.protocolData,
        coordinator: { nodeId: coordinator.nodeId, host: coordinator.host, port: coordinator.port },
        members: group.members.map((member) => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          clientId: member.clientId,
          clientHost: member.clientHost,
          assignment: isConsumer ? readAssignment(member.memberAssignment) : [],
          topics: isConsumer ? readTopics(member.memberMetadata) : [],
        })),
      },
    ];
  });
  const groups = (await Promise.all(described.map((one, index) => ofOne(failures, groupIds[index]!, one)))).flat();
  failures.throwIfAny();
  return groups;
}

export async function deleteGroups(
  client: KafkaClient,
  groupIds: readonly string[],
  options: OperationOptions,
): Promise<void> {
  const failures = new ItemFailures('Deleting groups');
  const deleted = groupIds.map(async (groupId): Promise<never[]> => {
    const response = await client.sendToCoordinator(
      'group',
      groupId,
      DeleteGroups,
      { groupsNames: [groupId] },
      { ...options, errorOf: (answer) => coordinatorError(answer.results[0]?.errorCode) },
    );
    failures.add(groupId, failureOf(response.results[0]!.errorCode, `Deleting group "${groupId}"`));
    return [];
  });
  await Promise.all(deleted.map((one, index) => ofOne(failures, groupIds[index]!, one)));
  failures.throwIfAny();
}

/** A member to be removed: a static one by its name, or any by its id. */
export type MemberToRemove = { readonly groupInstanceId: string } | { readonly memberId: string };

const LEAVE_BATCH_VERSION = 3;

export async function removeMembers(
  client: KafkaClient,
  groupId: string,
  members: readonly MemberToRemove[] | 'all',
  options: OperationOptions & { reason?: string | undefined },
): Promise<void> {
  const removed = members === 'all' ? await membersOf(client, groupId, options) : members;
  if (removed.length === 0) return;
  const response = await client.sendToCoordinator(
    'group',
    groupId,
    LeaveGroup,
    (version) => {
      if (version < LEAVE_BATCH_VERSION) {
        throw new UnsupportedVersionError('Removing members of a group needs brokers from 2.4 on');
      }
      return {
        groupId,
        members: removed.map((member) => ({
          memberId: 'memberId' in member ? member.memberId : '',
          groupInstanceId: 'groupInstanceId' in member ? member.groupInstanceId : null,
          reason: options.reason ?? 'removed by an admin client',
        })),
      };
    },
    { ...options, versionMin: LEAVE_BATCH_VERSION },
  );
  const failures = new ItemFailures(`Removing members of group "${groupId}"`);
  for (const { memberId, groupInstanceId, errorCode } of response.members) {
    const name = groupInstanceId ?? memberId;
    failures.add(name, failureOf(errorCode, `Removing member "${name}" of group "${groupId}"`));
  }
  failures.throwIfAny();
}

async function membersOf(client: KafkaClient, groupId: string, options: OperationOptions): Promise<MemberToRemove[]> {
  const [group] = await describeGroups(client, [groupId], options);
  return (group?.members ?? []).map(({ memberId, groupInstanceId }) =>
    groupInstanceId === null ? { memberId } : { groupInstanceId },
  );
}

/** An error that tells of the coordinator rather than of the group: the client looks for the new one and asks again. */
export function coordinatorError(errorCode = ErrorCode.NONE as number): number {
  const moved =
    errorCode === ErrorCode.NOT_COORDINATOR ||
    errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE ||
    errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
  return moved ? errorCode : ErrorCode.NONE;
}

function readAssignment(bytes: Buffer): TopicPartition[] {
  return tolerantly(bytes, () =>
    decodeVersioned(ConsumerProtocolAssignment, bytes).assignedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition })),
    ),
  );
}

function readTopics(bytes: Buffer): string[] {
  return tolerantly(bytes, () => decodeVersioned(ConsumerProtocolSubscription, bytes).topics);
}

/** A member may put any bytes there; what is no consumer's is not this tool's to read. */
function tolerantly<T>(bytes: Buffer, read: () => T[]): T[] {
  if (bytes.length === 0) return [];
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}
