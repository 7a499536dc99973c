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

async function checkUnchanged(
  cluster: Cluster,
  resource: ConfigResource,
  seen: readonly (readonly [name: string, value: string | null])[],
): Promise<void> {
  const [described] = await cluster.admin.describeConfigs([resource], { names: seen.map(([name]) => name) });
  for (const [name, value] of seen) {
    const now = described?.entries.find((entry) => entry.name === name);
    // What is secret nobody has seen.
    if (now === undefined || now.sensitive || now.value === value) continue;
    throw new ConsoleError(
      'CONSOLE_CHANGED_MEANWHILE',
      `Somebody else has changed ${name} meanwhile: it is ${now.value ?? 'not set'} now. Look at it again before you change it`,
    );
  }
}

/**
 * Sets and unsets configs of a topic or a broker.
 * @throws ConsoleError `CONSOLE_CHANGED_MEANWHILE` where somebody else has changed one since it was seen
 */
export async function changeConfigs(cluster: Cluster, resource: ConfigResource, change: ConfigChange): Promise<void> {
  const seen = Object.entries(change.seen ?? {});
  if (seen.length > 0) await checkUnchanged(cluster, resource, seen);
  await cluster.admin.alterConfigs([{ ...resource, set: change.set, unset: change.unset }]);
  cluster.forget();
}
