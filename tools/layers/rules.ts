/**
 * The map of ARCHITECTURE.md as data: which room may import which, what no room but one may touch, and why. The check
 * prints the reason beside each finding, so whoever breaks a rule learns what it protects.
 */

/** A room: a workspace package with its folder. */
export interface Room {
  readonly folder: string;
  /** The rooms it may import; what those may import, it may import too. */
  readonly imports: readonly string[];
  readonly why: string;
  /** Rooms that its tests may import beside those. */
  readonly testsImport?: readonly string[];
}

export const rooms: Readonly<Record<string, Room>> = {
  '@millrace/ports': {
    folder: 'packages/ports',
    imports: [],
    why: 'the ports say what the core needs of the world, so they depend on nobody',
  },
  '@millrace/protocol': {
    folder: 'packages/protocol',
    imports: [],
    why: 'the codec is pure: bytes in, values out, usable by anybody',
  },
  '@millrace/records': {
    folder: 'packages/records',
    imports: [],
    why: 'a record batch is a format; it knows no sockets and no files',
  },
  '@millrace/network': {
    folder: 'packages/network',
    imports: ['@millrace/ports', '@millrace/protocol'],
    why: 'a connection carries frames; what is in them is for those above',
  },
  '@millrace/log': {
    folder: 'packages/log',
    imports: ['@millrace/ports', '@millrace/records', '@millrace/protocol'],
    why: 'the log knows no sockets; of the protocol it knows the error codes that it answers with',
  },
  '@millrace/workers': {
    folder: 'packages/workers',
    imports: ['@millrace/log', '@millrace/records', '@millrace/ports'],
    why: 'the pool implements ports for the log; it knows nothing of brokers',
  },
  '@millrace/metadata': {
    folder: 'packages/metadata',
    imports: ['@millrace/ports'],
    why: 'the metadata store is a tree with watches, whatever is kept in it',
  },
  '@millrace/zookeeper': {
    folder: 'packages/zookeeper',
    imports: ['@millrace/metadata', '@millrace/ports'],
    why: 'an engine of the metadata store, and the protocol that it speaks; it knows nothing of Kafka',
  },
  '@millrace/broker': {
    folder: 'packages/broker',
    imports: ['@millrace/network', '@millrace/records', '@millrace/log', '@millrace/metadata', '@millrace/ports'],
    why: 'the broker never stands on the client SDKs, or a change for users would change the server',
  },
  '@millrace/client': {
    folder: 'packages/client',
    imports: ['@millrace/network', '@millrace/ports', '@millrace/protocol'],
    why: 'a client must work against any broker, so it may know none',
  },
  '@millrace/producer': {
    folder: 'packages/producer',
    imports: ['@millrace/client', '@millrace/records', '@millrace/serdes'],
    why: 'producer, consumer and admin never import each other: a user installs only what he needs',
  },
  '@millrace/consumer': {
    folder: 'packages/consumer',
    imports: ['@millrace/client', '@millrace/records', '@millrace/serdes'],
    why: 'producer, consumer and admin never import each other: a user installs only what he needs',
  },
  '@millrace/admin': {
    folder: 'packages/admin',
    imports: ['@millrace/client'],
    why: 'producer, consumer and admin never import each other: a user installs only what he needs',
  },
  '@millrace/serdes': {
    folder: 'packages/serdes',
    imports: [],
    why: 'serialisers are functions over bytes; the SDKs take them as arguments',
  },
  '@millrace/testing': {
    folder: 'packages/testing',
    imports: ['@millrace/broker', '@millrace/log', '@millrace/metadata'],
    why: 'the broker for tests is the broker; any client may connect to it, so it brings none',
  },
  '@millrace/broker-app': {
    folder: 'apps/broker',
    imports: ['@millrace/broker', '@millrace/workers', '@millrace/metadata', '@millrace/zookeeper'],
    why: 'the process puts the core together with the world; it speaks to no broker as a client',
  },
  '@millrace/console': {
    folder: 'apps/console',
    imports: ['@millrace/admin', '@millrace/producer', '@millrace/consumer'],
    why: 'the console sees a cluster as any client does, so that it works with every cluster',
    testsImport: ['@millrace/testing'],
  },
  millrace: {
    folder: 'apps/cli',
    imports: [
      '@millrace/admin',
      '@millrace/producer',
      '@millrace/consumer',
      '@millrace/serdes',
      '@millrace/broker-app',
      '@millrace/console',
    ],
    why: 'the command line stands on everything, and nothing stands on it',
    testsImport: ['@millrace/testing'],
  },
};

/** A floor: a folder of a package. What lies beside the floors stands on all of them. */
export interface Floor {
  /** The floors it may import; what those may import, it may import too. */
  readonly imports: readonly string[];
  readonly why: string;
}

/** The floors within packages that are too large to do without, by the package's source folder. */
export const floors: Readonly<Record<string, Readonly<Record<string, Floor>>>> = {
  'packages/broker/src': {
    shared: { imports: [], why: 'timers, refusals, ids and log lines know nobody' },
    cluster: { imports: ['shared'], why: 'the image of the cluster is what everybody reads, whoever writes it' },
    store: { imports: ['cluster'], why: "the store's paths and formats are Kafka's, whatever is done with them" },
    config: { imports: ['store'], why: 'settings are read by everybody and decide nothing' },
    security: {
      imports: ['config'],
      why: 'who may do what and who is who is asked by all above, and asks none of them',
    },
    quotas: { imports: ['store'], why: 'what clients may use is counted here; who has them rest stands above' },
    'fetch-sessions': { imports: ['shared'], why: 'a session knows what a client asked for, not where it lies' },
    replicas: {
      imports: ['config', 'fetch-sessions'],
      why: 'replicas do what the controller tells them; they must not know who tells them',
    },
    coordinators: { imports: ['replicas'], why: 'what groups and transactions have in common knows neither' },
    groups: { imports: ['coordinators'], why: 'groups stand on a log; of handlers and controllers they know nothing' },
    transactions: {
      imports: ['groups'],
      why: 'transactions end offsets of groups; of handlers and controllers they know nothing',
    },
    admin: {
      imports: ['config', 'quotas'],
      why: "an admin's writes go into the store, where the controller finds them",
    },
    controller: {
      imports: ['store'],
      why: 'the controller works on the store and tells brokers through a port, its own broker too',
    },
    commands: {
      imports: ['replicas'],
      why: 'what the controller tells a broker is carried out below, and coordinators hear of it through a port',
    },
    handlers: {
      imports: ['transactions', 'admin', 'controller', 'commands', 'security', 'quotas'],
      why: 'handlers translate requests; nothing below may depend on how they are spelled',
    },
  },
};

/**
 * Files outside tests that may import a `testing/` folder, each with the reason. All others may not: what only tests need is neither
 * shipped nor measured as what the program is.
 */
export const supportExceptions: readonly { from: string; why: string }[] = [
  { from: 'packages/metadata/src/internal.ts', why: 'the simulator loses connections to the store with it' },
  {
    from: 'packages/zookeeper/src/internal.ts',
    why: 'the simulator runs the protocol over connections that it can cut',
  },
];

/** Folders that nothing outside them may import, each with the reason. */
export const roofs: Readonly<Record<string, string>> = {
  'apps/': 'an application is where the imports end; share code by moving it to a package',
  'tools/': 'tools help to develop and are not shipped',
  'bench/': 'benchmarks measure the packages; nothing may depend on them',
};

/** Imports across the roofs that are wanted, each with the reason. */
export const roofExceptions: readonly { from: string; to: string; why: string }[] = [
  { from: 'apps/cli/', to: 'apps/broker', why: '`millrace start` is the broker process' },
  { from: 'apps/cli/', to: 'apps/console', why: '`millrace console` is the console, and `millrace start` serves it' },
  { from: 'tools/', to: 'apps/', why: 'tools run the real thing' },
  { from: 'bench/', to: 'apps/', why: 'benches run the real thing' },
  {
    from: 'tools/codegen/',
    to: 'packages/protocol/definitions',
    why: 'the generator reads the definitions, which no build ships',
  },
  {
    from: 'tools/faults/hostile/',
    to: 'packages/protocol/definitions',
    why: 'every array of every request is attacked, and the definitions say which there are',
  },
  {
    from: 'packages/testing/src/error-answers.test.ts',
    to: 'packages/protocol/definitions',
    why: 'an answer is held against any request of every API, and the definitions say what there can be in one',
  },
  {
    from: 'tools/security/compare/',
    to: 'packages/broker/src/testing',
    why: 'a running Kafka is asked what the tests ask of our handlers',
  },
  { from: 'bench/', to: 'tools/', why: 'benches start Apache Kafka with the launcher in tools/kafka' },
  { from: '*/tsup.config.ts', to: 'tools/build', why: 'every package builds in one way' },
];

/** A rule about what a group of rooms may touch of the world. Test files are exempt: a test may stand outside. */
export interface WorldRule {
  readonly name: string;
  readonly folders: readonly string[];
  /** Module specifiers, exact; `node:fs` covers `node:fs/promises` too. */
  readonly modules: readonly string[];
  /** Dotted names as they stand in code, such as `Date.now`; `new Date()` means without arguments. */
  readonly globals: readonly string[];
  readonly why: string;
  readonly exceptions: readonly { path: string; uses: string; why: string }[];
}

/** A member of other rooms' objects that a folder keeps its hands off. Test files are exempt. */
export interface MemberRule {
  readonly folders: readonly string[];
  readonly member: string;
  readonly why: string;
}

export const memberRules: readonly MemberRule[] = [
  {
    folders: ['packages/broker/src/handlers/'],
    member: 'log',
    why: 'a handler asks the partition, which knows what its role and its epoch make of its log',
  },
];

const files = ['node:fs', 'node:child_process', 'node:os'];
const sockets = ['node:net', 'node:tls', 'node:dgram', 'node:http', 'node:https', 'node:http2', 'node:dns'];
const threads = ['node:worker_threads', 'node:cluster', 'piscina'];
const timers = ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'];
const turns = ['setImmediate', 'queueMicrotask', 'process.nextTick'];
const clocks = ['Date.now', 'new Date()', 'performance.now', 'process.hrtime'];
const randomness = ['Math.random', 'crypto.randomUUID', 'crypto.getRandomValues'];

export const worldRules: readonly WorldRule[] = [
  {
    name: 'the core never touches the world',
    folders: ['packages/log/src/', 'packages/metadata/src/', 'packages/broker/src/'],
    modules: [...files, ...sockets, ...threads, 'node:timers', 'node:perf_hooks', 'node:process'],
    globals: [...timers, ...turns, ...clocks, ...randomness, 'process.env', 'process.on', 'process.exit'],
    why: 'it takes Clock, Random and Disk from @millrace/ports, so that a broker can run on simulated ones from one seed',
    exceptions: [
      { path: 'packages/metadata/src/conformance-scene.ts', uses: 'setImmediate', why: 'runs in tests alone' },
    ],
  },
  {
    name: 'timers are those of ports',
    folders: [
      'packages/ports/src/',
      'packages/network/src/',
      'packages/client/src/',
      'packages/producer/src/',
      'packages/consumer/src/',
      'packages/admin/src/',
      'packages/testing/src/',
    ],
    modules: ['node:timers', 'node:timers/promises'],
    globals: [...timers, ...turns, 'AbortSignal.timeout'],
    why: 'tests replace the global ones by timers that stand still, and a broker or client in their process with them',
    exceptions: [
      ...['node:timers', ...timers, ...turns].map((uses) => ({
        path: 'packages/ports/src/real-timers.ts',
        uses,
        why: 'keeps those that were there when it was loaded',
      })),
      { path: 'packages/network/src/testing/peers.ts', uses: 'setImmediate', why: 'runs in tests alone' },
    ],
  },
  {
    name: 'codecs are pure',
    folders: ['packages/protocol/src/', 'packages/records/src/', 'packages/serdes/src/'],
    modules: [...files, ...sockets, ...threads, 'node:timers', 'node:perf_hooks'],
    globals: [...timers, ...clocks, ...randomness],
    why: 'the same bytes give the same values, wherever and whenever they are decoded',
    exceptions: [],
  },
  {
    name: 'only the workers know threads',
    folders: ['packages/ports/src/', 'packages/network/src/', 'packages/client/src/', 'packages/producer/src/'],
    modules: threads,
    globals: [],
    why: 'a library that starts threads of its own surprises its users',
    exceptions: [],
  },
  {
    name: 'only the connection opens sockets',
    folders: ['packages/client/src/', 'packages/producer/src/', 'packages/consumer/src/', 'packages/admin/src/'],
    modules: [...sockets, ...files],
    globals: [],
    why: 'TLS, SASL, bounds and late answers are handled once, in packages/network',
    exceptions: [],
  },
];
