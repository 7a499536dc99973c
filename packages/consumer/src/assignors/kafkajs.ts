import type { Assignor } from './assignor.ts';
import { roundRobinAssignor } from './round-robin.ts';

/**
 * Round robin under the name that kafkajs gives to its own: for groups with members of both, while a service moves from one to the
 * other. kafkajs offers nothing else by default, and speaks the same encoding of subscriptions and assignments.
 *
 * @example `new Consumer({ ...options, assignors: [cooperativeStickyAssignor, kafkajsRoundRobinAssignor] })`
 */
export const kafkajsRoundRobinAssignor: Assignor = { ...roundRobinAssignor, name: 'RoundRobinAssigner' };
