/** What Apache Kafka 3.9.1 answered with every set of rights, and how an answer of ours is held against it. */
import { flattened, listLengths, textsOf, withoutNames } from './test-rights.ts';

/** What of an answer is compared. */
export interface RightsAnswer {
  readonly errors?: Readonly<Record<string, number>>;
  readonly bits?: Readonly<Record<string, number>>;
  readonly nullNames?: readonly string[];
  /** How many elements each list has; of a very long one the recording says no more than that. */
  readonly counts?: Readonly<Record<string, number | string>>;
  /** Texts that are there, by their paths. */
  readonly messages?: Readonly<Record<string, string>>;
  readonly closed?: boolean;
  readonly noAnswer?: boolean;
}

export interface RecordedRequest {
  readonly api: string;
  readonly key: number;
  readonly version: number;
  readonly what: string;
  readonly answers: readonly { readonly rights: readonly number[]; readonly answer: RightsAnswer }[];
}

/** What was recorded: the sets of rights, by the numbers that answers have them under, and the requests. */
export function recordedFrom(text: string): {
  readonly rights: readonly string[];
  readonly requests: readonly RecordedRequest[];
} {
  const [first = '', ...lines] = text.trim().split('\n');
  const { rights } = JSON.parse(first) as { readonly rights: readonly string[] };
  return { rights, requests: lines.map((line) => JSON.parse(line) as RecordedRequest) };
}

/** What of a request is answered otherwise on purpose. */
interface Difference {
  readonly key: number;
  readonly what: RegExp;
  /** Under these rights alone. */
  readonly right?: string;
  readonly why: string;
}

interface ValueDifference extends Difference {
  /** Of a code, or of a list whose length differs. */
  readonly path?: RegExp;
  readonly kafka: number;
  readonly here: number;
}

/** Wherever Kafka's answer is the one on the left. */
export const DIFFERENCES: readonly ValueDifference[] = [
  {
    key: 3,
    what: /auto-creation$/,
    kafka: 5,
    here: 0,
    why: 'a topic that is made is answered for when it is there; docs/compatibility.md says so',
  },
  { key: 10, what: /^share key/, kafka: 15, here: 42, why: 'there are no share groups' },
  {
    key: 20,
    what: /existing topic by name/,
    kafka: 3,
    here: 0,
    why: 'the recording had deleted the topic one row before',
  },
  {
    key: 22,
    what: /^no transactional id/,
    kafka: 14,
    here: 0,
    why: 'the recorded broker was just taking a block of ids',
  },
];

/** Texts for people that are others here; what is not named says the same, to the letter. */
export const TEXT_DIFFERENCES: readonly {
  readonly key: number;
  readonly path: RegExp;
  readonly kafka: RegExp;
  readonly here: RegExp;
  readonly why: string;
}[] = [
  ...[29, 30, 31, 45, 46].map((key) => ({
    key,
    path: /errorMessage$/,
    kafka: /^Request Request\(.*\) is not authorized\.$/s,
    here: /^Cluster authorization failed\.$/,
    why: 'Kafka prints its own object, with connection and session in it, to whoever has no rights',
  })),
  {
    key: 48,
    path: /^errorMessage$/,
    kafka: /^$/,
    here: /^Cluster authorization failed\.$/,
    why: 'AlterClientQuotas says it in both',
  },
  {
    key: 10,
    path: /^errorMessage$/,
    kafka: /^NONE$/,
    here: /^$/,
    why: 'there is nothing to say of what has gone right',
  },
  {
    key: 10,
    path: /^coordinators/,
    kafka: /^$/,
    here: /^This broker has no coordinators of type 2\.$/,
    why: 'there are no share groups',
  },
  {
    key: 32,
    path: /^results\[a-missing\]/,
    kafka: /^$/,
    here: /^The topic 'a-missing' does not exist\.$/,
    why: 'AlterConfigs says it in both, and who hears it may describe the topic',
  },
  {
    key: 0,
    path: /errorMessage$/,
    kafka: /^$/,
    here: /^The producer id is not that of the transactional id$/,
    why: 'who may write to both is told what is wrong with his batch',
  },
];

/** The same of the lengths of lists. */
export const LENGTH_DIFFERENCES: readonly (ValueDifference & { readonly path: RegExp })[] = [
  {
    key: 32,
    what: /^broker logger/,
    path: /^results\[0\]\.configs$/,
    kafka: 1,
    here: 0,
    why: 'a broker in a test has no logger whose level could be set',
  },
  {
    key: 66,
    what: /^all$/,
    path: /^transactionStates$/,
    kafka: 618,
    here: 3,
    why: 'other tests had left transactional ids on the recorded broker',
  },
];

/** Lists of which it is compared whether there is anything in them; what is in that is not. */
export const LOOSELY: readonly (Difference & { readonly path: RegExp })[] = [
  {
    key: 35,
    what: /^all$/,
    path: /^results\[0\]\.topics$/,
    why: 'other tests had left topics on the recorded broker',
  },
  { key: 61, what: /./, path: /\.activeProducers$/, why: 'how many have written is nothing that rights decide' },
];

/** Lists that are not compared. */
export const UNCOMPARED: readonly (Difference & { readonly path: RegExp })[] = [
  { key: 18, what: /./, path: /^(apiKeys|\w+Features)$/, why: 'neither serves all APIs and features of the other' },
  {
    key: 65,
    what: /^ongoing/,
    right: 'ALL on everything',
    path: /^transactionStates\[a-txn\]\.topics/,
    why: 'requests that these rights allow had ended the recorded transaction before',
  },
];

/** The differences that a comparison has met. */
export const usedDifferences: Set<object> = new Set();

/** An answer as it is recorded. */
export function rightsAnswer({ key, what }: RecordedRequest, response: object): RightsAnswer {
  const shown = narrowed(key, what, response);
  const all = Object.entries(flattened(shown));
  const isBits = (path: string): boolean => /[oO]perations$/.test(path);
  return {
    errors: Object.fromEntries(all.filter(([path]) => !isBits(path))),
    bits: Object.fromEntries(all.filter(([path]) => isBits(path))),
    counts: listLengths(shown),
    nullNames: [...withoutNames(shown)],
    messages: textsOf(shown),
  };
}

/** Lists of all topics and groups have what other requests have made; the recording left that out as well. */
function narrowed(key: number, what: string, response: object): object {
  const isOfTopics = key === 3 && what.startsWith('all');
  if (key !== 16 && !isOfTopics) return response;
  const [list, name] = isOfTopics ? ['topics', 'name'] : ['groups', 'groupId'];
  const all = (response as Record<string, readonly Record<string, string>[]>)[list] ?? [];
  return { ...response, [list]: all.filter((each) => /^[az]-(topic|group)$/.test(each[name] ?? '')) };
}

/**
 * The part of an answer that is compared: paths with their codes, the lengths of lists, names that are left out. What is 0 as a whole is
 * left out, for old versions have no such field; so are operations that were not asked for, and the users that are there.
 */
export function compared(request: RecordedRequest, answer: RightsAnswer, right: string): string[] {
  const { key } = request;
  const { errors = {}, bits = {}, nullNames = [] } = answer;
  const codes = Object.entries(errors)
    .map(([path, code]): [string, number] => [plain(path), code])
    .filter(([path, code]) => code !== 0 || !/^errorCode$|topicConfigErrorCode$|matchingAcls/.test(path))
    .filter(([path, code]) => key !== 50 || code !== 0 || !path.startsWith('results['));
  const operations = Object.entries(bits).filter(([, value]) => value !== -(2 ** 31));
  const values = [...codes, ...operations].map(([path, value]) => `${path}=${value}`);
  return [...values, ...nullNames.map((path) => `${path}=null`), ...lengths(request, answer, right)].toSorted();
}

/** Without what differs from one broker to the next. */
function plain(path: string): string {
  return path.replace('a-del2', 'a-del').replace(/matchingAcls\[.*?\]/, 'matchingAcls[]');
}

function lengths({ key, what }: RecordedRequest, { counts = {} }: RightsAnswer, right: string): string[] {
  const isMeant = (path: string, list: typeof LOOSELY): boolean => {
    const found = list.find(
      (each) => each.key === key && each.what.test(what) && each.path.test(path) && (each.right ?? right) === right,
    );
    if (found !== undefined) usedDifferences.add(found);
    return found !== undefined;
  };
  const loose = Object.keys(counts).filter((path) => isMeant(path, LOOSELY));
  return Object.entries(counts)
    .filter(([path, count]) => count !== 0 && !isMeant(path, UNCOMPARED))
    .filter(([path]) => !loose.some((each) => path.startsWith(`${each}[`)))
    .map(([path, count]) => `${plain(path)}.length=${loose.includes(path) ? 'some' : count}`);
}

/** What Kafka answered, with what is answered otherwise here. */
export function withDifferences(request: RecordedRequest, answer: RightsAnswer): RightsAnswer {
  const { errors = {}, counts = {} } = answer;
  const extra: [string, number][] = [];
  const changed = Object.entries(errors).map(([path, code]): [string, number] => {
    const difference = differenceOf(DIFFERENCES, request, path, code);
    if (difference === undefined) return [path, code];
    // A topic that is there has its partitions with it.
    if (difference.key === 3) extra.push([path.replace('.errorCode', '.partitions'), 1]);
    return [path, difference.here];
  });
  const partitions = extra.map(([path, code]): [string, number] => [`${path}[0].errorCode`, code - 1]);
  const replicas = extra.flatMap(([path]): [string, number][] =>
    ['replicaNodes', 'isrNodes'].map((list) => [`${path}[0].${list}`, 1]),
  );
  const lengthsHere = Object.entries(counts).map(([path, count]): [string, number | string] => [
    path,
    differenceOf(LENGTH_DIFFERENCES, request, path, count)?.here ?? count,
  ]);
  return {
    ...answer,
    errors: Object.fromEntries([...changed, ...partitions]),
    counts: Object.fromEntries([...lengthsHere, ...extra, ...replicas]),
  };
}

/** Texts that differ and are not known to. */
export function textDifferences({ key, api }: RecordedRequest, kafka: RightsAnswer, here: RightsAnswer): string[] {
  const [theirs, ours] = [kafka.messages ?? {}, here.messages ?? {}];
  const paths = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
  return [...paths].flatMap((path) => {
    const [said, says] = [theirs[path] ?? '', ours[path] ?? ''];
    if (said === says) return [];
    const known = TEXT_DIFFERENCES.find(
      (each) => each.key === key && each.path.test(path) && each.kafka.test(said) && each.here.test(says),
    );
    if (known === undefined) {
      return [`${key} ${api} ${path} | Kafka says ${JSON.stringify(said)} | here ${JSON.stringify(says)}`];
    }
    usedDifferences.add(known);
    return [];
  });
}

function differenceOf(
  list: readonly ValueDifference[],
  { key, what }: RecordedRequest,
  path: string,
  value: number | string,
): ValueDifference | undefined {
  const found = list.find(
    (each) => each.key === key && each.what.test(what) && each.kafka === value && (each.path?.test(path) ?? true),
  );
  if (found !== undefined) usedDifferences.add(found);
  return found;
}

/** Requests that Kafka 3.9.1 advertises and this broker does not serve, so that rights decide nothing about them. */
interface Unserved {
  readonly key: number;
  /** Undefined: all. */
  readonly version?: number;
  readonly why: string;
}

export const UNSERVED: readonly Unserved[] = [
  { key: 4, version: 0, why: 'LeaderAndIsr of controllers before 2.2, which have no broker epochs; served from v2 on' },
  { key: 5, version: 0, why: 'StopReplica of controllers before 2.2, which have no broker epochs; served from v1 on' },
  {
    key: 6,
    version: 0,
    why: 'UpdateMetadata of controllers before 2.2, which have no broker epochs; served from v5 on',
  },
  { key: 7, version: 0, why: 'ControlledShutdown v0 has a request header of its own; served from v1 on' },
  { key: 58, why: 'Envelope is for KRaft: Kafka closes the connection in ZooKeeper mode' },
  { key: 68, why: 'ConsumerGroupHeartbeat (KIP-848): Kafka answers 35 in ZooKeeper mode, whatever the rights' },
  { key: 69, why: 'ConsumerGroupDescribe (KIP-848): Kafka answers 35 in ZooKeeper mode, whatever the rights' },
];

/** Whether a request is one of those, which it must not be for a handler that has lost a version. */
export function isUnserved({ key, version }: Pick<RecordedRequest, 'key' | 'version'>): boolean {
  const found = UNSERVED.find((each) => each.key === key && (each.version ?? version) === version);
  if (found !== undefined) usedDifferences.add(found);
  return found !== undefined;
}
