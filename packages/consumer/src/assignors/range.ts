import { type Assignor, give, inAssignmentOrder } from './assignor.ts';

/**
 * Divides each topic by itself into runs of neighbouring partitions, the first members getting one more where it does not
 * come out even. Topics with the same number of partitions are divided alike, which keeps joins local (`RangeAssignor`).
 */
export const rangeAssignor: Assignor = {
  name: 'range',
  protocol: 'eager',
  assign({ members, partitionCounts }) {
    const assignment = new Map(members.map((member) => [member.memberId, new Map<string, number[]>()]));
    const ordered = inAssignmentOrder(members);
    for (const [topic, partitionCount] of partitionCounts) {
      const subscribers = ordered.filter((member) => member.topics.includes(topic));
      const share = Math.floor(partitionCount / subscribers.length);
      const withOneMore = partitionCount % subscribers.length;
      let partition = 0;
      for (let index = 0; index < subscribers.length; index += 1) {
        const end = partition + share + (index < withOneMore ? 1 : 0);
        for (; partition < end; partition += 1) give(assignment, subscribers[index]!.memberId, topic, partition);
      }
    }
    return assignment;
  },
};
