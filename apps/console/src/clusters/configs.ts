import type { ConfigResource } from '@millrace/admin';
import type { ConfigChange, ConfigRow } from '../api/contract.ts';
import { ConsoleError } from '../errors.ts';
import type { Cluster } from './cluster.ts';

/** The configs of a topic or a broker, with what they would be without their own. */
export async function configsOf(cluster: Cluster, resource: ConfigResource): Promise<ConfigRow[]> {
  const [described] = await cluster.admin.describeConfigs([resource], { documentation: true });
  return (described?.entries ?? []).map((entry) => ({
    name: entry.name,
    value: entry.sensitive ? null : entry.value,
    source: entry.source,
    isReadOnly: entry.readOnly,
    isSensitive: entry.sensitive,
    type: entry.valueType,
    documentation: entry.documentation,
    defaultValue: entry.synonyms.at(-1)?.value ?? null,
  }));
}

/** The resource of a broker that is there: asking one that is not would wait for it. */
export async function brokerResource(cluster: Cluster, id: number): Promise<ConfigResource> {
  const { brokers } = await cluster.look('cluster', () => cluster.admin.describeCluster());
  if (!brokers.some(({ nodeId }) => nodeId === id)) {
    const there = brokers.map(({ nodeId }) => nodeId).join(', ');
    throw new ConsoleError(
      'CONSOLE_NOT_FOUND',
      `Broker ${id} is not in ${cluster.name}, or is down: there are ${there}`,
    );
  }
  return { type: 'broker', name: String(id) };
}

/** Sets and unsets configs of a topic or a broker. */
export async function changeConfigs(cluster: Cluster, resource: ConfigResource, change: ConfigChange): Promise<void> {
  await cluster.admin.alterConfigs([{ ...resource, set: change.set, unset: change.unset }]);
  cluster.forget();
}
