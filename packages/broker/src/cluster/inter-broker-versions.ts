/**
 * What `inter.broker.protocol.version` decides: brokers do not ask one another for ApiVersions where it tells (`MetadataVersion`).
 */
export interface InterBrokerVersions {
  readonly leaderAndIsr: number;
  readonly stopReplica: number;
  readonly updateMetadata: number;
  readonly fetch: number;
  readonly listOffsets: number;
  readonly offsetForLeaderEpoch: number;
  /** Whether a partition's state says that its leader is recovering (KIP-704). */
  readonly hasRecoveryState: boolean;
  /** In which form the node of features is written: older brokers do not start where they find the newer one (`FeatureZNode`). */
  readonly featureNode: 1 | 2;
  /** Whether values of `__transaction_state` may have tags: a broker of an older release stops reading at one. */
  readonly hasTaggedTransactions: boolean;
}

/** From which release, and which of its steps, a request is sent in a version; the newest first. */
const STEPS: readonly {
  readonly since: Release;
  readonly versions: Partial<InterBrokerVersions>;
}[] = [
  { since: [3, 9, 0], versions: { fetch: 17, listOffsets: 9 } },
  { since: [3, 8, 0], versions: { hasTaggedTransactions: true } },
  { since: [3, 7, 4], versions: { fetch: 16 } },
  { since: [3, 5, 1], versions: { fetch: 15 } },
  { since: [3, 5, 0], versions: { fetch: 14, listOffsets: 8 } },
  { since: [3, 4, 0], versions: { leaderAndIsr: 7, stopReplica: 4, updateMetadata: 8 } },
  { since: [3, 3, 0], versions: { featureNode: 2 } },
  { since: [3, 2, 0], versions: { leaderAndIsr: 6, hasRecoveryState: true } },
  { since: [3, 1, 0], versions: { fetch: 13 } },
  { since: [3, 0, 1], versions: { listOffsets: 7 } },
  {
    since: [2, 8, 0],
    versions: {
      leaderAndIsr: 5,
      stopReplica: 3,
      updateMetadata: 7,
      fetch: 12,
      listOffsets: 6,
      offsetForLeaderEpoch: 4,
      hasRecoveryState: false,
      featureNode: 1,
      hasTaggedTransactions: false,
    },
  },
];

/** Release, minor release, and step within it: `3.7-IV4` is 3, 7, 4. */
type Release = readonly [number, number, number];

/** By release from 2.8 on, the last of its steps that Kafka 3.9 knows. */
const LAST_STEPS: ReadonlyMap<string, number> = new Map([
  ['2.8', 1],
  ['3.0', 1],
  ['3.1', 0],
  ['3.2', 0],
  ['3.3', 3],
  ['3.4', 0],
  ['3.5', 2],
  ['3.6', 2],
  ['3.7', 4],
  ['3.8', 0],
  ['3.9', 0],
  ['4.0', 1],
]);

/**
 * The versions of a setting such as `3.9`, `3.9.1` or `3.5-IV1`; a release without a step means its last one. Undefined for what is no
 * version, older than 2.8, the oldest release whose brokers may be members of a cluster with this one, or none that Kafka 3.9 knows, which is
 * the newest that is spoken.
 */
export function interBrokerVersions(setting: string): InterBrokerVersions | undefined {
  const match = /^(\d+)\.(\d+)(?:\.\d+)?(?:-IV(\d+))?$/.exec(setting.trim());
  if (match === null) return undefined;
  const lastStep = LAST_STEPS.get(`${Number(match[1])}.${Number(match[2])}`);
  const step = Number(match[3] ?? lastStep);
  if (lastStep === undefined || step > lastStep) return undefined;
  const asked: Release = [Number(match[1]), Number(match[2]), step];
  const reached = STEPS.filter(({ since }) => !isBefore(asked, since));
  return Object.assign({}, ...reached.reverse().map(({ versions }) => versions)) as InterBrokerVersions;
}

function isBefore(one: Release, other: Release): boolean {
  const differing = one.findIndex((part, index) => part !== other[index]);
  return differing >= 0 && (one[differing] as number) < (other[differing] as number);
}
