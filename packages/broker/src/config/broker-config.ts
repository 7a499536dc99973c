import { normalize } from 'node:path/posix';
import { nearestName } from '@millrace/ports';
import { interBrokerVersions } from '../cluster/inter-broker-versions.ts';
import { type BrokerConfigValues, brokerConfigTable } from './broker-definitions.ts';
import { type ConnectionLimitSettings, connectionLimitsOf } from './connection-limits.ts';
import { type ConfigValue, camelCase } from './definition.ts';
import { idleSettings, unhonouredSettings } from './idle-settings.ts';
import { isUnusedKafkaName } from './known-names.ts';
import { readKraft } from './kraft.ts';
import { isListenerSetting, type ListenerSecurity, securityOfListeners } from './listener-security.ts';
import { type ListenerEndpoint, parseListeners, parseProtocolMap, sharedPortFault } from './listeners.ts';
import { DEFAULT_KEY_FACTORY, encoderFault } from './password-encoder.ts';
import { isSafetySetting, refusalOf } from './refused-settings.ts';
import { type ConfigProperties, topicDefaults } from './topic-config.ts';
import type { TopicConfigValues } from './topic-definitions.ts';
import { unsafeSettings } from './unsafe-settings.ts';
import { parseConfigValue } from './values.ts';

/** What is derived from several settings, or takes the place of one that may be unset. */
interface DerivedConfig {
  /** `broker.id`, else `node.id`. */
  readonly brokerId: number;
  /** `log.dirs`, else `log.dir`. */
  readonly logDirs: readonly string[];
  /** `listeners`, read. */
  readonly endpoints: readonly ListenerEndpoint[];
  /** `advertised.listeners`, read; else `listeners` with a host name where they mean every interface. */
  readonly advertisedEndpoints: readonly ListenerEndpoint[];
  /** `inter.broker.listener.name`, else the listener of `security.inter.broker.protocol`. */
  readonly interBrokerListenerName: string;
  /** How many connections listeners and addresses may have of their own. */
  readonly connectionLimits: ConnectionLimitSettings;
  /** How each listener is secured, by its name. */
  readonly listenerSecurity: ReadonlyMap<string, ListenerSecurity>;
  /** The values of topics on which nothing is set. */
  readonly topicDefaults: TopicConfigValues;
  /** The settings as they were given, without those that are passed over. */
  readonly properties: ConfigProperties;
  /** What clients are told to connect to where a listener stands for every interface. */
  readonly hostName: string;
}

/** A broker's settings in typed form: every name of `server.properties` in camel case, and what is derived from them. */
export type BrokerConfig = Omit<BrokerConfigValues, keyof DerivedConfig> & DerivedConfig;

/** A setting that cannot be used. */
export interface ConfigProblem {
  readonly code: 'INVALID_CONFIG';
  readonly name: string;
  readonly message: string;
}

/** A setting that is passed over, or lets more happen than whoever set it may know. */
export interface ConfigWarning {
  readonly code: 'UNKNOWN_CONFIG' | 'UNUSED_CONFIG' | 'UNSAFE_CONFIG';
  readonly name: string;
  readonly message: string;
}

/** What came of reading a broker's settings. */
export interface ParsedBrokerConfig {
  /** Complete in any case: what has a problem has its default. */
  readonly config: BrokerConfig;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigWarning[];
}

/** How {@link parseBrokerConfig} fills in what settings leave open. */
export interface ParseBrokerConfigOptions {
  /** What clients are told to connect to where a listener stands for every interface. Default `localhost`. */
  readonly hostName?: string;
}

/** Names of all broker configs, in alphabetical order. */
export const brokerConfigNames: readonly string[] = Object.keys(brokerConfigTable).sort();

/**
 * Reads a broker's settings by Kafka's names. Never throws: what is wrong is in `problems` (the broker should not start), what
 * is passed over, or is not safe, in `warnings`.
 *
 * ```ts
 * const { config, problems } = parseBrokerConfig({ 'log.dirs': '/data', 'log.retention.hours': '24' });
 * config.topicDefaults.retentionMs; // 86400000
 * ```
 */
export function parseBrokerConfig(
  properties: ConfigProperties,
  options: ParseBrokerConfigOptions = {},
): ParsedBrokerConfig {
  const problems: ConfigProblem[] = [];
  const warnings: ConfigWarning[] = [];
  const report = (name: string, message: string): void => void problems.push({ code: 'INVALID_CONFIG', name, message });
  const values: Record<string, ConfigValue | null> = {};
  const known: Record<string, string> = {};
  for (const name of brokerConfigNames) values[name] = brokerConfigTable[name]?.defaultValue ?? null;
  const kraft = readKraft(properties);
  for (const { name, message } of kraft.faults) report(name, message);
  for (const [name, text] of Object.entries(kraft.properties)) {
    const refusal = refusalOf(name, text);
    if (refusal !== undefined) report(name, refusal);
    const definition = Object.hasOwn(brokerConfigTable, name) ? brokerConfigTable[name] : undefined;
    if (definition === undefined) {
      // Kept, for what is set while the broker runs is read together with them; nothing describes them.
      if (isListenerSetting(name)) {
        known[name] = text;
        continue;
      }
      if (refusal === undefined) lookAtUnknown(name, report, warnings);
      continue;
    }
    const parsed = parseConfigValue(name, definition, text);
    if ('fault' in parsed) {
      report(name, parsed.fault);
    } else {
      values[name] = parsed.value;
      known[name] = text;
    }
  }
  const config = complete(values, known, options.hostName ?? 'localhost', report);
  const surroundings = { endpoints: config.endpoints, usesZooKeeper: Boolean(config.zookeeperConnect) };
  // Beside what else keeps the broker from starting they would only be noise.
  const unhonoured = problems.length > 0 ? [] : unhonouredSettings(known, surroundings);
  for (const { name, message } of unhonoured) report(name, message);
  const idle = problems.length > 0 ? [] : idleSettings(known, surroundings);
  warnings.push(...idle.map((each) => ({ code: 'UNUSED_CONFIG' as const, ...each })));
  const unsafe = problems.length > 0 ? [] : unsafeSettings(config);
  warnings.push(...unsafe.map((each) => ({ code: 'UNSAFE_CONFIG' as const, ...each })));
  return { config, problems, warnings };
}

type Report = (name: string, message: string) => void;

function complete(
  values: Readonly<Record<string, ConfigValue | null>>,
  properties: ConfigProperties,
  hostName: string,
  report: Report,
): BrokerConfig {
  const typed = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [camelCase(name), value]),
  ) as unknown as BrokerConfigValues;
  const listeners = listenersOf(typed, hostName, report);
  const derived: DerivedConfig = {
    brokerId: typed.brokerId >= 0 ? typed.brokerId : typed.nodeId,
    logDirs: typed.logDirs ?? [typed.logDir],
    topicDefaults: topicDefaults((name) => values[name]),
    properties,
    hostName,
    connectionLimits: connectionLimitsOf(properties, listeners.endpoints, report),
    listenerSecurity: securityOfListeners(properties, listeners.endpoints, report),
    ...listeners,
  };
  if (listeners.endpoints.length > 0) checkInterBrokerProtocol(typed, properties, listeners.endpoints, report);
  const config = { ...typed, ...derived };
  checkTogether(config, report);
  return config;
}

function listenersOf(
  values: BrokerConfigValues,
  hostName: string,
  report: Report,
): Pick<DerivedConfig, 'endpoints' | 'advertisedEndpoints' | 'interBrokerListenerName'> {
  const { protocols, faults } = parseProtocolMap(values.listenerSecurityProtocolMap);
  for (const fault of faults) report('listener.security.protocol.map', fault);
  const own = parseListeners('listeners', values.listeners, protocols);
  for (const fault of own.faults) report('listeners', fault);
  const shared = sharedPortFault('listeners', own.endpoints);
  if (shared !== undefined) report('listeners', shared);
  const given = parseListeners('advertised.listeners', values.advertisedListeners ?? [], protocols);
  for (const fault of given.faults) report('advertised.listeners', fault);
  const names = new Set(own.endpoints.map((endpoint) => endpoint.name));
  // What goes wrong with the listeners themselves is told alone: the rest follows from it.
  const isReadable = faults.length === 0 && own.faults.length === 0;
  for (const { name, host } of given.endpoints) {
    if (isReadable && !names.has(name)) {
      report(
        'advertised.listeners',
        `advertised.listeners listener names must be equal to or a subset of the ones defined in listeners: ${name} is not there`,
      );
    }
    if (host === '0.0.0.0') {
      report(
        'advertised.listeners',
        'advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.',
      );
    }
  }
  const advertised = values.advertisedListeners === null ? own.endpoints : given.endpoints;
  const reachable = advertised.map((endpoint) => ({
    ...endpoint,
    host: isEveryInterface(endpoint.host) ? hostName : endpoint.host,
  }));
  return {
    endpoints: own.endpoints,
    advertisedEndpoints: reachable,
    interBrokerListenerName: interBrokerListener(values, own.endpoints, advertised, isReadable ? report : () => {}),
  };
}

function isEveryInterface(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::';
}

/** Who says how brokers speak to each other does not mean: or otherwise, where there is no such listener. */
function checkInterBrokerProtocol(
  { securityInterBrokerProtocol: protocol }: BrokerConfigValues,
  properties: ConfigProperties,
  endpoints: readonly ListenerEndpoint[],
  report: Report,
): void {
  const name = 'security.inter.broker.protocol';
  if (properties[name] === undefined) return;
  if (properties['inter.broker.listener.name'] !== undefined) {
    report(name, `Only one of inter.broker.listener.name and ${name} should be set.`);
  } else if (!endpoints.some((endpoint) => endpoint.securityProtocol === protocol)) {
    report(
      name,
      `${name}=${protocol} is not honoured: there is no such listener. Set listeners to have one, or remove it.`,
    );
  }
}

function interBrokerListener(
  values: BrokerConfigValues,
  endpoints: readonly ListenerEndpoint[],
  advertised: readonly ListenerEndpoint[],
  report: Report,
): string {
  const name = namedInterBrokerListener(values, endpoints, advertised);
  const setting = 'inter.broker.listener.name';
  if (values.interBrokerListenerName !== null && !endpoints.some((endpoint) => endpoint.name === name)) {
    report(setting, `${setting} must be a listener name defined in listeners: ${name} is not there`);
  } else if (endpoints.length > 0 && !advertised.some((endpoint) => endpoint.name === name)) {
    // The other brokers would never learn how to reach this one.
    const options = advertised.map((endpoint) => endpoint.name).join(',');
    report(
      setting,
      `${setting} must be a listener name defined in advertised.listeners: ${name} is not there. The valid options based on currently configured listeners are ${options}`,
    );
  }
  return name;
}

function namedInterBrokerListener(
  values: BrokerConfigValues,
  endpoints: readonly ListenerEndpoint[],
  advertised: readonly ListenerEndpoint[],
): string {
  if (values.interBrokerListenerName !== null) return values.interBrokerListenerName.toUpperCase();
  const protocol = values.securityInterBrokerProtocol;
  const ofProtocol = endpoints.filter((endpoint) => endpoint.securityProtocol === protocol);
  const candidates = ofProtocol.length > 0 ? ofProtocol : endpoints;
  const isAdvertised = ({ name }: ListenerEndpoint): boolean => advertised.some((endpoint) => endpoint.name === name);
  return (candidates.find(isAdvertised) ?? candidates[0])?.name ?? protocol;
}

/** What Kafka checks across settings (`KafkaConfig.validateValues`). */
function checkTogether(config: BrokerConfig, report: Report): void {
  const { brokerId, nodeId, properties } = config;
  if (properties['node.id'] !== undefined && brokerId !== nodeId) {
    report(
      'node.id',
      `node.id=${nodeId} and broker.id=${brokerId} are two names of one number. Give both the same value, or leave one out.`,
    );
  }
  if (config.listeners.length === 0) {
    report('listeners', 'listeners must name at least one listener, such as PLAINTEXT://:9092');
  }
  if (config.logDirs.length === 0 || config.logDirs.includes('')) {
    report('log.dirs', 'log.dirs must name at least one folder');
  }
  const folders = config.logDirs.map((folder) => normalize(`${folder}/`));
  const twice = config.logDirs.find((_, at) => folders.indexOf(folders[at]!) < at);
  if (twice !== undefined) report('log.dirs', `log.dirs names ${twice} twice`);
  const outer = folders.find((folder) => folders.some((other) => other !== folder && other.startsWith(folder)));
  if (outer !== undefined) {
    const inner = folders.find((folder) => folder !== outer && folder.startsWith(outer));
    report(
      'log.dirs',
      `log.dirs names ${inner}, which lies in ${outer}: folders there are replicas, and go with their topics`,
    );
  }
  if (config.queuedMaxRequestBytes > 0 && config.queuedMaxRequestBytes < config.socketRequestMaxBytes) {
    report(
      'queued.max.request.bytes',
      `queued.max.request.bytes must be larger or equal to socket.request.max.bytes (${config.socketRequestMaxBytes}), or -1`,
    );
  }
  if (config.groupMinSessionTimeoutMs > config.groupMaxSessionTimeoutMs) {
    report(
      'group.min.session.timeout.ms',
      'group.min.session.timeout.ms must not be larger than group.max.session.timeout.ms',
    );
  }
  if (interBrokerVersions(config.interBrokerProtocolVersion) === undefined) {
    report(
      'inter.broker.protocol.version',
      `inter.broker.protocol.version ${config.interBrokerProtocolVersion} is not spoken: set a release from 2.8 to 3.9, that of the oldest broker in the cluster, or remove it`,
    );
  }
  checkFailureDelay(config, report);
  checkRights(config, report);
  checkPasswordEncoder(config, report);
  checkLogs(config, report);
  const { minCompactionLagMs, maxCompactionLagMs } = config.topicDefaults;
  if (minCompactionLagMs > maxCompactionLagMs) {
    report(
      'log.cleaner.min.compaction.lag.ms',
      'log.cleaner.min.compaction.lag.ms must not be larger than log.cleaner.max.compaction.lag.ms',
    );
  }
}

/** Who has failed to log in would be gone before he is told, and could try again without having waited. */
function checkFailureDelay({ connectionsMaxIdleMs, listenerSecurity, properties }: BrokerConfig, report: Report): void {
  const name = 'connection.failed.authentication.delay.ms';
  if (connectionsMaxIdleMs < 0) return;
  const ofListeners = [...listenerSecurity.values()].flatMap(({ sasl }) =>
    sasl === undefined ? [] : sasl.failureDelayMs,
  );
  const delayMs = Math.max(Number(properties[name] ?? brokerConfigTable[name]?.defaultValue), ...ofListeners);
  if (delayMs < connectionsMaxIdleMs) return;
  report(
    name,
    `${name}=${delayMs} should always be less than connections.max.idle.ms=${connectionsMaxIdleMs} to prevent failed authentication responses from timing out`,
  );
}

/** Without a secret nothing is encoded. */
function checkPasswordEncoder(config: BrokerConfig, report: Report): void {
  if (!config.passwordEncoderSecret) return;
  const fault = encoderFault({
    keyFactory: config.passwordEncoderKeyfactoryAlgorithm ?? DEFAULT_KEY_FACTORY,
    cipher: config.passwordEncoderCipherAlgorithm,
    keyLength: config.passwordEncoderKeyLength,
    iterations: config.passwordEncoderIterations,
  });
  if (fault !== undefined) report(fault.name, `${fault.name}: ${fault.message}`);
}

/** One thread of the cleaner needs more than this for its keys. */
const DEDUPE_BYTES_PER_THREAD_MIN = 1024 * 1024;

function checkLogs(config: BrokerConfig, report: Report): void {
  const threads = Math.max(1, Number(config.properties['log.cleaner.threads'] ?? 1));
  if (Math.trunc(config.logCleanerDedupeBufferSize / threads) <= DEDUPE_BYTES_PER_THREAD_MIN) {
    const name = 'log.cleaner.dedupe.buffer.size';
    report(name, `${name} must be at least 1MB per cleaner thread.`);
  }
  if (config.topicDefaults.retentionMs === 0) {
    report('log.retention.ms', 'log.retention.ms must be unlimited (-1) or, greater than or equal to 1');
  }
  if (config.maxConnectionsPerIp === 0 && config.maxConnectionsPerIpOverrides.trim() === '') {
    const name = 'max.connections.per.ip';
    report(name, `${name} can be set to zero only if ${name}.overrides property is set.`);
  }
}

/** Classes of Kafka whose decisions are made here. */
const AUTHORIZERS = [
  'kafka.security.authorizer.AclAuthorizer',
  'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
] as const;

function checkRights(
  { authorizerClassName, superUsers, allowEveryoneIfNoAclFound }: BrokerConfig,
  report: Report,
): void {
  const name = authorizerClassName.trim();
  if (name !== '') {
    checkSuperUsers(superUsers, report);
    if (AUTHORIZERS.some((each) => each === name)) return;
    const message = `authorizer.class.name is not honoured: ${name} is a class of Java, which cannot be loaded here. Set it to ${AUTHORIZERS[0]}, or remove it.`;
    report('authorizer.class.name', message);
    return;
  }
  const given = [
    ...(superUsers.trim() === '' ? [] : ['super.users']),
    ...(allowEveryoneIfNoAclFound ? ['allow.everyone.if.no.acl.found'] : []),
  ];
  for (const setting of given) {
    report(
      setting,
      `${setting} is not honoured: without authorizer.class.name nobody's rights are checked. Set authorizer.class.name=${AUTHORIZERS[0]}, or remove it.`,
    );
  }
}

/** Kafka does not start with them either (`SecurityUtils.parseKafkaPrincipal`). */
function checkSuperUsers(superUsers: string, report: Report): void {
  for (const each of superUsers.split(';').map((part) => part.trim())) {
    if (each === '' || each.includes(':')) continue;
    report(
      'super.users',
      `super.users has ${each}, which is no principal: nobody would be it, and its rights would be nobody's. Write User:${each}.`,
    );
  }
}

/** A slip of the pen in a name that safety hangs on would leave the broker open; any other one is told of. */
function lookAtUnknown(name: string, report: Report, warnings: ConfigWarning[]): void {
  const nearest = isUnusedKafkaName(name) ? undefined : nearestName(name, brokerConfigNames);
  if (isUnusedKafkaName(name) || ![name, nearest ?? name].some(isSafetySetting)) {
    warnings.push(passedOver(name));
    return;
  }
  const meant = nearest === undefined ? 'Correct the name, or remove it.' : `Did you mean ${nearest}?`;
  report(name, `${name} is no setting that this broker knows. ${meant}`);
}

function passedOver(name: string): ConfigWarning {
  if (isUnusedKafkaName(name)) {
    return { code: 'UNUSED_CONFIG', name, message: `${name} is a setting of Apache Kafka that has no effect here.` };
  }
  const nearest = nearestName(name, brokerConfigNames);
  const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  return {
    code: 'UNKNOWN_CONFIG',
    name,
    message: `${name} is no setting that this broker knows; it is passed over.${hint}`,
  };
}
