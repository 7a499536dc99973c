import type { ConfigResource } from '@millrace/admin';
import type { ConfigChange, ConfigRow, NewTopicConfig } from '../api/contract.ts';
import { refusal } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import { lookAtNames } from './topic-look.ts';

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
    documentation: inWords(entry.documentation),
    defaultValue: entry.synonyms.at(-1)?.value ?? null,
  }));
}

/** What a topic may be told, by the names under which brokers say what holds where it is not told. */
const TOPIC_CONFIGS: Readonly<Record<string, string>> = {
  'cleanup.policy': 'log.cleanup.policy',
  'compression.type': 'compression.type',
  'delete.retention.ms': 'log.cleaner.delete.retention.ms',
  'file.delete.delay.ms': 'log.segment.delete.delay.ms',
  'flush.messages': 'log.flush.interval.messages',
  'flush.ms': 'log.flush.interval.ms',
  'index.interval.bytes': 'log.index.interval.bytes',
  'max.compaction.lag.ms': 'log.cleaner.max.compaction.lag.ms',
  'max.message.bytes': 'message.max.bytes',
  'message.timestamp.type': 'log.message.timestamp.type',
  'min.cleanable.dirty.ratio': 'log.cleaner.min.cleanable.ratio',
  'min.compaction.lag.ms': 'log.cleaner.min.compaction.lag.ms',
  'min.insync.replicas': 'min.insync.replicas',
  preallocate: 'log.preallocate',
  'retention.bytes': 'log.retention.bytes',
  'retention.ms': 'log.retention.ms',
  'segment.bytes': 'log.segment.bytes',
  'segment.index.bytes': 'log.index.size.max.bytes',
  'segment.jitter.ms': 'log.roll.jitter.ms',
  'segment.ms': 'log.roll.ms',
  'unclean.leader.election.enable': 'unclean.leader.election.enable',
};

/** Where a broker is not told the one, what it is told in larger units counts. */
const IN_LARGER_UNITS: Readonly<Record<string, readonly (readonly [name: string, ms: number])[]>> = {
  'retention.ms': [
    ['log.retention.minutes', 60_000],
    ['log.retention.hours', 3_600_000],
  ],
  'segment.ms': [['log.roll.hours', 3_600_000]],
  'segment.jitter.ms': [['log.roll.jitter.hours', 3_600_000]],
  'flush.ms': [['log.flush.scheduler.interval.ms', 1]],
};

type ConfigEntry = Awaited<ReturnType<Cluster['admin']['describeConfigs']>>[number]['entries'][number];

/** They change with the cluster's version, and with what its brokers are told. */
const HELP_KEPT_MS = 30_000;

/** What a new topic may be told: of any topic there are all of them, and where there is none yet, brokers tell of most. */
export function newTopicConfigs(cluster: Cluster): Promise<NewTopicConfig[]> {
  const take = async (): Promise<NewTopicConfig[]> => {
    const { admin } = cluster;
    const [name] = (await lookAtNames(cluster)).map((topic) => topic.name);
    const { brokers } = await cluster.look('cluster', () => admin.describeCluster());
    const broker: ConfigResource = { type: 'broker', name: String(brokers[0]?.nodeId) };
    const [ofBroker] = await admin.describeConfigs([broker], { documentation: true });
    const defaults = brokerDefaults(ofBroker?.entries ?? []);
    if (name === undefined) return [...defaults.values()];
    const [ofTopic] = await admin.describeConfigs([{ type: 'topic', name }], { documentation: true });
    return (ofTopic?.entries ?? []).map((entry) => {
      // What that topic was told itself is nobody's business here.
      const isOwn = entry.source === 'topic';
      return {
        ...helpOf(entry.name, entry),
        ...(isOwn ? { byDefault: defaults.get(entry.name)?.byDefault ?? null } : {}),
      };
    });
  };
  return cluster.look('new topic', take, HELP_KEPT_MS);
}

/** What holds for topics that are told nothing, by the names that topics have for it. */
function brokerDefaults(entries: readonly ConfigEntry[]): ReadonlyMap<string, NewTopicConfig> {
  const known = Object.entries(TOPIC_CONFIGS).flatMap(([config, ofBroker]) => {
    const entry = entries.find((each) => each.name === ofBroker);
    if (entry === undefined) return [];
    const help = helpOf(config, entry);
    return [{ ...help, byDefault: help.byDefault ?? inLargerUnits(config, entries) }];
  });
  return new Map(known.map((help) => [help.name, help]));
}

function helpOf(name: string, { valueType, documentation, sensitive, value }: ConfigEntry): NewTopicConfig {
  return { name, type: valueType, documentation: inWords(documentation), byDefault: sensitive ? null : value };
}

function inLargerUnits(config: string, entries: readonly ConfigEntry[]): string | null {
  for (const [name, ms] of IN_LARGER_UNITS[config] ?? []) {
    const value = entries.find((entry) => entry.name === name)?.value;
    // Less than nothing is no limit, in any unit.
    if (typeof value === 'string' && value !== '') {
      return Number(value) < 0 ? value : String(BigInt(value) * BigInt(ms));
    }
  }
  return null;
}

/** Kafka documents by HTML, of which the words are what is shown. */
function inWords(documentation: string | null): string | null {
  if (documentation === null) return null;
  const text = documentation
    .replace(/<\/?[a-z][^>]*>/gi, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return text.replaceAll('&quot;', '"').replaceAll('&amp;', '&').replace(/\s+/g, ' ').trim();
}

/** The resource of a broker that is there: asking one that is not would wait for it. */
export async function brokerResource(cluster: Cluster, id: number): Promise<ConfigResource> {
  const { brokers } = await cluster.look('cluster', () => cluster.admin.describeCluster());
  if (!brokers.some(({ nodeId }) => nodeId === id)) {
    const all = brokers.map(({ nodeId }) => nodeId).join(', ');
    throw refusal('CONSOLE_NOT_FOUND', 'noBroker', { id, cluster: cluster.name, all });
  }
  return { type: 'broker', name: String(id) };
}

/** Brokers hear of a change by and by: for so long one that is asked may tell what was before it. */
const HEARD_MS = 10_000;

interface JustSet {
  readonly value: string;
  readonly toMs: number;
}

/** What was set through this console, by what it was set on: nobody is told that it is still as before by a broker that has not heard. */
const justSet = new WeakMap<Cluster, Map<string, JustSet>>();

function noteSet(cluster: Cluster, resource: ConfigResource, { set, unset }: ConfigChange): void {
  const nowMs = performance.now();
  const all = justSet.get(cluster) ?? new Map<string, JustSet>();
  justSet.set(cluster, all);
  for (const [name, { toMs }] of all) if (toMs <= nowMs) all.delete(name);
  for (const name of unset) all.delete(`${nameOf(resource)} ${name}`);
  // Brokers take blanks around a value away.
  for (const [name, value] of Object.entries(set)) {
    all.set(`${nameOf(resource)} ${name}`, { value: value.trim(), toMs: nowMs + HEARD_MS });
  }
}

function nameOf({ type, name }: ConfigResource): string {
  return `${type} ${name}`;
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
    if (now === undefined || now.sensitive) continue;
    const told = justSet.get(cluster)?.get(`${nameOf(resource)} ${name}`);
    const isHeard = told === undefined || told.toMs <= performance.now() || now.value !== value;
    const known = isHeard ? now.value : told.value;
    if (known === value) continue;
    if (known === null) throw refusal('CONSOLE_CHANGED_MEANWHILE', 'unsetMeanwhile', { name });
    throw refusal('CONSOLE_CHANGED_MEANWHILE', 'changedMeanwhile', { name, value: known });
  }
}

/**
 * Sets and unsets configs of a topic or a broker.
 * @throws ConsoleError `CONSOLE_CHANGED_MEANWHILE` where somebody else has changed one since it was seen
 */
export async function changeConfigs(cluster: Cluster, resource: ConfigResource, change: ConfigChange): Promise<void> {
  const { set, unset } = change;
  const seen = Object.entries(change.seen ?? {});
  // The protocol has no "only if it is still that": of those who come here one looks and changes after the other.
  await cluster.oneByOne.run(nameOf(resource), async () => {
    if (seen.length > 0) await checkUnchanged(cluster, resource, seen);
    await cluster.admin.alterConfigs([{ ...resource, set, unset }]);
    noteSet(cluster, resource, change);
    cluster.forget();
  });
}
