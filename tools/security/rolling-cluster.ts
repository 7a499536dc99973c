/** Three brokers on a ZooKeeper that is secured, which are restarted one after the other with other settings. */
import { createPrivateKey, randomInt, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { Admin } from '@millrace/admin';
import type { ClientOptions } from '@millrace/client';
import { makeRunCertificates, type RunCertificates } from '../compat/secured/certificates.ts';
import { SpawnedBroker } from '../faults/spawned-broker.ts';
import { freePort } from '../kafka/index.ts';
import { makeCertificates } from '../zookeeper/certificates.ts';
import { ZooKeeperEnsemble } from '../zookeeper/ensemble.ts';

const HOST = '127.0.0.1';
const IDS = [1, 2, 3] as const;
export const TOPIC = 'rolling';
const IN_SYNC_MS_MAX = 60_000;
const LISTENER = 'listener.name.secured';
const KEY_PASSWORD = 'the password of a key';
const PASSWORDS = { admin: 'admin-pw', broker: 'broker-pw', 'new-broker': 'new-broker-pw' } as const;
type PlainUser = keyof typeof PASSWORDS;

export type Settings = Readonly<Record<string, string>>;

/** Where the brokers run, and what keeps their metadata. */
export interface RollingWorld {
  /** What each broker is told of its store. */
  readonly storeSettings: Settings;
  startBroker(folder: string, settings: Settings): Promise<{ stop(): Promise<unknown> }>;
  stop(): Promise<void>;
}
type ListenerKind = 'plain' | 'secure';

/** What the brokers are started with. */
export interface Phase {
  readonly name: string;
  readonly listeners: readonly ListenerKind[];
  /** How brokers speak to each other. */
  readonly between: ListenerKind;
  /** Whether rules are asked, and whether whoever is under none may do everything. Default: nobody asks. */
  readonly rights?: 'asked' | 'demanded';
  /** Who the brokers are to each other. */
  readonly login?: PlainUser;
  /** Who may log in by PLAIN beside the administrator. */
  readonly users?: readonly PlainUser[];
}

interface Member {
  readonly id: number;
  readonly ports: Readonly<Record<ListenerKind, number>>;
  running: { stop(): Promise<unknown> } | undefined;
}

/** Who writes and reads, and by what. */
export interface ClientUser {
  readonly username: string;
  readonly password: () => string;
}

export class RollingCluster {
  readonly #folder: string;
  readonly #members: readonly Member[];
  readonly #world: RollingWorld;
  readonly #first: RunCertificates;
  readonly #second: RunCertificates;

  private constructor(folder: string, members: readonly Member[], world: RollingWorld) {
    this.#folder = folder;
    this.#members = members;
    this.#world = world;
    this.#first = certificatesIn(folder, 'first-authority');
    this.#second = certificatesIn(folder, 'second-authority');
    const both = [this.#first, this.#second].map(({ authority }) => readFileSync(authority, 'utf8'));
    writeFileSync(this.#bothAuthorities, both.join(''));
  }

  static async open(folder: string, world: RollingWorld): Promise<RollingCluster> {
    const members: Member[] = [];
    for (const id of IDS) {
      members.push({ id, ports: { plain: await lastingPort(), secure: await lastingPort() }, running: undefined });
    }
    return new RollingCluster(folder, members, world);
  }

  /** Starts all brokers. */
  async start(phase: Phase): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#start(member, phase)));
  }

  /** Restarts all brokers with the settings of a phase, one after the other, each when the one before is in sync again. */
  async roll(phase: Phase): Promise<void> {
    for (const member of this.#members) {
      await member.running?.stop();
      member.running = undefined;
      await this.#start(member, phase);
      await this.inSync(this.administrator(phase));
    }
  }

  async #start(member: Member, phase: Phase): Promise<void> {
    const folder = join(this.#folder, `b${member.id}`);
    member.running = await this.#world.startBroker(folder, this.#settings(member, phase));
  }

  async createTopic(phase: Phase): Promise<void> {
    await using admin = new Admin(this.administrator(phase));
    const configs = { 'min.insync.replicas': '2' };
    await admin.createTopics([{ topic: TOPIC, partitions: 3, replicationFactor: 3, configs }]);
    await this.inSync(this.administrator(phase));
  }

  /** Whoever may do everything in a phase. */
  administrator({ listeners }: Pick<Phase, 'listeners'>): ClientOptions {
    if (listeners.includes('plain')) return this.client('plain');
    const sasl = { mechanism: 'PLAIN', username: 'admin', password: PASSWORDS.admin } as const;
    return { ...this.client('secure'), sasl };
  }

  /** @param user - Nobody where there is no login */
  client(kind: ListenerKind, user?: ClientUser): ClientOptions {
    const bootstrapServers = this.#members.map(({ ports }) => `localhost:${ports[kind]}`).join(',');
    if (kind === 'plain') return { bootstrapServers };
    const tls = { ca: readFileSync(this.#bothAuthorities) };
    if (user === undefined) return { bootstrapServers, tls };
    return { bootstrapServers, tls, sasl: { mechanism: 'SCRAM-SHA-512', ...user } };
  }

  /** One who trusts the second authority alone. */
  trustingSecond(options: ClientOptions): ClientOptions {
    return { ...options, tls: { ca: readFileSync(this.#second.authority) } };
  }

  /** Has a broker show its certificate of the first authority again. */
  async showFirst(): Promise<void> {
    await using admin = new Admin(this.trustingSecond(this.administrator({ listeners: ['secure'] })));
    const set = { [`${LISTENER}.ssl.keystore.location`]: this.#first.broker.both };
    await admin.alterConfigs([{ type: 'broker', name: '1', set }]);
  }

  /** Has the listeners trust both authorities, then one broker after the other show a certificate of the second, and then trust that alone. */
  async changeAuthority(print: (line: string) => void): Promise<void> {
    const secured = { listeners: ['secure'] } as const;
    await using admin = new Admin(this.administrator(secured));
    const change = async ({ id }: Member, set: Settings): Promise<void> => {
      await admin.alterConfigs([{ type: 'broker', name: String(id), set }]);
    };
    for (const member of this.#members) {
      await change(member, { [`${LISTENER}.ssl.truststore.location`]: this.#bothAuthorities });
    }
    print('brokers trust both authorities');
    for (const member of this.#members) {
      const file = this.#lockedKeystore(member.id);
      const location = `${LISTENER}.ssl.keystore.location`;
      await change(member, { [location]: file, [`${LISTENER}.ssl.key.password`]: KEY_PASSWORD });
      await this.#showsSecond(member);
      await this.inSync(this.administrator(secured));
    }
    print('brokers show certificates of the second authority, with keys that have a password');
    for (const member of this.#members) {
      await change(member, { [`${LISTENER}.ssl.truststore.location`]: this.#second.authority });
    }
    print('brokers trust the second authority alone');
  }

  /** A broker's new key, encrypted, with its certificate. */
  #lockedKeystore(id: number): string {
    const { key, certificate } = this.#second.broker;
    const cipher = { cipher: 'aes-256-cbc', passphrase: KEY_PASSWORD };
    const locked = createPrivateKey(readFileSync(key)).export({ type: 'pkcs8', format: 'pem', ...cipher });
    const file = join(this.#folder, `b${id}-second.pem`);
    writeFileSync(file, `${locked}${readFileSync(certificate, 'utf8')}`, { mode: 0o600 });
    return file;
  }

  /** @throws Error where a broker does not show what it was told to */
  async #showsSecond({ id, ports }: Member): Promise<void> {
    const socket = connect({ host: 'localhost', port: ports.secure, ca: readFileSync(this.#second.authority) });
    const shown = await new Promise<X509Certificate | undefined>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('secureConnect', () => resolve(socket.getPeerX509Certificate()));
    });
    socket.destroy();
    const meant = new X509Certificate(readFileSync(this.#second.broker.certificate));
    if (shown?.fingerprint256 !== meant.fingerprint256) {
      throw new Error(`broker ${id} does not show its new certificate`);
    }
  }

  async inSync(client: ClientOptions): Promise<void> {
    const untilMs = performance.now() + IN_SYNC_MS_MAX;
    await using admin = new Admin(client);
    while (performance.now() < untilMs) {
      // A broker that has just started does not know of it for a moment, as in Kafka.
      const [topic] = await admin.describeTopics([TOPIC]).catch(() => []);
      if (topic?.partitions.every(({ inSyncReplicas }) => inSyncReplicas.length === IDS.length) === true) return;
      await sleep(50);
    }
    throw new Error(`${TOPIC} was not in sync again within ${IN_SYNC_MS_MAX} ms`);
  }

  async stop(): Promise<void> {
    for (const { running } of this.#members) await running?.stop();
    await this.#world.stop();
  }

  #settings({ id, ports }: Member, phase: Phase): Settings {
    const { listeners, between, rights } = phase;
    const endpoints = { plain: `OPEN://localhost:${ports.plain}`, secure: `SECURED://localhost:${ports.secure}` };
    return {
      'broker.id': String(id),
      ...this.#world.storeSettings,
      'offsets.topic.replication.factor': '3',
      listeners: listeners.map((kind) => endpoints[kind]).join(','),
      'listener.security.protocol.map': 'OPEN:PLAINTEXT,SECURED:SASL_SSL',
      'inter.broker.listener.name': between === 'plain' ? 'OPEN' : 'SECURED',
      'password.encoder.secret': 'an encoder secret',
      ...(listeners.includes('secure') ? this.#securedSettings(phase) : {}),
      ...(rights === undefined
        ? {}
        : {
            'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
            'allow.everyone.if.no.acl.found': String(rights === 'asked'),
            'super.users': 'User:admin;User:broker;User:new-broker',
          }),
    };
  }

  #securedSettings({ login = 'broker', users = [login] }: Phase): Settings {
    const known = [...new Set<PlainUser>(['admin', ...users])].map((user) => `user_${user}="${PASSWORDS[user]}"`);
    const own = `username="${login}" password="${PASSWORDS[login]}"`;
    const modules = 'org.apache.kafka.common.security';
    return {
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      [`${LISTENER}.plain.sasl.jaas.config`]: `${modules}.plain.PlainLoginModule required ${own} ${known.join(' ')};`,
      [`${LISTENER}.scram-sha-512.sasl.jaas.config`]: `${modules}.scram.ScramLoginModule required;`,
      [`${LISTENER}.ssl.keystore.location`]: this.#first.broker.both,
      [`${LISTENER}.ssl.truststore.location`]: this.#first.authority,
    };
  }

  get #bothAuthorities(): string {
    return join(this.#folder, 'both-authorities.pem');
  }
}

/** Below those that outgoing connections get, one of which could take the port of a broker that is down for a moment. */
const LASTING_PORTS = { from: 20_000, to: 32_000 } as const;

/** A free port that stays free. */
async function lastingPort(): Promise<number> {
  for (;;) {
    const port = randomInt(LASTING_PORTS.from, LASTING_PORTS.to);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, HOST, () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

function certificatesIn(folder: string, authority: string): RunCertificates {
  const own = join(folder, authority);
  mkdirSync(own);
  return makeRunCertificates(own, authority);
}

/** Brokers as processes, on a server of ZooKeeper that speaks TLS, wants certificates and logins, and lets only them touch what they have made. */
export class SecuredProcesses implements RollingWorld {
  readonly storeSettings: Settings;
  readonly #ensemble: ZooKeeperEnsemble;

  private constructor(ensemble: ZooKeeperEnsemble, storeSettings: Settings) {
    this.#ensemble = ensemble;
    this.storeSettings = storeSettings;
  }

  static async open(folder: string): Promise<SecuredProcesses> {
    const own = join(folder, 'zookeeper');
    mkdirSync(own);
    const { ca, pem, pkcs12, password } = makeCertificates(own);
    const [serverLogin, clientLogin] = [join(own, 'server-jaas.conf'), join(own, 'client-jaas.conf')] as const;
    const login = 'org.apache.zookeeper.server.auth.DigestLoginModule required';
    writeFileSync(serverLogin, `Server { ${login} user_broker="zk-pw"; };\n`);
    writeFileSync(clientLogin, `Client { ${login} username="broker" password="zk-pw"; };\n`);
    const port = await freePort();
    const ensemble = await ZooKeeperEnsemble.start({
      settings: {
        secureClientPort: String(port),
        secureClientPortAddress: HOST,
        serverCnxnFactory: 'org.apache.zookeeper.server.NettyServerCnxnFactory',
        'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider',
        'ssl.keyStore.location': pkcs12,
        'ssl.keyStore.password': password,
        'ssl.trustStore.location': ca,
      },
      jvm: [`-Djava.security.auth.login.config=${serverLogin}`],
    });
    return new SecuredProcesses(ensemble, {
      'zookeeper.connect': `${HOST}:${port}`,
      'zookeeper.set.acl': 'true',
      'zookeeper.ssl.client.enable': 'true',
      'zookeeper.ssl.keystore.location': pem,
      'zookeeper.ssl.keystore.type': 'PEM',
      'zookeeper.ssl.truststore.location': ca,
      'zookeeper.ssl.truststore.type': 'PEM',
      'millrace.zookeeper.login.config': clientLogin,
    });
  }

  async startBroker(folder: string, settings: Settings): Promise<{ stop(): Promise<unknown> }> {
    return SpawnedBroker.start({ folder, settings });
  }

  async stop(): Promise<void> {
    await this.#ensemble.stop();
  }
}
