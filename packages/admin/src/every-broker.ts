import type { KafkaClient, OperationOptions } from '@millrace/client';

/**
 * Asks brokers one by one for their share of a whole: those that are named, or all. Of all, those that do not answer are asked again; where one
 * that was asked has left the cluster, everybody is asked anew, for what it had may have moved to one that has answered.
 */
export async function fromBrokers<T>(
  client: KafkaClient,
  what: string,
  brokerIds: readonly number[] | undefined,
  options: OperationOptions,
  ask: (brokerId: number, options: OperationOptions) => Promise<readonly T[]>,
): Promise<T[]> {
  if (brokerIds !== undefined) return (await Promise.all(brokerIds.map((brokerId) => ask(brokerId, options)))).flat();
  const answers = new Map<number, readonly T[]>();
  let asked: readonly number[] = [];
  return client.retrying(what, options, async ({ signal, remainingMs: timeoutMs }) => {
    const once = { timeoutMs, signal, retries: 0 };
    await client.connect(once);
    if (asked.some((brokerId) => !client.brokers.has(brokerId))) answers.clear();
    asked = [...client.brokers.keys()];
    const shares = asked.map(async (brokerId) => {
      if (!answers.has(brokerId)) answers.set(brokerId, await ask(brokerId, once));
    });
    // What the others have answered stays answered.
    const failed = (await Promise.allSettled(shares)).find((share) => share.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return asked.flatMap((brokerId) => answers.get(brokerId) ?? []);
  });
}
