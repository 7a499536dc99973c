import type { MetadataStore } from '@millrace/metadata';
import { untilAnswered } from './lost-answers.ts';
import { makePersistentNodes } from './registration.ts';
import { paths } from './znodes.ts';

/**
 * Takes the next number for a broker that has none (`KafkaZkClient.generateBrokerSequenceId`): the version of a node that every such
 * broker raises. A number whose answer was lost is nobody's.
 * @param reservedMax `reserved.broker.max.id`: numbers up to it are for those who choose their own.
 */
export async function takeBrokerId(store: MetadataStore, reservedMax: number): Promise<number> {
  await makePersistentNodes(store);
  const { version } = await untilAnswered(() => store.set(paths.brokerSequence, Buffer.alloc(0), 'any'));
  return version + reservedMax;
}
