import { type Assignor, compare, give, inAssignmentOrder } from './assignor.ts';

/**
 * Deals all partitions of all topics out one after the other, passing over members that do not subscribe to the topic
 * (`RoundRobinAssignor`).
 */
export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  protocol: 'eager',
  assign({ members, partitionCounts }) {
    const assignment = new Map(members.map((member) => [member.memberId, new Map<string, number[]>()]));
    const ordered = inAssignmentOrder(members);
    const subscriptions = ordered.map((member) => new Set(member.topics));
    let turn = 0;
    for (const topic of [...partitionCounts.keys()].sort(compare)) {
      if (!subscriptions.some((topics) => topics.has(topic))) continue;
      for (let partition = 0; partition < partitionCounts.get(topic)!; partition += 1) {
        while (!subscriptions[turn % ordered.length]!.has(topic)) turn += 1;
        give(assignment, ordered[turn % ordered.length]!.memberId, topic, partition);
        turn += 1;
      }
    }
    return assignment;
  },
};
