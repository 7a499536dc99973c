import type { BrokerOptions } from '@millrace/broker';
import type { LogLevel } from '../logging.ts';

/** What of the logs' bounds is set. */
type LogBounds = NonNullable<BrokerOptions['logBounds']>;

/** Settings of the process, which the broker's core does not know. Names begin with `millrace.`. */
export interface ProcessSettings {
  /** `millrace.http.host`: address of the HTTP port; undefined for every interface. */
  readonly httpHost: string | undefined;
  /** `millrace.http.port`: port of `/metrics` and `/health`; undefined where there is none. */
  readonly httpPort: number | undefined;
  /** `millrace.log.level`: the least important lines that are written. */
  readonly logLevel: LogLevel;
  /** `millrace.log.format`: `auto` is `pretty` on a terminal and `json` elsewhere. */
  readonly logFormat: 'auto' | 'pretty' | 'json';
  /** `millrace.log.check.records`: what of a produced batch is checked, its header and CRC or every record too. */
  readonly checkedRecords: 'header' | 'all';
  /** `millrace.metadata.socket`: where the parent of a local cluster serves the metadata; it sets this for its brokers. */
  readonly metadataSocket: string | undefined;
  /** `millrace.log.open.files.max` and the others of {@link BOUNDS}: what the logs may take of files and memory. */
  readonly logBounds: LogBounds;
  /** `millrace.transaction.version.max`: the highest `transaction.version` that the broker takes part in; undefined for all it knows. */
  readonly transactionVersionMax: number | undefined;
  /** `millrace.zookeeper.digest`: `user:password` that is shown to ZooKeeper; undefined for nobody. */
  readonly zooKeeperDigest: string | undefined;
  /** `millrace.zookeeper.login.config`: a file of Java's with a section `Client`, who logs in to ZooKeeper. */
  readonly zooKeeperLoginConfig: string | undefined;
}

/** Redpanda's admin port, where people look for the metrics of a broker. */
const HTTP_PORT_DEFAULT = 9644;
/** Metrics tell about topics and load, so they stay on the machine unless somebody says otherwise. */
const HTTP_HOST_DEFAULT = '127.0.0.1';
const PORT_MAX = 65_535;
const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];
const CHECKED_RECORDS = ['header', 'all'] as const;
const LOG_FORMATS = ['auto', 'pretty', 'json'] as const;

/** The settings of the logs' bounds, and the least that makes sense. */
const BOUNDS: readonly { readonly setting: string; readonly bound: keyof LogBounds; readonly min: number }[] = [
  { setting: 'millrace.log.open.files.max', bound: 'openFilesMax', min: 16 },
  { setting: 'millrace.log.index.cache.bytes.max', bound: 'indexCacheBytesMax', min: 0 },
  { setting: 'millrace.log.tail.cache.bytes.max', bound: 'tailCacheBytesMax', min: 0 },
  { setting: 'millrace.log.tail.cache.partition.bytes.max', bound: 'tailCachePartitionBytesMax', min: 0 },
  { setting: 'millrace.log.read.memory.bytes.max', bound: 'readMemoryBytesMax', min: 0 },
  { setting: 'millrace.log.producer.ids.max', bound: 'producerIdsMax', min: 1 },
];
const NAMES = [
  'millrace.http.host',
  'millrace.http.port',
  'millrace.log.level',
  'millrace.log.format',
  'millrace.log.check.records',
  'millrace.metadata.socket',
  'millrace.transaction.version.max',
  'millrace.zookeeper.digest',
  'millrace.zookeeper.login.config',
  ...BOUNDS.map(({ setting }) => setting),
];

/** What came of taking the process' settings out of all others. */
export interface TakenSettings {
  readonly process: ProcessSettings;
  /** The settings that are left: those of the broker. */
  readonly broker: Record<string, string>;
  readonly problems: readonly string[];
}

/** Divides the settings into those of the process and those of the broker. */
export function takeProcessSettings(settings: ReadonlyMap<string, string>): TakenSettings {
  const broker: Record<string, string> = {};
  const problems: string[] = [];
  const own = new Map<string, string>();
  for (const [name, value] of settings) {
    if (name.startsWith('millrace.')) own.set(name, value);
    else broker[name] = value;
  }
  const take = (name: string): string | undefined => {
    const value = own.get(name)?.trim();
    own.delete(name);
    return value;
  };
  const process: ProcessSettings = {
    httpHost: hostOf(take('millrace.http.host')),
    httpPort: portOf(take('millrace.http.port'), problems),
    logLevel: choice('millrace.log.level', take('millrace.log.level'), LOG_LEVELS, 'info', problems),
    logFormat: choice('millrace.log.format', take('millrace.log.format'), LOG_FORMATS, 'auto', problems),
    checkedRecords: choice(
      'millrace.log.check.records',
      take('millrace.log.check.records'),
      CHECKED_RECORDS,
      'header',
      problems,
    ),
    metadataSocket: take('millrace.metadata.socket'),
    logBounds: boundsOf(take, problems),
    transactionVersionMax: versionOf(take('millrace.transaction.version.max'), problems),
    zooKeeperDigest: digestOf(take('millrace.zookeeper.digest'), problems),
    zooKeeperLoginConfig: take('millrace.zookeeper.login.config') || undefined,
  };
  for (const name of own.keys()) {
    problems.push(`${name} is no setting. There are ${NAMES.slice(0, -1).join(', ')} and ${NAMES.at(-1)}`);
  }
  return { process, broker, problems };
}

function hostOf(value: string | undefined): string | undefined {
  if (value === undefined) return HTTP_HOST_DEFAULT;
  return value === '' || value === '0.0.0.0' || value === '::' ? undefined : value;
}

function portOf(value: string | undefined, problems: string[]): number | undefined {
  if (value === undefined) return HTTP_PORT_DEFAULT;
  if (value === '') return undefined;
  const port = Number(value);
  // -1 switches the port off too, because 0 means "any port" everywhere else.
  if (port === -1) return undefined;
  if (Number.isInteger(port) && port >= 0 && port <= PORT_MAX) return port;
  problems.push(`millrace.http.port=${value} is no port: give a number from 0 to ${PORT_MAX}, or nothing to have none`);
  return undefined;
}

function versionOf(value: string | undefined, problems: string[]): number | undefined {
  if (value === undefined || value === '') return undefined;
  if (/^[0-2]$/.test(value)) return Number(value);
  problems.push(`millrace.transaction.version.max=${value} cannot be: give 0, 1 or 2`);
  return undefined;
}

function digestOf(value: string | undefined, problems: string[]): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (value.indexOf(':') < 1) problems.push('millrace.zookeeper.digest is not user:password');
  return value;
}

function boundsOf(take: (name: string) => string | undefined, problems: string[]): LogBounds {
  const found: [keyof LogBounds, number][] = [];
  for (const { setting, bound, min } of BOUNDS) {
    const value = take(setting);
    if (value === undefined || value === '') continue;
    const count = Number(value);
    if (Number.isSafeInteger(count) && count >= min) found.push([bound, count]);
    else problems.push(`${setting}=${value} cannot be: give a whole number from ${min} on`);
  }
  return Object.fromEntries(found);
}

function choice<T extends string>(
  name: string,
  value: string | undefined,
  choices: readonly T[],
  otherwise: T,
  problems: string[],
): T {
  if (value === undefined) return otherwise;
  const found = choices.find((each) => each === value.toLowerCase());
  if (found === undefined) problems.push(`${name}=${value} is unknown: give one of ${choices.join(', ')}`);
  return found ?? otherwise;
}
