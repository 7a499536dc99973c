import { pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  AlterClientQuotas,
  AlterUserScramCredentials,
  CreateAcls,
  CreateDelegationToken,
  DeleteAcls,
  DescribeAcls,
  DescribeClientQuotas,
  DescribeDelegationToken,
  DescribeUserScramCredentials,
  ExpireDelegationToken,
  RenewDelegationToken,
} from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { BrokerUnderTest, type TestConnection } from '../testing/test-broker.ts';
import { EVERY_RULE } from '../testing/test-rights.ts';
import type { AclOperation } from './acl.ts';
import { OPERATION_CODES, PATTERN_CODES, TYPE_CODES } from './acl.ts';

interface Node {
  readonly data?: string | null;
  readonly version?: number;
  readonly deleted?: boolean;
}

interface Step {
  /** The command, or the request, that Kafka 3.9.1 was given. */
  readonly did: string;
  readonly znodes: Readonly<Record<string, Node>>;
}

// What it wrote then, node by node.
const steps: readonly Step[] = JSON.parse(
  readFileSync(new URL('fixtures/znodes-3.9.1.json', import.meta.url), 'utf8'),
) as Step[];

/** What the tool's command is as requests. */
type Act = (admin: TestConnection, step: Step) => Promise<unknown>;

type Entity = Readonly<Record<string, string | null>>;

const DEFAULT = null;

/** Quotas of an entity; null takes one away. */
const quotas =
  (entity: Entity, values: Readonly<Record<string, number | null>>): Act =>
  (admin) =>
    admin.ask(AlterClientQuotas, 1, {
      entries: [
        {
          entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
          ops: Object.entries(values).map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
        },
      ],
      validateOnly: false,
    });

const MECHANISMS = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 } as const;
type Mechanism = keyof typeof MECHANISMS;

/** As kafka-configs sends it: the salt of the captured node, and what it makes of the password. */
const password =
  (name: string, text: string, mechanisms: readonly Mechanism[], path = `/config/users/${name}`): Act =>
  async (admin, { znodes }) => {
    const { config } = JSON.parse(znodes[path]?.data ?? '') as { readonly config: Readonly<Record<string, string>> };
    const upsertions = mechanisms.map((mechanism) => {
      const [, salt = '', iterations = ''] = /^salt=(.*?),.*iterations=(\d+)$/.exec(config[mechanism] ?? '') ?? [];
      return credential(name, text, mechanism, Buffer.from(salt, 'base64'), Number(iterations));
    });
    await admin.ask(AlterUserScramCredentials, 0, { deletions: [], upsertions });
  };

function credential(name: string, text: string, mechanism: Mechanism, salt: Buffer, iterations: number) {
  const [bytes, hash] = mechanism === 'SCRAM-SHA-256' ? [32, 'sha256'] : [64, 'sha512'];
  const saltedPassword = pbkdf2Sync(text, salt, iterations, Number(bytes), String(hash));
  return { name, mechanism: MECHANISMS[mechanism], iterations, salt, saltedPassword };
}

const noPassword =
  (name: string, mechanisms: readonly Mechanism[]): Act =>
  (admin) => {
    const deletions = mechanisms.map((mechanism) => ({ name, mechanism: MECHANISMS[mechanism] }));
    return admin.ask(AlterUserScramCredentials, 0, { deletions, upsertions: [] });
  };

interface Rule {
  readonly type: number;
  readonly name: string;
  readonly operation: number;
  readonly pattern?: number;
  readonly principal?: string;
  readonly host?: string;
  readonly isDenied?: boolean;
}

const { LITERAL, PREFIXED } = PATTERN_CODES;
const rule = (
  type: keyof typeof TYPE_CODES,
  name: string,
  operation: AclOperation,
  more: Partial<Rule> = {},
): Rule => ({
  type: TYPE_CODES[type],
  name,
  operation: OPERATION_CODES[operation],
  ...more,
});

function creation({ type, name, operation, pattern, principal, host, isDenied }: Rule) {
  return {
    resourceType: type,
    resourceName: name,
    resourcePatternType: pattern ?? LITERAL,
    principal: principal ?? 'User:carol',
    host: host ?? '*',
    operation,
    permissionType: isDenied === true ? 2 : 3,
  };
}

const rules =
  (...given: readonly Rule[]): Act =>
  (admin) =>
    admin.ask(CreateAcls, 3, { creations: given.map(creation) });

const ANY = 1;
const noRules =
  (filter: { readonly principalFilter: string | null; readonly operation: number }): Act =>
  (admin) =>
    admin.ask(DeleteAcls, 3, {
      filters: [
        {
          resourceTypeFilter: TYPE_CODES.Topic,
          resourceNameFilter: 'lit.topic',
          patternTypeFilter: LITERAL,
          hostFilter: null,
          permissionType: ANY,
          ...filter,
        },
      ],
    });

/** Asked one by one: some are refused, and some of those whole requests. */
const each =
  (...given: readonly Rule[]): Act =>
  async (admin) => {
    const codes: (number | undefined)[] = [];
    for (const one of given) {
      const { results } = await admin.ask(CreateAcls, 3, { creations: [creation(one)] });
      codes.push(results[0]?.errorCode);
    }
    return codes;
  };

const token =
  (user: string, owner: string | null, renewers: readonly string[], maxLifetimeMs: number): Act =>
  (admin) =>
    as(user, admin).ask(CreateDelegationToken, 3, {
      ownerPrincipalType: owner === null ? null : 'User',
      ownerPrincipalName: owner,
      renewers: renewers.map((principalName) => ({ principalType: 'User', principalName })),
      maxLifetimeMs,
    });

const endOfToken: Act = async (admin) => {
  const { tokens } = await as('alice', admin).ask(DescribeDelegationToken, 3, { owners: null });
  const hmac = tokens.find(({ principalName }) => principalName === 'alice')?.hmac ?? Buffer.alloc(0);
  await as('alice', admin).ask(RenewDelegationToken, 2, { hmac, renewPeriodMs: 1_800_000 });
  await as('alice', admin).ask(ExpireDelegationToken, 2, { hmac, expiryTimePeriodMs: -1 });
};

function as(user: string, connection: TestConnection): TestConnection {
  Object.assign(connection.context, { principal: `User:${user}`, securityProtocol: 'SASL_SSL' });
  return connection;
}

const SHA_256 = ['SCRAM-SHA-256'] as const;
const ODD_NAME = 'ü a+b*c/d%e:f';
const alice = { principal: 'User:alice' };

/** In the order of the steps. */
const acts: readonly Act[] = [
  async () => {},
  password('carol', 'carol-pw', ['SCRAM-SHA-512', 'SCRAM-SHA-256']),
  password('dave', 'dave-pw', SHA_256),
  quotas({ user: ODD_NAME }, { producer_byte_rate: 1000 }),
  quotas({ user: DEFAULT }, { producer_byte_rate: 3_000_000 }),
  quotas({ 'client-id': 'client 1' }, { request_percentage: 200 }),
  quotas({ 'client-id': DEFAULT }, { consumer_byte_rate: 4_000_000 }),
  quotas({ user: 'carol', 'client-id': 'client 1' }, { producer_byte_rate: 5000 }),
  quotas({ user: 'carol', 'client-id': DEFAULT }, { producer_byte_rate: 6000 }),
  quotas({ user: DEFAULT, 'client-id': DEFAULT }, { producer_byte_rate: 7_000_000 }),
  quotas({ ip: '10.1.2.3' }, { connection_creation_rate: 5 }),
  quotas({ ip: DEFAULT }, { connection_creation_rate: 1000 }),
  noPassword('carol', ['SCRAM-SHA-256', 'SCRAM-SHA-512']),
  quotas({ ip: '10.1.2.3' }, { connection_creation_rate: null }),
  quotas({ 'client-id': DEFAULT }, { consumer_byte_rate: null }),
  rules(rule('Topic', 'lit.topic', 'Read')),
  rules(rule('Topic', 'pre-', 'Write', { pattern: PREFIXED })),
  rules(rule('Topic', '*', 'Describe')),
  rules(rule('Topic', 'lit.topic', 'All', { principal: 'User:dave', host: '10.0.0.1', isDenied: true })),
  rules(
    rule('Topic', 'p-topic', 'Describe'),
    rule('Topic', 'p-topic', 'Write'),
    rule('Topic', 'p-topic', 'Create'),
    rule('TransactionalId', 'tx-1', 'Describe'),
    rule('TransactionalId', 'tx-1', 'Write'),
    rule('Cluster', 'kafka-cluster', 'IdempotentWrite'),
  ),
  rules(rule('Topic', 'c-topic', 'Read'), rule('Topic', 'c-topic', 'Describe'), rule('Group', 'c-group', 'Read')),
  rules(
    rule('Cluster', 'kafka-cluster', 'IdempotentWrite'),
    rule('Cluster', 'kafka-cluster', 'ClusterAction'),
    rule('Cluster', 'kafka-cluster', 'AlterConfigs'),
  ),
  rules(rule('User', 'User:carol', 'CreateTokens', { principal: 'User:CN=a,OU=b\\, c' })),
  rules(
    rule('DelegationToken', '*', 'Describe'),
    rule('Topic', 'with space ü', 'Read', { principal: 'User:*' }),
    rule('Group', '%', 'Read', { pattern: PREFIXED }),
  ),
  rules(rule('Topic', 'lit.topic', 'Read')),
  each(
    rule('Topic', 'a/b', 'Read', alice),
    rule('Cluster', 'other', 'Alter', alice),
    rule('Topic', '', 'Read', alice),
    rule('Topic', 't', 'ClusterAction', alice),
    rule('Group', 'g', 'Write', alice),
    rule('Topic', 't', 'Read', { ...alice, operation: ANY }),
    rule('Topic', 't', 'Read', { ...alice, pattern: PATTERN_CODES.MATCH }),
    rule('Topic', 't', 'Read', { ...alice, pattern: PATTERN_CODES.ANY }),
    rule('Topic', 't', 'Read', { ...alice, type: ANY }),
    rule('Topic', 't', 'Read', { principal: 'carol' }),
    rule('Topic', 't', 'Read', { principal: 'User:' }),
    rule('Topic', 't', 'Read', { principal: 'User:x', host: '' }),
    rule('Topic', 't', 'Read', { principal: 'User:x', host: 'host.name' }),
    rule('Cluster', 'kafka-cluster', 'Alter', { ...alice, pattern: PREFIXED }),
    rule('Topic', '*', 'Read', { ...alice, pattern: PREFIXED }),
    rule('Topic', 'bad name!', 'Read', alice),
    rule('User', 'x', 'Read', alice),
  ),
  noRules({ principalFilter: 'User:carol', operation: OPERATION_CODES.Read }),
  noRules({ principalFilter: null, operation: ANY }),
  token('alice', null, ['bob'], 3_600_000),
  token('admin', 'bob', [], -1),
  endOfToken,
  quotas(
    { user: 'erin' },
    {
      producer_byte_rate: 1_048_576,
      consumer_byte_rate: 2_097_152,
      request_percentage: 12.5,
      controller_mutation_rate: 10,
    },
  ),
  quotas({ user: 'erin' }, { request_percentage: 33.25, controller_mutation_rate: 0.5, producer_byte_rate: null }),
  password('erin', 'erin-pw', SHA_256),
  quotas({ user: 'erin' }, { request_percentage: null, controller_mutation_rate: null, consumer_byte_rate: null }),
  noPassword('erin', SHA_256),
  (admin) =>
    admin.ask(AlterUserScramCredentials, 0, {
      deletions: [{ name: 'dave', mechanism: 1 }],
      upsertions: [credential('dave', 'dave-pw', 'SCRAM-SHA-512', Buffer.from('0123456789abcdef'), 5000)],
    }),
  password('ü, =/', 'x', SHA_256, '/config/users/%C3%BC%2C%20%3D%2F'),
];

const ROOTS = ['/config', '/kafka-acl', '/kafka-acl-extended', '/kafka-acl-changes', '/kafka-acl-extended-changes'];
const CHANGES = /^(.*(?:config_change|acl_changes|token_change)_)\d+$/;

type Tree = ReadonlyMap<string, { readonly data: string; readonly version: number }>;

async function treeOf(test: BrokerUnderTest): Promise<Tree> {
  const session = test.store.openSession();
  const tree = new Map<string, { readonly data: string; readonly version: number }>();
  const walk = async (path: string): Promise<void> => {
    const { data, stat } = await session.get(path);
    tree.set(path, { data: data.toString(), version: stat.version });
    for (const child of await session.children(path)) await walk(`${path}/${child}`);
  };
  for (const root of [...ROOTS, '/delegation_token']) await walk(root);
  await session.close();
  return tree;
}

/** A node as it is compared: sequence numbers, ids of tokens and times are those of their run. */
function comparable(path: string, { data, version, deleted }: Node, ids: ReadonlyMap<string, string>): object {
  const isChange = CHANGES.test(path);
  const name = [...ids].reduce((text, [id, shown]) => text.replaceAll(id, shown), path.replace(CHANGES, '$1'));
  if (deleted === true) return { name, deleted };
  return { name, data: content(data ?? '', ids), version: isChange ? 0 : version };
}

const TIMES = ['issueTimestamp', 'expiryTimestamp', 'maxTimestamp'];

/** JSON as values, for the order of its fields means nothing; rules on a pattern are a set in Kafka. */
function content(data: string, ids: ReadonlyMap<string, string>): unknown {
  const text = [...ids].reduce((all, [id, shown]) => all.replaceAll(id, shown), data);
  if (!text.startsWith('{')) return text;
  // Every captured node with a brace in front is an object.
  const value = JSON.parse(text) as Record<string, unknown>;
  if (Array.isArray(value['acls'])) {
    value['acls'] = value['acls'].map((each) => JSON.stringify(each, sorted(each))).sort();
  }
  const issued = Number(value['issueTimestamp'] ?? 0);
  for (const time of TIMES) if (time in value) value[time] = Number(value[time]) - issued;
  return value;
}

function sorted(value: object): string[] {
  return Object.keys(value).sort();
}

function differences(before: Tree, after: Tree): Record<string, Node> {
  const changed: Record<string, Node> = {};
  for (const [path, node] of after) {
    const was = before.get(path);
    if (was === undefined || was.data !== node.data || was.version !== node.version) changed[path] = node;
  }
  for (const path of before.keys()) if (!after.has(path) && !CHANGES.test(path)) changed[path] = { deleted: true };
  return changed;
}

/** Tokens by the order in which they were made. */
function idsIn(nodes: Readonly<Record<string, Node>>, ids: Map<string, string>): void {
  for (const path of Object.keys(nodes)) {
    const [, id] = /^\/delegation_token\/tokens\/(.+)$/.exec(path) ?? [];
    if (id !== undefined && !ids.has(id)) ids.set(id, `token ${ids.size}`);
  }
}

function comparableAll(nodes: Readonly<Record<string, Node>>, ids: Map<string, string>): object[] {
  idsIn(nodes, ids);
  const all = Object.entries(nodes).map(([path, node]) => comparable(path, node, ids));
  return all.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/**
 * What every broker has, security or not; what Kafka makes with its first token; and what the list of Kafka's first nodes leaves out,
 * while that of its last ones has it: the types of prefixed rules.
 */
const MADE_ELSEWHERE =
  /^\/(config(\/(topics|brokers).*)?|delegation_token\/token_changes|kafka-acl-extended\/prefixed\/[A-Za-z]+)$/;

describe('users, rules, quotas and tokens in the metadata store', () => {
  it('are written as Kafka 3.9.1 has written them, step by step', async () => {
    expect(acts.length).toBe(steps.length);
    const test = await BrokerUnderTest.start({
      'delegation.token.secret.key': 'test-secret',
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:ANONYMOUS;User:admin',
    });
    try {
      let before: Tree = new Map();
      const [captured, ours] = [new Map<string, string>(), new Map<string, string>()];
      for (const [index, step] of steps.entries()) {
        await acts[index]?.(test.connect(), step);
        const after = await treeOf(test);
        const written = Object.fromEntries(
          Object.entries(differences(before, after)).filter(([path]) => !MADE_ELSEWHERE.test(path)),
        );
        expect(comparableAll(written, ours), step.did).toEqual(comparableAll(step.znodes, captured));
        before = after;
      }
    } finally {
      await test.stop();
    }
  });

  it('are read as Kafka has written them: a broker that starts on its nodes knows all of them', async () => {
    const test = BrokerUnderTest.make({
      'delegation.token.secret.key': 'test-secret',
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:ANONYMOUS;User:admin',
    });
    const session = test.store.openSession();
    const left = await leftAtTheEnd(session);
    await session.close();
    await test.broker.start();
    try {
      const admin = test.connect();
      const { results } = await admin.ask(DescribeUserScramCredentials, 0, { users: null });
      expect(Object.fromEntries(results.map(({ user, credentialInfos }) => [user, credentialInfos]))).toEqual({
        dave: [{ mechanism: MECHANISMS['SCRAM-SHA-512'], iterations: 5000 }],
        'ü, =/': [{ mechanism: MECHANISMS['SCRAM-SHA-256'], iterations: 4096 }],
      });
      const { entries } = await admin.ask(DescribeClientQuotas, 1, { components: [], strict: false });
      const inStore = [...left].filter(
        ([path, data]) => path.startsWith('/config/') && /_(?:rate|percentage)/.test(data),
      );
      expect(entries?.length).toBe(inStore.length);
      const odd = entries?.find(({ entity }) => entity[0]?.entityName === ODD_NAME);
      expect(odd?.values).toEqual([{ key: 'producer_byte_rate', value: 1000 }]);
      const { resources } = await admin.ask(DescribeAcls, 3, EVERY_RULE);
      const rulesInStore = [...left.values()].flatMap((data) => data.match(/"permissionType"/g) ?? []);
      expect(resources.flatMap(({ acls }) => acls).length).toBe(rulesInStore.length);
      expect(rulesInStore.length).toBeGreaterThan(15);
      const { tokens } = await as('bob', test.connect()).ask(DescribeDelegationToken, 3, { owners: null });
      expect(tokens).toMatchObject([{ tokenId: 'cGmGGV4KTmOA1wG--xnR8A', principalName: 'bob' }]);
    } finally {
      await test.stop();
    }
  });
});

/** What Kafka's steps have left, made anew, parents first. */
async function leftAtTheEnd(
  session: ReturnType<BrokerUnderTest['store']['openSession']>,
): Promise<Map<string, string>> {
  const left = new Map<string, string>();
  for (const { znodes } of steps) {
    for (const [path, { data, deleted }] of Object.entries(znodes)) {
      if (deleted === true) left.delete(path);
      else left.set(path, data ?? '');
    }
  }
  for (const [path, data] of left) await createWithParents(session, path, data);
  return left;
}

async function createWithParents(
  session: ReturnType<BrokerUnderTest['store']['openSession']>,
  path: string,
  data: string,
): Promise<void> {
  const parent = path.slice(0, path.lastIndexOf('/'));
  if (parent !== '' && (await session.exists(parent)) === undefined) await createWithParents(session, parent, '');
  if ((await session.exists(path)) === undefined) await session.create(path, Buffer.from(data));
  else await session.set(path, Buffer.from(data), 'any');
}
