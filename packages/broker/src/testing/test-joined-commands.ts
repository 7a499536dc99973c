/** What a broker would be sent of a controller's commands, where it answers more slowly than they come and those that wait are joined. */
import type { LeaderAndIsrRequest, StopReplicaRequest, UpdateMetadataRequest } from '@millrace/protocol';
import type { PartitionState, ReplicaState } from '../cluster/broker-channel.ts';
import { CommandQueue, type Order } from '../commands/command-queue.ts';
import { leaderAndIsrCommand, stopReplicaCommand, updateMetadataCommand } from '../commands/wire.ts';
import type { Command } from './test-captured-cluster.ts';

/** The commands that go over the network, by who says them to whom in which of its lives, each in order. */
export function commandLines(commands: readonly Command[]): Order[][] {
  const remote = commands.filter(({ from, to }) => from !== to);
  const lines = Map.groupBy(remote, ({ from, to, body }) => {
    const { controllerEpoch, brokerEpoch } = body as { controllerEpoch: number; brokerEpoch: number };
    return `${from} ${controllerEpoch} ${to} ${brokerEpoch}`;
  });
  return [...lines.values()].map((line) => line.map(orderOf));
}

function orderOf({ api, version, body }: Command): Order {
  if (api === 'LeaderAndIsr') return { api, command: leaderAndIsrCommand(body as LeaderAndIsrRequest) };
  if (api === 'UpdateMetadata') return { api, command: updateMetadataCommand(body as UpdateMetadataRequest) };
  return { api: 'StopReplica', command: stopReplicaCommand(body as StopReplicaRequest, version) };
}

/** What is sent of a line of commands to a broker that answers one whenever so many more have come. */
export function sentAtPace(line: readonly Order[], pace: number): Order[] {
  const queue = new CommandQueue();
  const sent: Order[] = [];
  let underWay = queue.first();
  const answer = (): void => {
    if (underWay === undefined) return;
    sent.push(underWay.order);
    queue.done(underWay);
    underWay = queue.first();
  };
  for (const [index, order] of line.entries()) {
    queue.put(order, () => {});
    underWay ??= queue.first();
    if ((index + 1) % pace === 0) answer();
  }
  while (underWay !== undefined) answer();
  return sent;
}

/**
 * What a broker has been told of everything whenever it is told to stop replicas, or of live brokers alone, which nothing may pass, and in the end:
 * by partition the last it was ordered as a replica and the last it was told of. The same for two lines says that one may stand for the other.
 */
export function toldAtEnds(line: readonly Order[]): string[] {
  const ordered = new Map<string, string>();
  const known = new Map<string, string>();
  let live = '';
  const all = (what: string): string =>
    JSON.stringify([what, [...ordered].sort(byName), live, [...known].sort(byName)]);
  const ends: string[] = [];
  for (const { api, command } of line) {
    if (api === 'UpdateMetadata') live = JSON.stringify(command.liveBrokers);
    if (api === 'LeaderAndIsr') note(command.partitions, ordered);
    if (api === 'UpdateMetadata') note(command.partitions, known);
    if (api === 'StopReplica' || command.partitions.length === 0) ends.push(all(JSON.stringify([api, command])));
  }
  return [...ends, all('in the end')];
}

/** Epochs of partitions that are told of before they are ordered, of those that a line orders: `sent` is that line, or stands for it. */
export function toldTooEarly(sent: readonly Order[], line: readonly Order[]): string[] {
  const orders = (order: Order): readonly ReplicaState[] =>
    order.api === 'LeaderAndIsr' ? order.command.partitions : [];
  const epochs = new Set(line.flatMap((order) => orders(order).map(epochOf)));
  const ordered = new Map<string, number>();
  const early: string[] = [];
  for (const order of sent) {
    for (const state of orders(order)) ordered.set(nameOf(state), state.leaderEpoch);
    if (order.api !== 'UpdateMetadata') continue;
    for (const state of order.command.partitions) {
      const isLate = (ordered.get(nameOf(state)) ?? -1) >= state.leaderEpoch;
      if (epochs.has(epochOf(state)) && !isLate) early.push(epochOf(state));
    }
  }
  return early;
}

function epochOf(state: Pick<PartitionState, 'topic' | 'topicId' | 'partition' | 'leaderEpoch'>): string {
  return `${nameOf(state)} in ${state.leaderEpoch}`;
}

function note(states: readonly Omit<PartitionState, 'offlineReplicas'>[], into: Map<string, string>): void {
  for (const state of states) {
    const { leader, leaderEpoch, partitionEpoch, isr, replicas } = state;
    into.set(nameOf(state), JSON.stringify([leader, leaderEpoch, partitionEpoch, isr, replicas]));
  }
}

function nameOf({ topic, topicId, partition }: Pick<PartitionState, 'topic' | 'topicId' | 'partition'>): string {
  return `${topic}-${partition} ${topicId}`;
}

function byName([one]: readonly [string, string], [other]: readonly [string, string]): number {
  return one < other ? -1 : 1;
}
