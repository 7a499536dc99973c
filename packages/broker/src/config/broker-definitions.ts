import {
  atLeast,
  between,
  boolean,
  type ConfigTable,
  type ConfigValue,
  type ConfigValues,
  int,
  list,
  long,
  oneOf,
  password,
  short,
  string,
} from './definition.ts';
import { keptDefinitions } from './kept-definitions.ts';
import { logDefinitions } from './log-definitions.ts';

const INT_MAX = 2 ** 31 - 1;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WIDE = { updateMode: 'cluster-wide' } as const;
/** The class whose name Kafka's setting gives for readers that are sent to a replica in their rack. */
export const RACK_AWARE_SELECTOR = 'org.apache.kafka.common.replica.RackAwareReplicaSelector';

/** Who is sent nowhere would not notice that a selector of somebody's own is missing. */
function replicaSelector(value: ConfigValue): string | undefined {
  const known = ['', RACK_AWARE_SELECTOR, 'org.apache.kafka.common.replica.LeaderSelector'];
  if (known.includes(String(value))) return undefined;
  return `Classes of Java cannot be loaded here. Set it to ${RACK_AWARE_SELECTOR}, or remove it to have the leader read from`;
}

/** Set while partitions are moved, for each broker; Kafka describes them only where they are set. */
const THROTTLED = { updateMode: 'per-broker', isInternal: true, check: atLeast(0) } as const;
/** A list here, one text to Kafka. */
const AS_TEXT = { describedType: 'STRING' } as const;

const identity = {
  'broker.id': int(-1, "The broker's number in the cluster. Without it, node.id counts.", { check: atLeast(-1) }),
  'node.id': int(1, 'As broker.id, under the name that newer container images use.', { check: atLeast(0) }),
  'broker.id.generation.enable': boolean(
    true,
    'Whether a broker without a number that joins a cluster on ZooKeeper gets the next that is free.',
  ),
  'reserved.broker.max.id': int(1000, 'Numbers that are given out are above this one.', { check: atLeast(0) }),
  'broker.rack': string(null, 'Where the broker stands; replicas are spread over racks.'),
  'cluster.id': string(
    null,
    'The id that a new cluster takes; 22 characters of base64. A random one is made without it.',
  ),
  'inter.broker.protocol.version': string(
    '3.9-IV0',
    'The version of Kafka whose protocol this broker speaks; consoles read it.',
  ),
} as const;

const zooKeeper = {
  'zookeeper.connect': string(
    null,
    "The ZooKeeper ensemble that holds the cluster's metadata: host:port pairs and an optional path. Without it, the broker keeps its own store.",
  ),
  'zookeeper.session.timeout.ms': int(
    18_000,
    'How long the ensemble may not hear of the broker before it counts as gone.',
    { check: atLeast(1) },
  ),
  'zookeeper.connection.timeout.ms': int(
    null,
    'How long the broker waits for the ensemble on start. Without it, zookeeper.session.timeout.ms counts.',
    { check: atLeast(1) },
  ),
  'zookeeper.max.in.flight.requests': int(10, 'How many requests to ZooKeeper may be under way at a time.', {
    check: atLeast(1),
  }),
  'zookeeper.set.acl': boolean(
    false,
    'Whether only brokers may change what brokers write to ZooKeeper. They need a login there, or a certificate.',
  ),
  'zookeeper.ssl.client.enable': boolean(false, 'Whether connections to ZooKeeper use TLS.'),
  'zookeeper.ssl.enabled.protocols': list(null, 'The versions of TLS towards ZooKeeper. Default: TLSv1.2 and TLSv1.3.'),
  'zookeeper.ssl.endpoint.identification.algorithm': string(
    'HTTPS',
    "Whether a ZooKeeper server's certificate must name its host; empty: it need not.",
  ),
  'zookeeper.ssl.keystore.location': string(
    null,
    'The file with key and certificate that are shown to ZooKeeper: PEM, PKCS12 or JKS.',
  ),
  'zookeeper.ssl.keystore.password': password(null, 'The password of that file.'),
  'zookeeper.ssl.keystore.type': string(null, 'PEM, PKCS12 or JKS. Default: what is in the file.'),
  'zookeeper.ssl.truststore.location': string(
    null,
    "The file with the certificates that ZooKeeper's are signed by: PEM, PKCS12 or JKS. Default: the system's.",
  ),
  'zookeeper.ssl.truststore.password': password(null, 'The password of that file.'),
  'zookeeper.ssl.truststore.type': string(null, 'PEM, PKCS12 or JKS. Default: what is in the file.'),
} as const;

const network = {
  listeners: list(
    ['PLAINTEXT://:9092'],
    'Where the broker listens: NAME://host:port, separated by commas. An empty host or 0.0.0.0 means every interface.',
    AS_TEXT,
  ),
  'advertised.listeners': list(
    null,
    'What clients are told to connect to, where that differs from listeners.',
    AS_TEXT,
  ),
  'listener.security.protocol.map': list(
    ['SASL_SSL:SASL_SSL', 'PLAINTEXT:PLAINTEXT', 'SSL:SSL', 'SASL_PLAINTEXT:SASL_PLAINTEXT'],
    'Which security protocol each listener name stands for.',
    AS_TEXT,
  ),
  'inter.broker.listener.name': string(
    null,
    'The listener that brokers use among themselves. Without it, the one of security.inter.broker.protocol.',
  ),
  'security.inter.broker.protocol': string(
    'PLAINTEXT',
    'The security protocol that brokers use among themselves where no listener is named.',
    {
      check: oneOf('PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'),
    },
  ),
  'socket.request.max.bytes': int(
    104_857_600,
    'The largest request that is read; a connection that announces a larger one is closed.',
    { check: atLeast(1) },
  ),
  'socket.send.buffer.bytes': int(102_400, "The size of a socket's send buffer; -1 leaves it to the system."),
  'socket.receive.buffer.bytes': int(102_400, "The size of a socket's receive buffer; -1 leaves it to the system."),
  // Kafka's default is 50. Beyond the backlog, a connect waits a second for its second try, and one thread does all here.
  'socket.listen.backlog.size': int(511, 'How many connections may wait to be accepted.', { check: atLeast(1) }),
  'connections.max.idle.ms': long(600_000, 'A connection on which nothing has moved for this long is closed.'),
  'max.connections': int(INT_MAX, 'How many connections the broker accepts in all.', { check: atLeast(0), ...WIDE }),
  'max.connection.creation.rate': int(
    INT_MAX,
    'How many new connections the broker accepts a second; ten times as many may come at once.',
    { check: atLeast(0), ...WIDE },
  ),
  'max.connections.per.ip': int(INT_MAX, 'How many connections the broker accepts from one address.', {
    check: atLeast(0),
    ...WIDE,
  }),
  'max.connections.per.ip.overrides': string(
    '',
    'Exceptions from max.connections.per.ip: host:count pairs, separated by commas.',
    WIDE,
  ),
  'queued.max.requests': int(500, 'How many requests may be under way before no more are read.', { check: atLeast(1) }),
  'queued.max.request.bytes': long(
    -1,
    'How many bytes of requests may be under way before no more are read; -1 leaves it to the broker.',
  ),
  'num.network.threads': int(3, 'Kept for compatibility: one thread serves all connections.', {
    check: atLeast(1),
    ...WIDE,
  }),
  'num.io.threads': int(8, 'The most threads that read and write segments.', { check: atLeast(1), ...WIDE }),
  'background.threads': int(10, 'The most threads for background work.', { check: atLeast(1), ...WIDE }),
  'request.timeout.ms': int(30_000, 'How long the broker waits for the answer of another broker.', {
    check: atLeast(0),
  }),
  'ssl.keystore.type': string('JKS', 'The format of the key and certificate.'),
  'ssl.keystore.location': string(null, "The file that holds the broker's private key and certificate chain."),
  'ssl.keystore.password': password(null, 'The password of the keystore.'),
  'ssl.keystore.key': password(null, "The broker's private key, in PEM."),
  'ssl.keystore.certificate.chain': password(null, "The broker's certificate chain, in PEM."),
  'ssl.key.password': password(null, 'The password of the private key.'),
  'ssl.truststore.type': string('JKS', 'The format of the trusted certificates.'),
  'ssl.truststore.location': string(null, 'The file that holds the trusted certificates.'),
  'ssl.truststore.password': password(null, 'The password of the truststore.'),
  'ssl.truststore.certificates': password(null, 'The trusted certificates, in PEM.'),
  'ssl.allow.dn.changes': boolean(
    false,
    'Whether a certificate that takes the place of another while the broker runs may have another subject.',
  ),
  'ssl.allow.san.changes': boolean(
    false,
    'Whether a certificate that takes the place of another while the broker runs may lack some of its alternative names.',
  ),
  'ssl.client.auth': string('none', 'Whether clients must show a certificate.', {
    check: oneOf('required', 'requested', 'none'),
  }),
  'sasl.enabled.mechanisms': list(['GSSAPI'], 'The SASL mechanisms that clients may use.'),
  'sasl.mechanism.inter.broker.protocol': string('GSSAPI', 'The SASL mechanism that brokers use among themselves.'),
  'sasl.jaas.config': password(
    null,
    'The login of the broker and, for PLAIN, of its clients, in the format of JAAS files.',
  ),
} as const;

const rights = {
  'authorizer.class.name': string(
    '',
    'Who decides what clients may do: kafka.security.authorizer.AclAuthorizer, or StandardAuthorizer of newer files, which is the same here. Empty: everybody may everything.',
  ),
  'super.users': string(
    '',
    'Principals that may everything, with semicolons between: User:admin;User:CN=broker,O=example.',
    {
      isInternal: true,
    },
  ),
  'allow.everyone.if.no.acl.found': boolean(false, 'Whether what no access rule is about is open to everybody.', {
    isInternal: true,
  }),
} as const;

const fetching = {
  'fetch.max.bytes': int(57_671_680, 'The most bytes in the answer to one Fetch request.', { check: atLeast(1024) }),
  'max.incremental.fetch.session.cache.slots': int(1000, 'How many fetch sessions are kept.', { check: atLeast(0) }),
  'fetch.purgatory.purge.interval.requests': int(1000, 'Kept for compatibility.'),
  'producer.purgatory.purge.interval.requests': int(1000, 'Kept for compatibility.'),
} as const;

const storedPasswords = {
  'password.encoder.secret': password(
    null,
    'What passwords and keys of listeners that are set while the broker runs are encoded with in the metadata store.',
  ),
  'password.encoder.old.secret': password(
    null,
    'The former secret: what it encodes is encoded anew when the broker starts.',
  ),
  'password.encoder.keyfactory.algorithm': string(null, 'How the key is derived from the secret: PBKDF2 with a hash.'),
  'password.encoder.cipher.algorithm': string('AES/CBC/PKCS5Padding', 'What passwords are encrypted with.'),
  'password.encoder.key.length': int(128, 'The bits of the key.', { check: atLeast(8) }),
  'password.encoder.iterations': int(4096, 'How often the hash is taken to derive the key.', { check: atLeast(1024) }),
} as const;

const delegationTokens = {
  'delegation.token.secret.key': password(
    null,
    'What the secrets of delegation tokens are made of, the same at all brokers. Without it there are none.',
  ),
  'delegation.token.master.key': password(null, 'The former name of delegation.token.secret.key.'),
  'delegation.token.max.lifetime.ms': long(604_800_000, 'A token cannot be renewed beyond this.', {
    check: atLeast(1),
  }),
  'delegation.token.expiry.time.ms': long(86_400_000, 'A token ends after this unless somebody renews it.', {
    check: atLeast(1),
  }),
  'delegation.token.expiry.check.interval.ms': long(3_600_000, 'How often tokens that have ended are removed.', {
    check: atLeast(1),
  }),
} as const;

const quotas = {
  'quota.window.num': int(11, 'Over how many windows the use of clients is taken that have quotas.', {
    check: atLeast(1),
  }),
  'quota.window.size.seconds': int(1, 'How long such a window is.', { check: atLeast(1) }),
  'controller.quota.window.num': int(
    11,
    'For how many windows clients may save up partitions that they may make and delete.',
    { check: atLeast(1) },
  ),
  'controller.quota.window.size.seconds': int(1, 'How long such a window is.', { check: atLeast(1) }),
} as const;

const replication = {
  'replica.lag.time.max.ms': long(
    30_000,
    'A follower that has not caught up for this long leaves the in-sync replicas.',
  ),
  'replica.fetch.max.bytes': int(1_048_576, 'The bytes that a follower asks for per partition.', { check: atLeast(0) }),
  'replication.quota.window.num': int(11, 'Over how many windows the rate of throttled replication is taken.', {
    check: atLeast(1),
  }),
  'replication.quota.window.size.seconds': int(1, 'How long such a window is.', { check: atLeast(1) }),
  'leader.replication.throttled.rate': long(
    Number.POSITIVE_INFINITY,
    'Bytes a second that throttled replicas may have of this broker, as far as they are not in sync.',
    THROTTLED,
  ),
  'follower.replication.throttled.rate': long(
    Number.POSITIVE_INFINITY,
    'Bytes a second that this broker may fetch for throttled replicas, as far as these are not in sync.',
    THROTTLED,
  ),
  'replica.alter.log.dirs.io.max.bytes.per.second': long(
    Number.POSITIVE_INFINITY,
    'Bytes a second at which logs are copied from one log directory to another.',
    THROTTLED,
  ),
  'replica.selector.class': string(
    null,
    'Where consumers are sent that say which rack they are in: org.apache.kafka.common.replica.RackAwareReplicaSelector sends them to a replica there. Without it, to the leader.',
    { check: replicaSelector },
  ),
  'replica.socket.timeout.ms': int(30_000, 'How long a follower waits for the answer to a fetch.', {
    check: atLeast(1),
  }),
  'replica.fetch.wait.max.ms': int(500, "How long a follower's fetch may wait for data."),
  'replica.fetch.min.bytes': int(1, "The bytes that a follower's fetch waits for."),
  'replica.fetch.response.max.bytes': int(10_485_760, 'The bytes that a follower asks for in all.', {
    check: atLeast(0),
  }),
  'replica.fetch.backoff.ms': int(1000, 'How long a follower waits after a failed fetch.', { check: atLeast(0) }),
  'replica.high.watermark.checkpoint.interval.ms': long(5000, 'How often high watermarks are noted on disk.'),
  'num.replica.fetchers': int(1, 'How many fetches a follower has under way to one leader.', WIDE),
  'controller.socket.timeout.ms': int(30_000, "How long the controller waits for a broker's answer."),
  'auto.leader.rebalance.enable': boolean(true, 'Whether leadership goes back to preferred replicas by itself.'),
  'leader.imbalance.per.broker.percentage': int(
    10,
    'The share of partitions not led by their preferred replica that is put up with.',
  ),
  'leader.imbalance.check.interval.seconds': long(300, 'How often leadership is looked over.', { check: atLeast(1) }),
  'controlled.shutdown.enable': boolean(true, 'Whether a broker hands its partitions over before it stops.'),
  'controlled.shutdown.max.retries': int(
    3,
    'How often a broker tries to hand its partitions over; with 0 it does not.',
  ),
  'controlled.shutdown.retry.backoff.ms': long(
    5000,
    'The longest that a broker waits between these attempts; the first pauses are shorter: 100 ms, then 2 s.',
  ),
} as const;

const groups = {
  'group.min.session.timeout.ms': int(6000, 'The shortest session timeout that a member may ask for.'),
  'group.max.session.timeout.ms': int(1_800_000, 'The longest session timeout that a member may ask for.'),
  'group.initial.rebalance.delay.ms': int(
    3000,
    'How long the first rebalance of an empty group waits for more members.',
  ),
  'group.max.size': int(INT_MAX, 'The most members that a group may have.', { check: atLeast(1) }),
  'offset.metadata.max.bytes': int(4096, 'The longest text that may go with a committed offset.'),
  'offsets.load.buffer.size': int(5_242_880, 'Bytes read at a time when committed offsets are loaded.', {
    check: atLeast(1),
  }),
  'offsets.topic.replication.factor': short(
    3,
    'The replicas of __consumer_offsets; no more than there are brokers are made.',
    { check: atLeast(1) },
  ),
  'offsets.topic.num.partitions': int(50, 'The partitions of __consumer_offsets.', { check: atLeast(1) }),
  'offsets.topic.segment.bytes': int(104_857_600, 'The segment size of __consumer_offsets.', { check: atLeast(1) }),
  'offsets.topic.compression.codec': int(
    0,
    'The codec of __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.',
    { check: between(0, 4) },
  ),
  'offsets.retention.minutes': int(10_080, 'How long offsets are kept after a group is empty or has unsubscribed.', {
    check: atLeast(1),
  }),
  'offsets.retention.check.interval.ms': long(600_000, 'How often the broker looks for offsets to drop.', {
    check: atLeast(1),
  }),
  'offsets.commit.timeout.ms': int(5000, 'How long a commit waits for its replicas.', { check: atLeast(1) }),
} as const;

const transactions = {
  'transactional.id.expiration.ms': int(7 * DAY_MS, 'How long a transactional id that is not used is remembered.', {
    check: atLeast(1),
  }),
  'transaction.max.timeout.ms': int(900_000, 'The longest transaction timeout that a producer may ask for.', {
    check: atLeast(1),
  }),
  'transaction.state.log.min.isr': int(2, 'min.insync.replicas of __transaction_state.', { check: atLeast(1) }),
  'transaction.state.log.load.buffer.size': int(5_242_880, 'Bytes read at a time when transactions are loaded.', {
    check: atLeast(1),
  }),
  'transaction.state.log.replication.factor': short(
    3,
    'The replicas of __transaction_state; no more than there are brokers are made.',
    { check: atLeast(1) },
  ),
  'transaction.state.log.num.partitions': int(50, 'The partitions of __transaction_state.', { check: atLeast(1) }),
  'transaction.state.log.segment.bytes': int(104_857_600, 'The segment size of __transaction_state.', {
    check: atLeast(1),
  }),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': int(
    10_000,
    'How often the broker looks for transactions that took too long. Each is aborted when its timeout is over; this finds those whose abort failed.',
    { check: atLeast(1) },
  ),
  'transaction.remove.expired.transaction.cleanup.interval.ms': int(
    HOUR_MS,
    'How often the broker looks for transactional ids to forget.',
    { check: atLeast(1) },
  ),
  'transaction.partition.verification.enable': boolean(
    true,
    'Whether the coordinator is asked before the first records of a transaction are written. What comes late begins one that hangs otherwise.',
    WIDE,
  ),
  'producer.id.expiration.ms': int(DAY_MS, 'How long the state of a producer that writes no more is kept.', {
    check: atLeast(1),
    ...WIDE,
  }),
  'producer.id.expiration.check.interval.ms': int(600_000, 'How often the broker looks for producer state to drop.', {
    check: atLeast(1),
    isInternal: true,
  }),
} as const;

/**
 * The configs of a broker: the names of Kafka 3.9's `server.properties` that mean something here. Some that Kafka can change
 * while it runs are read-only here, because nothing would take the change up; what DescribeConfigs says is what holds.
 */
export const brokerDefinitions = {
  ...identity,
  ...zooKeeper,
  ...network,
  ...rights,
  ...logDefinitions,
  ...fetching,
  ...storedPasswords,
  ...delegationTokens,
  ...quotas,
  ...replication,
  ...groups,
  ...transactions,
} as const;

/** All configs of a broker: those that mean something here, and those that are kept. */
export const brokerConfigTable: ConfigTable = { ...keptDefinitions, ...brokerDefinitions };

/** Typed values of the broker configs that mean something here. */
export type BrokerConfigValues = ConfigValues<typeof brokerDefinitions>;
