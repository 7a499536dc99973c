import type { ConfigResource } from '@millrace/admin';
import type { ConfigChange, ConfigRow } from '../api/contract.ts';
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

/** Sets and unsets configs of a topic or a broker. */
export async function changeConfigs(cluster: Cluster, resource: ConfigResource, change: ConfigChange): Promise<void> {
  await cluster.admin.alterConfigs([{ ...resource, set: change.set, unset: change.unset }]);
  cluster.forget();
}
