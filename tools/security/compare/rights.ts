/** Every request that is recorded, with every set of rights, asked of both brokers one after the other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AnyApi,
  ApiVersions,
  apiByKey,
  CreateAcls,
  CreateDelegationToken,
  CreateTopics,
  DeleteAcls,
  FindCoordinator,
  InitProducerId,
  Metadata,
  OffsetCommit,
  SaslAuthenticate,
  SaslHandshake,
  ZERO_UUID,
} from '@millrace/protocol';
import { TEXT_DIFFERENCES } from '../../../packages/broker/src/testing/test-recorded-rights.ts';
import { matrixRequests } from '../../../packages/broker/src/testing/test-requests.ts';
import {
  creationsOf,
  EVERY_RULE,
  flattened,
  labelOf,
  textsOf,
} from '../../../packages/broker/src/testing/test-rights.ts';
import { within } from '../../clients/client.ts';
import { RawClient } from '../../faults/raw-client.ts';
import { root } from '../../source/index.ts';
import { type Compared, PASSWORDS, type Pair } from './pair.ts';

/** What is asked, as it is recorded. */
interface Question {
  readonly api: string;
  readonly key: number;
  readonly version: number;
  readonly what: string;
}

const [first = '', ...lines] = readFileSync(
  join(root, 'packages/broker/src/handlers/fixtures/authz-matrix-3.9.1.jsonl'),
  'utf8',
)
  .trim()
  .split('\n');
const { rights: RIGHTS } = JSON.parse(first) as { readonly rights: readonly string[] };
// The fixture's form, which its own test reads too.
const QUESTIONS = lines.map((line) => JSON.parse(line) as Question);

/** Rights that are asked by default: nothing, everything, and those under which most answers are neither of both. */
const SAMPLE = ['none', 'TOPIC DESCRIBE', 'CLUSTER CLUSTER_ACTION', 'GROUP READ + TOPIC READ', 'ALL on everything'];

/** Between a text's path and the text. */
const SAYS = ' says ';

const READY_MS_MAX = 60_000;
const PATIENCE_MS = 20_000;

/** Kafka 3.9.1 does not answer who asks for the passwords of all users without the right to: its handler has a mistake. */
const UNANSWERED_MS = 1000;
const isLeftUnanswered = ({ key, what }: Question): boolean => key === 50 && what.startsWith('all');

/** What is answered otherwise on purpose. */
interface Difference {
  readonly key: number;
  readonly what?: RegExp;
  /** Of a line: what is only in Kafka's answer or only in ours. */
  readonly line: RegExp;
  readonly why: string;
}

const DIFFERENCES: readonly Difference[] = [
  {
    key: 3,
    what: /, auto-creation$/,
    line: /a-auto-N|topics\[0\]/,
    why: 'a topic that is made because it was asked for is answered for when it is there',
  },
  { key: 10, what: /^share key/, line: /errorCode=(15|42)$/, why: 'there are no share groups' },
  {
    key: 16,
    line: /^(Kafka|here) groups has .*a-join-/,
    why: 'Kafka drops groups without members and offsets whenever a topic is deleted, ours when it looks at what has expired',
  },
  {
    key: 18,
    line: /^(Kafka|here) (apiKeys|supportedFeatures|finalizedFeatures)/,
    why: 'neither serves all APIs of the other, and transactions of version 2 are there without KRaft',
  },
  {
    key: 50,
    what: /^all/,
    line: /^Kafka no answer$|^here /,
    why: 'Kafka leaves whoever may not see the users of SCRAM without an answer where he asks for all of them',
  },
];

/** One of both brokers, and who asks it. */
class Asked {
  readonly #broker: Compared;
  readonly #admin: RawClient;
  readonly #tokens = new Map<string, Buffer>();
  #alice: RawClient | undefined;
  #topicId = ZERO_UUID;
  #count = 0;

  private constructor(broker: Compared, admin: RawClient) {
    this.#broker = broker;
    this.#admin = admin;
  }

  /** With topics, groups and a transactional id as they were when the answers were recorded. */
  static async prepare(broker: Compared): Promise<Asked> {
    const asked = new Asked(broker, await RawClient.connect(broker.ports.OPEN));
    const admin = asked.#admin;
    for (const topic of ['a-topic', 'z-topic']) await asked.#makeTopic(topic);
    await asked.#topicIdOf('z-topic');
    asked.#topicId = await asked.#topicIdOf('a-topic');
    for (const [key, keyType] of [
      ['a-group', 0],
      ['a-txn', 1],
    ] as const) {
      await untilDone(async () => (await admin.ask(FindCoordinator, 2, { key, keyType })).errorCode);
    }
    const topics = ['a-topic', 'z-topic'].map((name) => ({
      name,
      partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }],
    }));
    for (const groupId of ['a-group', 'z-group']) {
      await untilDone(async () => {
        const body = { groupId, generationIdOrMemberEpoch: -1, memberId: '', topics };
        const answer = await admin.ask(OffsetCommit, 7, body);
        return answer.topics.flatMap((each) => each.partitions).find((each) => each.errorCode !== 0)?.errorCode ?? 0;
      });
    }
    const producer = { transactionalId: 'a-txn', transactionTimeoutMs: 60_000 };
    await untilDone(async () => (await admin.ask(InitProducerId, 1, producer)).errorCode);
    return asked;
  }

  close(): void {
    this.#admin.close();
    this.#alice?.close();
  }

  /** Gives alice these rights and no others, and new tokens. */
  async allow(right: string): Promise<void> {
    await this.#admin.ask(DeleteAcls, 3, { filters: [EVERY_RULE] });
    const creations = creationsOf(right);
    if (creations.length > 0) {
      // The elements are those of the request.
      const { results } = await this.#admin.ask(CreateAcls, 3, { creations } as never);
      const refused = results.find(({ errorCode }) => errorCode !== 0);
      if (refused !== undefined) throw new Error(`${this.#broker.name} does not take ${right}: ${refused.errorCode}`);
    }
    await this.#makeTokens();
  }

  async #makeTokens(): Promise<void> {
    const client = await loggedIn(this.#broker, 'admin');
    for (const owner of ['alice', 'bob']) {
      const body = { ownerPrincipalType: 'User', ownerPrincipalName: owner, renewers: [], maxLifetimeMs: -1 };
      const { errorCode, hmac } = await client.ask(CreateDelegationToken, 3, body);
      if (errorCode !== 0) throw new Error(`${this.#broker.name} makes no token for ${owner}: ${errorCode}`);
      this.#tokens.set(`User:${owner}`, hmac);
    }
    client.close();
  }

  /** The versions of each API that the broker serves. */
  async versions(): Promise<ReadonlyMap<number, { readonly minVersion: number; readonly maxVersion: number }>> {
    const { apiKeys } = await this.#admin.ask(ApiVersions, 0, {});
    return new Map(apiKeys.map((each) => [each.apiKey, each]));
  }

  async ask(question: Question): Promise<string[]> {
    const { key, version, what } = question;
    const api = apiByKey.get(key) as AnyApi;
    const make = matrixRequests.get(key)?.[what];
    if (make === undefined) throw new Error(`Nobody can ask ${key} v${version}: ${what}`);
    this.#count += 1;
    const isDeletion = key === 20;
    if (isDeletion) await this.#makeTopic('a-del');
    const body = make({
      topicId: this.#topicId,
      deletedTopicId: isDeletion ? await this.#topicIdOf('a-del') : ZERO_UUID,
      version,
      count: this.#count,
      tokenOf: (owner) => this.#tokens.get(owner) ?? Buffer.alloc(0),
    });
    this.#alice ??= await loggedIn(this.#broker, 'alice');
    const patienceMs = isLeftUnanswered(question) ? UNANSWERED_MS : PATIENCE_MS;
    try {
      return described(await within(patienceMs, 'an answer', this.#alice.ask(api as never, version, body as never)));
    } catch {
      const isClosed = this.#alice.socket.destroyed;
      this.#alice.close();
      this.#alice = undefined;
      return [isClosed ? 'closed' : 'no answer'];
    }
  }

  async #makeTopic(name: string): Promise<void> {
    const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    await untilDone(async () => {
      const { topics } = await this.#admin.ask(CreateTopics, 5, { topics: [topic], timeoutMs: 10_000 });
      const code = topics[0]?.errorCode ?? -1;
      return code === 36 ? 0 : code;
    });
  }

  async #topicIdOf(name: string): Promise<string> {
    let id = ZERO_UUID;
    await untilDone(async () => {
      const { topics } = await this.#admin.ask(Metadata, 12, { topics: [{ name }] });
      id = topics[0]?.topicId ?? ZERO_UUID;
      return topics[0]?.errorCode ?? -1;
    });
    return id;
  }
}

async function loggedIn(broker: Compared, user: keyof typeof PASSWORDS): Promise<RawClient> {
  const client = await RawClient.connect(broker.ports.CLIENT);
  await client.ask(SaslHandshake, 1, { mechanism: 'PLAIN' });
  const authBytes = Buffer.from(`\0${user}\0${PASSWORDS[user]}`);
  const { errorCode } = await client.ask(SaslAuthenticate, 2, { authBytes });
  if (errorCode !== 0) throw new Error(`${broker.name} does not let in ${user}: ${errorCode}`);
  return client;
}

/** Until the code is 0: what has just been made is not there at once. */
async function untilDone(act: () => Promise<number>): Promise<void> {
  const untilMs = performance.now() + READY_MS_MAX;
  for (;;) {
    const code = await act();
    if (code === 0) return;
    if (performance.now() > untilMs) throw new Error(`Still error ${code} after ${READY_MS_MAX} ms`);
    await sleep(50);
  }
}

/** An answer as lines: codes, operations, lengths of lists, names that are kept back, and texts for people. */
function described(answer: unknown): string[] {
  const codes = Object.entries(flattened(answer)).map(([path, value]) => `${path}=${value}`);
  const texts = Object.entries(textsOf(answer)).map(([path, text]) => `${path}${SAYS}${text}`);
  return [...codes, ...shapes(answer, ''), ...texts].toSorted();
}

/** How long each list is, and what is null. */
function shapes(value: unknown, path: string): string[] {
  return Object.entries(value as Readonly<Record<string, unknown>>).flatMap(([field, each]) => {
    const at = path === '' ? field : `${path}.${field}`;
    if (each === null) return /message$/i.test(field) ? [] : [`${at} is null`];
    if (!Array.isArray(each)) return [];
    const elements = each.filter((element) => typeof element === 'object' && element !== null);
    const labels = elements.map((element, index) => labelOf(element, index)).toSorted();
    return [
      `${at} has ${each.length}: ${labels}`,
      ...elements.flatMap((element, index) => shapes(element, `${at}[${labelOf(element, index)}]`)),
    ];
  });
}

/** Prints what differs, and returns how many answers do. */
export async function compareRights({ kafka, here }: Pair, isWhole: boolean): Promise<number> {
  const [theirs, ours] = await Promise.all([Asked.prepare(kafka), Asked.prepare(here)]);
  const rights = isWhole ? RIGHTS : RIGHTS.filter((right) => SAMPLE.includes(right));
  const used = new Set<Difference>();
  const versions = await ours.versions();
  const questions = QUESTIONS.filter(({ key, version }) => {
    const { minVersion = 1, maxVersion = 0 } = versions.get(key) ?? {};
    return version >= minVersion && version <= maxVersion;
  });
  let asked = 0;
  let differing = 0;
  try {
    for (const right of rights) {
      await Promise.all([theirs.allow(right), ours.allow(right)]);
      for (const question of questions) {
        const [kafkaSays, hereSays] = await Promise.all([theirs.ask(question), ours.ask(question)]);
        asked += 1;
        const left = differences(question, kafkaSays, hereSays, used);
        if (left.length === 0) continue;
        differing += 1;
        console.log(
          `  DIFFERS with ${right}: ${question.api} v${question.version}, ${question.what}: ${left.join(' | ')}`,
        );
      }
    }
  } finally {
    theirs.close();
    ours.close();
  }
  console.log(`rights: ${asked} requests with ${rights.length} sets of rights, ${differing} answered otherwise`);
  for (const each of DIFFERENCES) {
    if (used.has(each)) console.log(`  on purpose: ${each.why}`);
    else if (isWhole) console.log(`  NO LONGER SO: ${each.why}`);
  }
  return differing + (isWhole ? DIFFERENCES.filter((each) => !used.has(each)).length : 0);
}

/** Lines that only one of both has, but for what differs on purpose. */
function differences(
  { key, what }: Question,
  kafka: readonly string[],
  here: readonly string[],
  used: Set<Difference>,
): string[] {
  const only = (these: readonly string[], those: readonly string[], who: string): string[] =>
    these.filter((line) => !those.includes(line)).map((line) => `${who} ${line}`);
  return [...only(kafka, here, 'Kafka'), ...only(here, kafka, 'here')].filter((line) => {
    if (isKnownText(key, line)) return false;
    const known = DIFFERENCES.find(
      (each) => each.key === key && (each.what?.test(what) ?? true) && each.line.test(line),
    );
    if (known !== undefined) used.add(known);
    return known === undefined;
  });
}

/** Texts that are others here on purpose are listed where the recorded ones are compared. */
function isKnownText(key: number, line: string): boolean {
  const [, who, path = '', text = ''] = /^(Kafka|here) (\S+) says (.*)$/s.exec(line) ?? [];
  return TEXT_DIFFERENCES.some(
    (each) => each.key === key && each.path.test(path) && (who === 'Kafka' ? each.kafka : each.here).test(text),
  );
}
