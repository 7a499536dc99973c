/** A cluster of three brokers becomes one of five and one of three again, while everything it has moves under a throttle. */
import type { Admin, ConfigChanges } from '@millrace/admin';
import { type ClusterLoad, TOPIC } from './cluster-load.ts';
import { BROKER_IDS } from './cluster-process.ts';
import type { EnsembleCluster } from './ensemble-cluster.ts';
import { movesOfAll, reassign } from './reassign.ts';

/** The brokers that come and go. */
export const LATER_IDS: readonly number[] = [4, 5];
const REPLICAS = 3;
/** What leaders give and followers take while replicas move (KIP-73): less than there is to move in a moment. */
const THROTTLE_BYTES_PER_SECOND = 200_000;

const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'];
const LISTS = ['leader.replication.throttled.replicas', 'follower.replication.throttled.replicas'];

export async function resize(cluster: EnsembleCluster, load: ClusterLoad, say: (line: string) => void): Promise<void> {
  const { admin } = load;
  const ids = [...BROKER_IDS, ...LATER_IDS];
  await Promise.all(LATER_IDS.map((id) => cluster.add(id, 'millrace')));
  await admin.alterConfigs(throttles(ids, true));
  await spread(admin, ids);
  await load.whole();
  say(`everything is spread over brokers ${ids.join(', ')}`);
  await spread(admin, BROKER_IDS);
  await load.whole();
  await admin.alterConfigs(throttles(ids, false));
  for (const id of LATER_IDS) await cluster.stopOne(id);
  say(`everything is back on brokers ${BROKER_IDS.join(', ')}`);
}

/** Partition by partition over as many brokers as each has replicas, each beginning with the next. */
async function spread(admin: Admin, ids: readonly number[]): Promise<void> {
  const target = (_: readonly number[], partition: number): number[] =>
    Array.from({ length: REPLICAS }, (_unused, index) => ids[(partition + index) % ids.length]!);
  await reassign(admin, await movesOfAll(admin, target));
}

function throttles(ids: readonly number[], isOn: boolean): ConfigChanges[] {
  const change = (names: readonly string[], value: string): Pick<ConfigChanges, 'set' | 'unset'> =>
    isOn ? { set: Object.fromEntries(names.map((name) => [name, value])) } : { unset: names };
  return [
    { type: 'topic', name: TOPIC, ...change(LISTS, '*') },
    ...ids.map((id) => ({
      type: 'broker' as const,
      name: String(id),
      ...change(RATES, String(THROTTLE_BYTES_PER_SECOND)),
    })),
  ];
}
