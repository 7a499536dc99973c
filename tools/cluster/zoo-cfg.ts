/**
 * What Confluent's image makes of `ZOOKEEPER_*`: it knows a fixed list of names and passes over every other, whatever ZooKeeper could be
 * told (confluentinc/kafka-images, zookeeper.properties.template and configure).
 */

/** Names behind `ZOOKEEPER_`, and what they are called in zoo.cfg. */
const PLAIN: Readonly<Record<string, string>> = {
  CLIENT_PORT: 'clientPort',
  CLIENT_PORT_ADDRESS: 'clientPortAddress',
  SECURE_CLIENT_PORT: 'secureClientPort',
  CLIENT_PORT_UNIFICATION: 'client.portUnification',
  TICK_TIME: 'tickTime',
  INIT_LIMIT: 'initLimit',
  SYNC_LIMIT: 'syncLimit',
  CNX_TIMEOUT: 'cnxTimeout',
  MIN_SESSION_TIMEOUT: 'minSessionTimeout',
  MAX_SESSION_TIMEOUT: 'maxSessionTimeout',
  MAX_CLIENT_CNXNS: 'maxClientCnxns',
  GLOBAL_OUTSTANDING_LIMIT: 'globalOutstandingLimit',
  PRE_ALLOC_SIZE: 'preAllocSize',
  SNAP_COUNT: 'snapCount',
  AUTOPURGE_SNAP_RETAIN_COUNT: 'autopurge.snapRetainCount',
  AUTOPURGE_PURGE_INTERVAL: 'autopurge.purgeInterval',
  FSYNC_WARNING_THRESHOLDMS: 'fsync.warningthresholdms',
  FORCE_SYNC: 'forceSync',
  SYNC_ENABLED: 'syncEnabled',
  LEADER_SERVES: 'leaderServes',
  ELECTION_ALG: 'electionAlg',
  QUORUM_LISTEN_ON_ALL_IPS: 'quorumListenOnAllIPs',
  TRACE_FILE: 'traceFile',
  JUTE_MAX_BUFFER: 'jute.maxbuffer',
  SKIP_ACL: 'skipACL',
  TCP_KEEP_ALIVE: 'tcpKeepAlive',
  CLIENT_CNXN_SOCKET: 'clientCnxnSocket',
  SERVER_CNXN_SOCKET: 'serverCnxnSocket',
  SERVER_CNXN_FACTORY: 'serverCnxnFactory',
  AUTH_PROVIDER_X509: 'authProvider.x509',
  AUTH_PROVIDER_SASL: 'authProvider.sasl',
  X509_AUTHENTICATION_PROVIDER_SUPER_USER: 'X509AuthenticationProvider.superUser',
  SSL_AUTH_PROVIDER: 'ssl.authProvider',
  SSL_QUORUM: 'sslQuorum',
  ADMIN_ENABLE_SERVER: 'admin.enableServer',
  ADMIN_SERVER_ADDRESS: 'admin.serverAddress',
  ADMIN_SERVER_PORT: 'admin.serverPort',
  ADMIN_IDLE_TIMEOUT: 'admin.idleTimeout',
  ADMIN_COMMAND_URL: 'admin.commandURL',
};

/** Names that there are behind `SSL_` for clients, and behind `SSL_QUORUM_` for the servers among themselves. */
const TLS: Readonly<Record<string, string>> = {
  CLIENT_AUTH: 'clientAuth',
  KEYSTORE_LOCATION: 'keyStore.location',
  KEYSTORE_PASSWORD: 'keyStore.password',
  KEYSTORE_TYPE: 'keyStore.type',
  TRUSTSTORE_LOCATION: 'trustStore.location',
  TRUSTSTORE_PASSWORD: 'trustStore.password',
  TRUSTSTORE_TYPE: 'trustStore.type',
  ENABLED_PROTOCOLS: 'enabledProtocols',
  CIPHER_SUITES: 'ciphersuites',
  CONTEXT_SUPPLIER_CLASS: 'context.supplier.class',
  HOSTNAME_VERIFICATION: 'hostnameVerification',
  CRL: 'crl',
  // The image spells it so.
  OCPS: 'ocsp',
  HANDSHAKE_DETECTION_TIMEOUT_MILLIS: 'handshakeDetectionTimeoutMillis',
};

const SETTINGS: ReadonlyMap<string, string> = new Map([
  ...Object.entries(PLAIN),
  ...Object.entries(TLS).flatMap(([name, setting]) => [
    [`SSL_${name}`, `ssl.${setting}`] as const,
    [`SSL_QUORUM_${name}`, `ssl.quorum.${setting}`] as const,
  ]),
]);

/** Lists divided by semicolons, whose entries are numbered from 1. */
const NUMBERED: Readonly<Record<string, string>> = { SERVERS: 'server', GROUPS: 'group', WEIGHTS: 'weight' };

/** What the image uses otherwise: the server's number goes into a file of its own, the others steer its log. */
const NO_LINES = new Set(['SERVER_ID', 'LOG4J_ROOT_LOGLEVEL', 'LOG4J_LOGGERS', 'TOOLS_LOG4J_LOGLEVEL']);

/** Where servers are named and nothing else is said. */
const LIMITS = { initLimit: '10', syncLimit: '5' };

/** What a service's environment comes to. */
export interface ZooCfg {
  readonly settings: ReadonlyMap<string, string>;
  /** `server.1=...` and their like. */
  readonly numbered: readonly string[];
  /** Variables that the image passes over. */
  readonly ignored: readonly string[];
}

export function zooCfgOf(environment: Readonly<Record<string, string>>): ZooCfg {
  const settings = new Map<string, string>();
  const numbered: string[] = [];
  const ignored: string[] = [];
  for (const [variable, value] of Object.entries(environment)) {
    const [, name = ''] = /^ZOOKEEPER_(.*)$/.exec(variable) ?? [];
    if (name === '' || NO_LINES.has(name)) continue;
    const [setting, list] = [SETTINGS.get(name), Object.hasOwn(NUMBERED, name) ? NUMBERED[name] : undefined];
    if (setting !== undefined) settings.set(setting, value);
    else if (list === undefined) ignored.push(variable);
    else if (value !== '') numbered.push(...value.split(';').map((each, index) => `${list}.${index + 1}=${each}`));
  }
  if (numbered.some((line) => line.startsWith('server.'))) {
    for (const [setting, value] of Object.entries(LIMITS)) {
      if ((settings.get(setting) ?? '') === '') settings.set(setting, value);
    }
  }
  return { settings, numbered, ignored };
}
