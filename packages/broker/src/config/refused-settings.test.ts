import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from './broker-config.ts';
import { brokerConfigTable } from './broker-definitions.ts';
import { HONOURED_SASL, HONOURED_SSL, KERBEROS_TICKETS } from './listener-security.ts';

const problems = (properties: Record<string, string>): string[] =>
  parseBrokerConfig(properties).problems.map(({ message }) => message);

/** Names of Kafka's broker configs with their defaults. */
const kafkaNames = readFileSync(new URL('fixtures/kafka-3.9.1-configs.tsv', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => line.split('\t'))
  .filter(([kind]) => kind === 'broker')
  .map(([, name = '', type = '', text = '']) => ({ name, type, text }));

const SECURITY =
  /^(ssl|sasl|authorizer|super\.users|security\.providers|principal|client\.quota|(alter\.config|create\.topic)\.policy)\b/;

/** Families of names on which it hangs who comes in, what he may do, and how much he may use. */
const FAMILIES = [
  /^(ssl|sasl|security|authorizer|principal)\./,
  /^(super\.users|allow\.everyone\.if\.no\.acl\.found|listeners|inter\.broker\.listener\.name|zookeeper\.set\.acl)$/,
  /^listener\.security\./,
  /^delegation\.token\./,
  /^connections\.max\.reauth\./,
  /^connection\.failed\./,
  /^max\.connections?\b/,
  /(^|\.)quota\./,
  /^password\.encoder\./,
  /\.policy\.class\.name$/,
  /^zookeeper\.ssl\./,
];

/** Kafka's authorizer reads them itself: its list of configs does not have them. */
const OF_AUTHORIZER = ['super.users', 'allow.everyone.if.no.acl.found'];

/** A slip of the pen: a letter too many, too few, doubled, two in the wrong order; capitals. Each name has another one. */
function slipOf(name: string, which: number): string {
  const middle = Math.trunc(name.length / 2);
  const swapped = `${name.slice(0, middle)}${name[middle + 1]}${name[middle]}${name.slice(middle + 2)}`;
  const doubled = `${name.slice(0, middle)}${name[middle]}${name.slice(middle)}`;
  const slips = [`${name}s`, name.slice(0, -1), swapped, doubled, name.toUpperCase()];
  const others = slips.filter((each) => each !== name && brokerConfigTable[each] === undefined);
  return others[which % others.length] ?? '';
}

/** A value that asks for something, of the config's type. */
function valueFor(type: string, text: string): string {
  if (type === 'BOOLEAN') return text === 'true' ? 'false' : 'true';
  return /^-?[\d.]+$/.test(text) ? String(Number(text) + 1) : 'something';
}

it('what is said of a setting of security is whether it is honoured', () => {
  const honoured = [...HONOURED_SSL, ...HONOURED_SASL];
  const says = (name: string): string => brokerConfigTable[name]?.documentation ?? '';
  expect(honoured.filter((name) => says(name).startsWith('Not honoured'))).toEqual([]);
  // One of a quorum, and one that is set for a listener alone, say so.
  const own = ['sasl.jaas.config', 'sasl.mechanism.controller.protocol', ...KERBEROS_TICKETS];
  const others = kafkaNames.filter(({ name }) => /^(ssl|sasl)\./.test(name) && ![...honoured, ...own].includes(name));
  expect(others.filter(({ name }) => !says(name).startsWith('Not honoured'))).toEqual([]);
});

it('how tickets of Kerberos are renewed is told to mean nothing, since GSSAPI itself is refused', () => {
  const values = ['/bin/kinit', '58000', '0.1', '0.5'];
  for (const [index, name] of KERBEROS_TICKETS.entries()) {
    const { problems, warnings } = parseBrokerConfig({ [name]: values[index] ?? '' });
    const message = expect.stringMatching(/nobody logs in by Kerberos/);
    expect({ problems, warnings }).toEqual({ problems: [], warnings: [{ code: 'UNUSED_CONFIG', name, message }] });
  }
});

describe('a setting that safety hangs on and that is not honoured', () => {
  it('keeps the broker from starting, whichever of Kafka’s it is', () => {
    const honoured = new Set([...HONOURED_SSL, ...HONOURED_SASL, ...KERBEROS_TICKETS]);
    const named = kafkaNames.filter(({ name }) => SECURITY.test(name) && !honoured.has(name));
    expect(named).toHaveLength(28);
    for (const { name, type, text } of named) {
      expect(problems({ [name]: valueFor(type, text) }).join(), name).toContain(`${name} is not honoured`);
    }
  });

  it('does so under a name with a slip in it as well, whichever of Kafka’s it is, and is named as it was meant', () => {
    const names = [...kafkaNames.map(({ name }) => name), ...OF_AUTHORIZER];
    for (const family of FAMILIES) {
      const named = names.filter((name) => family.test(name));
      expect(named.length, String(family)).toBeGreaterThan(0);
      for (const [which, name] of named.entries()) {
        const slip = slipOf(name, which);
        const [problem, ...others] = problems({ [slip]: 'x' });
        expect(others, slip).toEqual([]);
        expect(problem, slip).toMatch(/ Did you mean \S+\?$/);
        // Another one may be as near; it is one of safety all the same.
        const meant = / Did you mean (\S+)\?$/.exec(problem ?? '')?.[1] ?? '';
        expect(
          FAMILIES.some((each) => each.test(meant)),
          `${slip}: ${meant}`,
        ).toBe(true);
      }
    }
  });

  it.each([
    ['delegation.token.max.lifetime.mss', 'delegation.token.max.lifetime.ms'],
    ['quota.windows.num', 'quota.window.num'],
    ['connections.max.reauth.m', 'connections.max.reauth.ms'],
    ['max.connection.creation.rates', 'max.connection.creation.rate'],
    ['ssl.client.atuh', 'ssl.client.auth'],
  ])('is told by its right name: %s', (name, meant) => {
    expect(problems({ [name]: '1' })).toEqual([expect.stringMatching(`^${name} is .* Did you mean ${meant}\\?$`)]);
  });

  it.each([
    'quota.of.my.own',
    'delegation.token.keeper',
    'controller.quota.x',
    'connections.max.reauth.by.user',
    'security.x',
  ])('is refused though no name is near: %s', (name) => {
    expect(problems({ [name]: '1' })).toEqual([expect.stringMatching(/is no setting that this broker knows\./)]);
  });

  it('is read where it is one of Kafka’s that is honoured, in each of the families of quotas, tokens and logins', () => {
    const honoured = kafkaNames.filter(({ name }) =>
      /^(quota|controller\.quota|replication\.quota|delegation\.token|connections\.max\.reauth)\./.test(name),
    );
    expect(honoured).toHaveLength(12);
    for (const { name, type, text } of honoured) {
      expect(parseBrokerConfig({ [name]: valueFor(type, text) }).problems, name).toEqual([]);
    }
  });

  it.each([
    ['super.users', 'User:admin'],
    ['allow.everyone.if.no.acl.found', 'true'],
    ['authorizer.properties.file', 'x'],
    ['listener.name.external.ssl.keystore.location', '/key.p12'],
    ['listener.name.plaintext.scram-sha-256.sasl.login.class', 'x'],
    ['listener.name.plaintext.ssl.provider', 'x'],
    ['sasl.jaas.config', 'x'],
    ['sasl.login.refresh.window.factor', '0.7'],
    ['zookeeper.ssl.crl.enable', 'true'],
    ['zookeeper.metadata.migration.enable', 'true'],
    ['security.inter.broker.protocol', 'SSL'],
    ['create.topic.policy.class.name', 'a.Policy'],
    ['client.quota.callback.class', 'a.Callback'],
    ['quota.producer.default', '1000'],
  ])('says why, and what to do: %s', (name, value) => {
    expect(problems({ [name]: value })).toEqual([expect.stringMatching(/is not honoured: .+\. (Remove it|Set )/)]);
  });

  it.each(['admin', 'User:admin;bob', ' ; x'])('is refused where it names nobody: super.users=%s', (users) => {
    const authorizer = { 'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer' };
    expect(problems({ ...authorizer, 'super.users': users })).toEqual([
      expect.stringMatching(/^super\.users has \w+, which is no principal: .* User:\w+\.$/),
    ]);
    expect(problems({ ...authorizer, 'super.users': 'User:CN=a,OU=b; User:c:d;' })).toEqual([]);
  });

  it('is passed over where it asks for nothing: empty, or Kafka’s default', () => {
    expect(
      problems({
        'authorizer.class.name': '',
        'super.users': ' ',
        'ssl.client.auth': 'none',
        'sasl.enabled.mechanisms': 'GSSAPI',
        'ssl.enabled.protocols': 'TLSv1.2, TLSv1.3',
        'quota.window.num': '11',
        'zookeeper.connect': '',
        'zookeeper.session.timeout.ms': '6000',
      }),
    ).toEqual([]);
  });
});

describe('a certificate that is required of all clients', () => {
  const required = { 'ssl.client.auth': 'required' };
  const user = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_a="b";';
  const loginAt = (listener: string): Record<string, string> => ({
    [`listener.name.${listener}.sasl.enabled.mechanisms`]: 'PLAIN',
    [`listener.name.${listener}.plain.sasl.jaas.config`]: user,
  });
  const withLogin = { listeners: 'SASL_SSL://:9093', ...loginAt('sasl_ssl') };
  const askedBy = (listener: string, properties: Record<string, string>) =>
    parseBrokerConfig(properties).config.listenerSecurity.get(listener)?.ssl?.clientAuth;

  it('keeps the broker from starting where a listener with logins would ask nobody for it', () => {
    const message = expect.stringMatching(
      /^ssl\.client\.auth=required is not honoured by the listener SASL_SSL: .* Set listener\.name\.sasl_ssl\.ssl\.client\.auth to required, or to none\.$/,
    );
    expect(problems({ ...withLogin, ...required })).toEqual([message]);
    expect(problems({ ...withLogin, ...required, listeners: 'SASL_SSL://:9093,SSL://:9094' })).toEqual([message]);
    const two = {
      listeners: 'IN://:1,OUT://:2',
      'listener.security.protocol.map': 'IN:SASL_SSL,OUT:SASL_SSL',
      ...loginAt('in'),
      ...loginAt('out'),
    };
    expect(problems({ ...two, ...required, 'listener.name.in.ssl.client.auth': 'required' })).toEqual([
      expect.stringContaining('listener.name.out.ssl.client.auth'),
    ]);
  });

  it('is asked for beside the login where the listener’s own setting says so (KIP-684), and not where that takes it back', () => {
    const own = 'listener.name.sasl_ssl.ssl.client.auth';
    for (const [asked, others] of [
      ['required', {}],
      ['required', required],
      ['none', required],
      ['requested', required],
    ] as const) {
      const properties = { ...withLogin, ...others, [own]: asked };
      expect([problems(properties), askedBy('SASL_SSL', properties)]).toEqual([[], asked]);
    }
  });

  it('is not given up for an own setting that a script has left empty', () => {
    const own = 'listener.name.ssl.ssl.client.auth';
    const plain = { listeners: 'SSL://:9093', ...required };
    expect(problems({ ...plain, [own]: '' })).toEqual([expect.stringContaining(`${own} is empty`)]);
    expect([problems(plain), askedBy('SSL', plain)]).toEqual([[], 'required']);
  });

  it('is only told of where it is wished for and not required, as Kafka does', () => {
    const { problems: found, warnings } = parseBrokerConfig({ ...withLogin, 'ssl.client.auth': 'requested' });
    expect([found, warnings]).toEqual([
      [],
      [
        {
          code: 'UNUSED_CONFIG',
          name: 'ssl.client.auth',
          message: expect.stringContaining('the listener SASL_SSL asks for a login'),
        },
      ],
    ]);
    const own = { 'listener.name.sasl_ssl.ssl.client.auth': 'requested' };
    expect(parseBrokerConfig({ ...withLogin, ...own, 'ssl.client.auth': 'requested' }).warnings).toEqual([]);
  });
});

describe('settings whose values Kafka does not start with', () => {
  const rackAware = 'org.apache.kafka.common.replica.RackAwareReplicaSelector';

  it.each(['', rackAware, 'org.apache.kafka.common.replica.LeaderSelector'])(
    'take the selectors of replicas that Kafka has: "%s"',
    (name) => {
      expect(problems({ 'replica.selector.class': name })).toEqual([]);
    },
  );

  it.each([
    [
      'replica.selector.class',
      'org.example.NearestReplica',
      /Classes of Java cannot be loaded.*Set it to .*RackAware.*or remove it/,
    ],
    ['inter.broker.protocol.version', '9.9', /9\.9 is not spoken: set a release from 2\.8 to 3\.9/],
    ['inter.broker.protocol.version', '3.9-IV7', /3\.9-IV7 is not spoken/],
  ])('are refused with what to do: %s=%s', (name, value, message) => {
    expect(problems({ [name]: value })).toEqual([expect.stringMatching(message)]);
  });
});

describe('settings of KRaft', () => {
  /** What `config/kraft/server.properties` of Kafka 3.9 sets. */
  const combined = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': '1@localhost:9093',
    listeners: 'PLAINTEXT://:9092,CONTROLLER://:9093',
    'inter.broker.listener.name': 'PLAINTEXT',
    'advertised.listeners': 'PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map':
      'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
  };

  it('start a single broker where one node is broker and controller, without the controller’s listener', () => {
    const { config, problems: found, warnings } = parseBrokerConfig(combined);
    expect([found, warnings]).toEqual([[], []]);
    expect(config.brokerId).toBe(1);
    expect(config.endpoints.map(({ name, port }) => [name, port])).toEqual([['PLAINTEXT', 9092]]);
    expect(config.advertisedEndpoints.map(({ name }) => name)).toEqual(['PLAINTEXT']);
    // They are read again when a setting is changed while the broker runs.
    expect(parseBrokerConfig(config.properties).config.endpoints).toEqual(config.endpoints);
  });

  it('need not name the controller’s listener, which may be secured: it is not opened', () => {
    const { 'controller.listener.names': _, ...rest } = combined;
    expect(problems({ ...rest, 'listener.name.controller.ssl.keystore.location': '/k' })).toEqual([]);
  });

  it('take the settings of Kafka 4, which name bootstrap servers instead of voters', () => {
    const { 'controller.quorum.voters': _, ...rest } = combined;
    expect(problems({ ...rest, 'controller.quorum.bootstrap.servers': 'localhost:9093' })).toEqual([]);
  });

  it.each(['[::1]:9093', '127.0.0.1:9093', 'Kafka-1.test:9093', 'public.test:9093'])(
    'take %s for this node, where it listens on its host or advertises it',
    (server) => {
      const { 'controller.quorum.voters': _, ...rest } = combined;
      const listeners = 'PLAINTEXT://:9092,CONTROLLER://kafka-1.test:9093';
      const own = { listeners, 'advertised.listeners': 'PLAINTEXT://public.test:9092' };
      expect(problems({ ...rest, ...own, 'controller.quorum.bootstrap.servers': server })).toEqual([]);
    },
  );

  it('name the number that a node has where it is not said', () => {
    const { 'node.id': _, ...rest } = combined;
    expect(problems(rest)).toEqual([]);
    expect(problems({ ...rest, 'broker.id': '7', 'controller.quorum.voters': '7@localhost:9093' })).toEqual([]);
    expect(problems({ ...rest, 'controller.quorum.voters': '7@localhost:9093' })).toEqual([
      expect.stringMatching(/names node 7, and this is node 1\. Name this node, set node\.id=7, or remove it/),
    ]);
  });

  it.each([
    [
      { 'controller.quorum.voters': '', 'controller.quorum.bootstrap.servers': 'other.test:9093' },
      /servers=other\.test:9093 names a controller on another host.*would stand alone\. Name this node, such as localhost:9093, or remove it/,
    ],
    [{ 'process.roles': 'broker' }, /process\.roles=broker means a controller in a process of its own/],
    [{ 'process.roles': 'controller' }, /process\.roles=controller means/],
    [{ 'controller.quorum.voters': '1@a:1,2@b:1,3@c:1' }, /names several controllers.*would stand alone/],
    [{ 'controller.quorum.voters': '7@localhost:9093' }, /names node 7, and this is node 1/],
    [{ 'process.roles': '' }, /controller\.quorum\.voters belongs to KRaft.*Remove it/],
    [{ 'process.roles': 'brokr,controller' }, /process\.roles names brokr; there are broker and controller/],
    [{ 'zookeeper.connect': 'localhost:2181' }, /zookeeper\.connect one on ZooKeeper\. Remove one of the two/],
    [
      { 'process.roles': 'broker', 'listener.name.controller.ssl.keystore.location': '/k' },
      /Set process\.roles=broker,controller with this node as the only voter/,
    ],
  ])('are refused with what to do where they mean more: %o', (changes, message) => {
    expect(problems({ ...combined, ...changes }).join()).toMatch(message);
    // How the controller's listener is secured is nothing to mend: there is none.
    const { 'listener.security.protocol.map': _, ...unmapped } = combined;
    expect(problems({ ...unmapped, ...changes })).toEqual([expect.stringMatching(message)]);
    expect(problems({ ...unmapped, ...changes, listeners: 'CONTROLLER://:9093' })).toHaveLength(1);
  });
});
