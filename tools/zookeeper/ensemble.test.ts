import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { isMetadataError } from '@millrace/metadata';
import { ZooKeeperMetadataStore } from '@millrace/zookeeper';
import { reaches } from '@millrace/zookeeper/internal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SpawnedBroker } from '../faults/spawned-broker.ts';
import { has } from '../needs/index.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { freePorts, ZooKeeperEnsemble } from './ensemble.ts';

const START_MS_MAX = 120_000;
const EMPTY = Buffer.alloc(0);

describe.skipIf(!has('zookeeper', import.meta.url))('three ZooKeeper servers', () => {
  let ensemble: ZooKeeperEnsemble;
  let stores: ZooKeeperMetadataStore[];

  beforeAll(async () => {
    ensemble = await ZooKeeperEnsemble.start({ servers: 3 });
    stores = [];
  }, START_MS_MAX);
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await ensemble.stop();
  });

  async function open(): Promise<ZooKeeperMetadataStore> {
    const store = await ZooKeeperMetadataStore.open({ connect: ensemble.connectString, sessionTimeoutMs: 15_000 });
    stores.push(store);
    return store;
  }

  it(
    'keep sessions, nodes and versions when the one that leads is killed, and count each write once',
    async () => {
      const [writer, other] = [await open(), await open()];
      const { sessionId } = writer;
      await writer.create('/counter', EMPTY);
      await writer.create('/mine', EMPTY, { ephemeral: true });
      let version = 0;
      let lost = 0;
      const write = async (): Promise<void> => {
        try {
          version = (await writer.set('/counter', EMPTY, { exactly: version })).version;
        } catch (error) {
          if (!isMetadataError(error, 'CONNECTION_LOSS')) throw error;
          lost += 1;
          const found = (await writer.get('/counter')).stat.version;
          // Applied or not, and nothing else: nobody but this one writes.
          expect([version, version + 1]).toContain(found);
          version = found;
        }
      };
      for (let index = 0; index < 50; index += 1) await write();
      const leader = (await ensemble.leader()) as number;
      const killed = ensemble.signal(leader, 'SIGKILL');
      for (let index = 0; index < 50; index += 1) await write();
      await killed;
      expect(version).toBeGreaterThanOrEqual(100 - lost);
      expect([writer.sessionId, (await other.exists('/mine'))?.ephemeralOwner]).toEqual([sessionId, sessionId]);
      await ensemble.startServer(leader);
      for (let index = 0; index < 10; index += 1) await write();
      expect((await other.set('/counter', EMPTY, { exactly: version })).version).toBe(version + 1);
    },
    START_MS_MAX,
  );

  it(
    'that have lost their majority have everybody wait, and go on with the same sessions when it is back',
    async () => {
      const store = await open();
      const { sessionId } = store;
      await store.create('/before', EMPTY, { ephemeral: true });
      const seen: string[] = [];
      await store.exists('/after', { watch: ({ type }) => seen.push(type) });
      await Promise.all([2, 3].map((id) => ensemble.signal(id, 'SIGKILL')));
      await reaches(store, 'disconnected');
      const reading = store.get('/before');
      const writing = store.create('/after', EMPTY);
      await Promise.all([2, 3].map((id) => ensemble.startServer(id)));
      expect((await reading).stat.ephemeralOwner).toBe(sessionId);
      expect([await writing, store.sessionId]).toEqual(['/after', sessionId]);
      await store.get('/after');
      expect(seen).toEqual(['created']);
    },
    START_MS_MAX,
  );
});

describe.skipIf(!has('zookeeper', import.meta.url))('a ZooKeeper server that is put back from a copy', () => {
  it.each([
    ['does not know the session', false],
    ['knows the session, and its nodes', true],
  ])(
    'that %s has the client begin anew, though it has seen more than that',
    async (_, knowsIt) => {
      await using closers = new AsyncDisposableStack();
      const ensemble = await ZooKeeperEnsemble.start({ tickMs: 200 });
      closers.defer(() => ensemble.stop());
      const notices: string[] = [];
      const open = async (): Promise<ZooKeeperMetadataStore> => {
        const sessionTimeoutMs = 4000;
        const onNotice = (message: string): unknown => notices.push(message);
        const store = await ZooKeeperMetadataStore.open({
          connect: ensemble.connectString,
          sessionTimeoutMs,
          onNotice,
        });
        closers.defer(() => store.close());
        return store;
      };
      const early = knowsIt ? undefined : await ensemble.copy(1);
      const store = await open();
      const states: string[] = [];
      store.onSession((state) => states.push(state));
      const { sessionId } = store;
      await store.create('/mine', EMPTY, { ephemeral: true });
      const older = early ?? (await ensemble.copy(1));
      for (let index = 0; index < 20; index += 1) await store.create(`/since-${index}`, EMPTY);
      expect(store.sessionId).toBe(sessionId);
      await ensemble.signal(1, 'SIGKILL');
      await ensemble.putBack(1, older);
      states.length = 0;
      await ensemble.startServer(1);
      await reaches(store, 'expired');
      await store.renewSession();
      expect(store.sessionId).not.toBe(sessionId);
      // Not even what the copy knows of the one before is in the way of the new session's own.
      await store.create('/mine', EMPTY, { ephemeral: true });
      expect((await store.children('/')).toSorted()).toEqual(['mine', 'zookeeper']);
      expect(states.filter((state) => state !== 'disconnected')).toEqual(['expired', 'connected']);
      expect(notices.join('\n')).toMatch(/ZooKeeper is behind what this process has seen .*older copy/);
    },
    START_MS_MAX,
  );
});

const canBeSecured = has('zookeeper', import.meta.url) && has('openssl', import.meta.url);

describe.skipIf(!canBeSecured)('a ZooKeeper server that is secured', () => {
  let ensemble: ZooKeeperEnsemble | undefined;
  let folder: string;
  let certificates: Certificates;
  let securePort: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-zk-tls-'));
    certificates = makeCertificates(folder);
    securePort = (await freePorts(1))[0] as number;
    ensemble = await ZooKeeperEnsemble.start({
      settings: {
        secureClientPort: String(securePort),
        secureClientPortAddress: '127.0.0.1',
        serverCnxnFactory: 'org.apache.zookeeper.server.NettyServerCnxnFactory',
        'ssl.keyStore.location': certificates.pkcs12,
        'ssl.keyStore.password': certificates.password,
        'ssl.trustStore.location': certificates.ca,
      },
    });
  }, START_MS_MAX);
  afterAll(async () => {
    await ensemble?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (options: Partial<Parameters<typeof ZooKeeperMetadataStore.open>[0]>): Promise<ZooKeeperMetadataStore> =>
    ZooKeeperMetadataStore.open({ connect: ensemble?.connectString ?? '', sessionTimeoutMs: 2000, ...options });

  it('lets only who has made a node change it, where that is asked for', async () => {
    const rights = { '/closed': 'closed', '/readable': 'readable', '/open': 'open' } as const;
    type Path = keyof typeof rights;
    const owner = await open({ digest: 'broker:secret', rightsOf: (path) => rights[path as Path] });
    const stranger = await open({});
    const wrong = await open({ digest: 'broker:guess' });
    const again = await open({ digest: 'broker:secret' });
    for (const path of Object.keys(rights)) await owner.create(path, EMPTY);
    for (const other of [stranger, wrong]) {
      await expect(other.set('/readable', EMPTY, 'any')).rejects.toThrow(/no right.*digest/);
      await expect(other.get('/closed')).rejects.toThrow(/no right/);
      expect((await other.get('/readable')).stat.version).toBe(0);
      await other.set('/open', EMPTY, 'any');
    }
    expect((await again.set('/closed', EMPTY, { exactly: 0 })).version).toBe(1);
    await expect(open({ connect: `${ensemble?.connectString}/x`, rightsOf: () => 'closed' })).rejects.toThrow(
      /rights cannot be set/,
    );
    await Promise.all([owner, stranger, wrong, again].map((store) => store.close()));
  });

  it('is reached over TLS with a certificate of ours, PEM or PKCS12, and trusted by its own', async () => {
    const connect = `127.0.0.1:${securePort}`;
    const ca = await readFile(certificates.ca);
    const pem = await readFile(certificates.pem);
    const pfx = await readFile(certificates.pkcs12);
    for (const [index, tls] of [
      { ca, cert: pem, key: pem },
      { ca, pfx, passphrase: certificates.password },
    ].entries()) {
      const store = await open({ connect, tls, rightsOf: () => 'readable' });
      expect(await store.create(`/tls${index}`, EMPTY)).toBe(`/tls${index}`);
      await store.close();
    }
    const refused = { code: 'ZOOKEEPER_UNREACHABLE', message: expect.stringMatching(/certificate/) };
    await expect(open({ connect, tls: { cert: pem, key: pem } })).rejects.toMatchObject(refused);
    await expect(open({ connect, tls: { ca }, connectionTimeoutMs: 500 })).rejects.toMatchObject({
      code: 'ZOOKEEPER_UNREACHABLE',
    });
  });
});

describe.skipIf(!has('zookeeper', import.meta.url))('a ZooKeeper server that knows logins', () => {
  let ensemble: ZooKeeperEnsemble | undefined;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-zk-sasl-'));
    const jaas = join(folder, 'jaas.conf');
    const login = 'org.apache.zookeeper.server.auth.DigestLoginModule required';
    await writeFile(jaas, `Server { ${login} user_broker="sec\\"ret" user_other="o"; };\n`);
    ensemble = await ZooKeeperEnsemble.start({
      settings: { 'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider' },
      jvm: [`-Djava.security.auth.login.config=${jaas}`],
    });
  }, START_MS_MAX);
  afterAll(async () => {
    await ensemble?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (username: string, password: string, sessionTimeoutMs = 15_000): Promise<ZooKeeperMetadataStore> =>
    ZooKeeperMetadataStore.open({
      connect: ensemble?.connectString ?? '',
      sessionTimeoutMs,
      sasl: { username, password },
      rightsOf: () => 'readable',
    });

  it('takes the login of Kafka brokers, again on each connection, and refuses a wrong one', async () => {
    const broker = await open('broker', 'sec"ret');
    await broker.create('/sasl', EMPTY);
    broker.client.breakConnection();
    expect((await broker.set('/sasl', EMPTY, { exactly: 0 })).version).toBe(1);
    const other = await open('other', 'o');
    await expect(other.set('/sasl', EMPTY, 'any')).rejects.toThrow(/no right/);
    expect((await other.get('/sasl')).stat.version).toBe(1);
    // All servers are tried until the time is over.
    await expect(open('broker', 'guess', 4_000)).rejects.toMatchObject({ code: 'ZOOKEEPER_AUTH_FAILED' });
    await Promise.all([broker, other].map((store) => store.close()));
  });

  it(
    'keeps all nodes of a broker that logs in from others, and what is secret from their eyes (zookeeper.set.acl)',
    async () => {
      const login =
        'org.apache.zookeeper.server.auth.DigestLoginModule required username="broker" password="sec\\"ret"';
      const loginConfig = join(folder, 'broker-jaas.conf');
      await writeFile(loginConfig, `Client { ${login}; };\n`);
      const settings = {
        'zookeeper.connect': `${ensemble?.connectString ?? ''}/secured`,
        'zookeeper.set.acl': 'true',
        'millrace.zookeeper.login.config': loginConfig,
        'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'delegation.token.secret.key': 'secret',
      };
      const process = await SpawnedBroker.start({ folder: join(folder, 'data'), settings });
      const store = await open('broker', 'sec"ret');
      const other = await open('other', 'o');
      try {
        await using admin = new Admin({ bootstrapServers: process.bootstrap });
        await admin.createTopics([{ topic: 't', partitions: 1, replicationFactor: 1 }]);
        await admin.createAcls([{ resourceType: 'topic', resourceName: 't', operation: 'read', principal: 'User:a' }]);
        await admin.alterClientQuotas([
          { entity: [{ type: 'user', name: 'alice' }], set: { producer_byte_rate: 1000 } },
        ]);
        const paths = await below(store, '/secured');
        expect(paths).toEqual(expect.arrayContaining(['/secured/brokers/topics/t', '/secured/config/users/alice']));
        const [written, unread]: [string[], string[]] = [[], []];
        for (const path of paths) {
          const { data } = await store.get(path);
          const refused = await other.set(path, data, 'any').then(
            () => undefined,
            (error: unknown) => error,
          );
          if (refused === undefined) written.push(path);
          if (await isRefused(other.get(path))) unread.push(path);
        }
        // Consumers of old write there themselves. What is above the cluster's own nodes is whoever's made it.
        expect(written).toEqual(['/secured/consumers']);
        const sensitive = [
          '/secured/config/brokers',
          '/secured/config/users',
          '/secured/config/users/alice',
          '/secured/delegation_token/tokens',
        ];
        expect(unread.filter((path) => !path.endsWith('millrace_login_secret')).sort()).toEqual(sensitive);
      } finally {
        await process.stop();
        await Promise.all([store, other].map((each) => each.close()));
      }
    },
    START_MS_MAX,
  );
});

async function isRefused(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => false,
    () => true,
  );
}

/** All nodes below one, parents first. */
async function below(store: ZooKeeperMetadataStore, path: string): Promise<string[]> {
  const names = await store.children(path);
  const found = await Promise.all(names.map((name) => below(store, `${path}/${name}`)));
  return [...names.map((name) => `${path}/${name}`), ...found.flat()];
}
