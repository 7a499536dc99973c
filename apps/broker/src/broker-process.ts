import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import {
  Broker,
  type BrokerConfig,
  type BrokerEndpoint,
  type BrokerServices,
  type Logger,
  parseBrokerConfig,
} from '@millrace/broker';
import type { Listener } from '@millrace/network';
import { listenFault, NodeDisk, systemClock, systemRandom } from '@millrace/ports';
import { createWorkers } from '@millrace/workers';
import { type Health, HttpServer, type HttpServerOptions } from './http/http-server.ts';
import { LazySite, type MakeSite } from './http/lazy-site.ts';
import { advertise, bindListeners, openCertificates, RequestGate } from './listeners.ts';
import { refuseLeftOut } from './local-cluster/left-out.ts';
import { checkLogFolders } from './log-folders.ts';
import { levelControlOf, openLogger } from './logging.ts';
import { type MetadataEngine, openMetadataEngine, withBrokerId } from './metadata-engine.ts';
import { Exposition } from './metrics/exposition.ts';
import { MetricRegistry } from './metrics/registry.ts';
import { logFilesMax } from './open-files-limit.ts';
import { connectionPeers } from './peers.ts';
import { changingCertificates } from './security/live-certificates.ts';
import { loadSigningKeys } from './security/signing-keys.ts';
import { withListenerDefaults } from './settings/listener-defaults.ts';
import { type ProcessSettings, takeProcessSettings } from './settings/process-settings.ts';
import { collectSettings, refuseStrangeFile } from './settings/sources.ts';
import { loginOf } from './settings/zookeeper-settings.ts';
import { StartError, startErrorOf } from './start-error.ts';

/** Where a broker's settings come from. */
export interface BrokerProcessOptions {
  /** A file in the syntax of Kafka's `server.properties`. */
  readonly configFile?: string | undefined;
  /** Settings by Kafka's names; stronger than the file and the environment. */
  readonly overrides?: Readonly<Record<string, string>> | undefined;
  /** The port for clients, in place of the one in `listeners`, which must then have one listener. 0 takes a free one. */
  readonly port?: number | undefined;
  /** Where `KAFKA_*` variables are looked for. Default `process.env`. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Where log lines go. Default: standard output, as `millrace.log.level` and `millrace.log.format` say. */
  readonly logger?: Logger | undefined;
  /** What its lines are marked with, where several brokers write to one place. */
  readonly name?: string | undefined;
  /** Makes what is served beside metrics and health when somebody first asks for it. */
  readonly site?: MakeSite | undefined;
  /** Called once clients are served, with where they reach the broker, or the brokers, by their first listeners. */
  readonly onReady?: ((endpoints: readonly BrokerEndpoint[]) => Promise<void>) | undefined;
}

/** A broker that serves, with its listeners, its metadata store and its HTTP port. */
export interface BrokerProcess {
  /** Where clients reach the broker; ports that the system chose are the real ones. */
  readonly endpoints: readonly BrokerEndpoint[];
  /** The folders that hold the data. */
  readonly logDirs: readonly string[];
  /** The port of `/metrics` and `/health`; undefined when there is none. */
  readonly httpPort: number | undefined;
  readonly logger: Logger;
  /** Resolves, if ever, when the broker can do nothing more because its disks have failed; it should then be stopped. */
  readonly unusable: Promise<Error>;
  /**
   * Stops accepting, answers what is under way, flushes, and marks the folders as cleanly closed.
   * @param options - Whether others take over what is led here before; default true.
   * @throws Error when something could not be closed so; the rest is
   */
  stop(options?: { readonly handsOver: boolean }): Promise<void>;
}

interface Settings {
  readonly config: BrokerConfig;
  readonly process: ProcessSettings;
  readonly warnings: readonly { readonly name: string; readonly message: string }[];
  /** Names that somebody has set. */
  readonly given: ReadonlySet<string>;
}

/** What has been opened so far, to be closed in the opposite order. */
type Closers = (() => Promise<void>)[];

/**
 * Reads the settings and starts a broker. Resolves when it serves.
 * @throws StartError with a message that says what to do; nothing is left open then.
 */
export async function startBrokerProcess(options: BrokerProcessOptions = {}): Promise<BrokerProcess> {
  const settings = await readSettings(options);
  const logger = options.logger ?? (await openLoggerFor(settings.process, options.name));
  for (const { name, message } of settings.warnings) logger.warn({ setting: name }, message);
  const closers: Closers = [];
  try {
    return await startParts(settings, logger, closers, options.site);
  } catch (error) {
    tellFailures(await closeAll(closers), logger);
    throw startErrorOf(error, settings.config.logDirs.join(', '));
  }
}

/** Reads the settings as a start does. */
export async function readSettings(options: BrokerProcessOptions): Promise<Settings> {
  const { settings: collected, namesInFile } = await collectSettings({
    configFile: options.configFile,
    environment: options.env ?? process.env,
    overrides: options.overrides ?? {},
  });
  const taken = takeProcessSettings(withListenerDefaults(collected, options.port));
  const { config, problems, warnings } = parseBrokerConfig(taken.broker);
  const unknown = new Set(warnings.filter(({ code }) => code === 'UNKNOWN_CONFIG').map(({ name }) => name));
  if (options.configFile !== undefined) refuseStrangeFile(options.configFile, namesInFile, (name) => unknown.has(name));
  const faults = [...taken.problems, ...toldOnce(problems, collected).map(({ message }) => message)];
  if (faults.length > 0) {
    throw new StartError(
      'START_CONFIG_INVALID',
      `The settings cannot be used:\n${faults.map((each) => `  ${each}`).join('\n')}`,
    );
  }
  // What is told of folders, in logs and to clients, shall not depend on where somebody stands.
  const logDirs = config.logDirs.map((folder) => resolve(folder));
  return { config: { ...config, logDirs }, process: taken.process, warnings, given: new Set(collected.keys()) };
}

/** Without what is wrong with `listeners` where only the advertised ones were given, from which the others were taken. */
function toldOnce<T extends { readonly name: string }>(
  problems: readonly T[],
  given: ReadonlyMap<string, string>,
): T[] {
  const isTaken = !given.has('listeners') && problems.some(({ name }) => name === 'advertised.listeners');
  return problems.filter(({ name }) => !(isTaken && name === 'listeners'));
}

/** The logger that the process' settings ask for. */
export function openLoggerFor({ logFormat, logLevel }: ProcessSettings, name?: string): Promise<Logger> {
  return openLogger(logLevel, logFormat === 'pretty' || (logFormat === 'auto' && process.stdout.isTTY === true), name);
}

async function startParts(
  settings: Settings,
  logger: Logger,
  closers: Closers,
  makeSite: MakeSite | undefined,
): Promise<BrokerProcess> {
  const { config: given } = settings;
  const metrics = new MetricRegistry();
  const disk = new NodeDisk();
  // What is wrong with ports and folders shows before anything on the disk is touched. Requests wait for the broker.
  const gate = new RequestGate();
  let running: BrokerServices | undefined;
  const certificates = await openCertificates(given, logger, closers);
  const surroundings = { logger, metrics, closers, certificates, running: () => running };
  const listeners = await bindListeners(given, gate, surroundings);
  const shown: Shown = { status: 'starting', broker: undefined, endpoints: undefined };
  const http = await openHttp(settings, shown, { exposition: new Exposition(metrics), makeSite, logger, closers });
  const { promise: unusable, resolve: giveUp } = Promise.withResolvers<Error>();
  const isMember = given.zookeeperConnect !== null || settings.process.metadataSocket !== undefined;
  const { metadata, config } = await openMetadata(settings, disk, { logger, closers, onFailed: giveUp });
  const endpoints = advertise(config, listeners);
  const broker = new Broker({
    onUnusable: giveUp,
    config,
    clock: systemClock,
    random: systemRandom,
    disk,
    metadataStore: metadata.store,
    ownsMetadata: metadata.isOwn,
    logger,
    logLevel: levelControlOf(logger),
    metrics,
    loadSigningKeys,
    certificates: changingCertificates(certificates, config.interBrokerListenerName),
    peers: connectionPeers(config, logger, certificates, isMember),
    ...openWorkers(config, closers),
    checksRecords: settings.process.checkedRecords === 'all',
    logBounds: { openFilesMax: logFilesMax(), ...settings.process.logBounds },
    transactionVersionMax: settings.process.transactionVersionMax,
  });
  Object.assign(shown, { broker, endpoints });
  let handsOver = true;
  closers.push(() => broker.stop({ handsOver }));
  await startReadingInline(broker, endpoints, disk);
  // A start on a full disk must fail, and a stop must come to its end. In between, patience helps.
  metadata.sitOutShortages(true);
  running = broker.services;
  gate.open(broker.requestHandler);
  shown.status = 'up';
  let stopped: Promise<void> | undefined;
  return {
    endpoints,
    logDirs: config.logDirs,
    httpPort: http?.port,
    logger,
    unusable,
    stop(options = { handsOver: true }) {
      shown.status = 'stopping';
      handsOver &&= options.handsOver;
      metadata.sitOutShortages(false);
      stopped ??= stopParts(broker, listeners, closers, { logger, handsOver });
      return stopped;
    },
  };
}

/** The threads beside the main one, and what they do. */
function openWorkers(config: BrokerConfig, closers: Closers) {
  const workers = createWorkers({ threads: Math.min(config.backgroundThreads, availableParallelism()) });
  closers.push(() => workers.close());
  return { batchWork: workers, cleanSlice: workers.cleanSlice };
}

async function startReadingInline(broker: Broker, endpoints: readonly BrokerEndpoint[], disk: NodeDisk): Promise<void> {
  disk.readsInline = true;
  try {
    await broker.start({ endpoints });
  } finally {
    disk.readsInline = false;
  }
}

/** Where the cluster's metadata is kept, and the settings with the id that it gives. */
async function openMetadata(
  { config: given, process: processSettings }: Settings,
  disk: NodeDisk,
  { logger, closers, onFailed }: { logger: Logger; closers: Closers; onFailed: (error: Error) => void },
): Promise<{ metadata: MetadataEngine; config: BrokerConfig }> {
  const { metadataSocket: clusterSocket } = processSettings;
  const isOwn = !given.zookeeperConnect && clusterSocket === undefined;
  // A folder that is another's stays without metadata of ours.
  await checkLogFolders(disk, given, isOwn);
  const login = loginOf(processSettings);
  const metadata = await openMetadataEngine({ config: given, clusterSocket, login, disk, logger, onFailed });
  closers.push(() => metadata.store.close());
  if (metadata.isOwn) await refuseLeftOut(metadata.store, given.logDirs[0] as string, 1);
  return { metadata, config: metadata.isOwn ? given : await withBrokerId(given, metadata.store, disk) };
}

/** What is shown of the broker over HTTP, where it may be asked for before there is one. */
interface Shown {
  status: Health['status'];
  broker: Broker | undefined;
  endpoints: readonly BrokerEndpoint[] | undefined;
}

interface HttpSurroundings {
  readonly exposition: Exposition;
  readonly makeSite: MakeSite | undefined;
  readonly logger: Logger;
  readonly closers: Closers;
}

/** Opens the HTTP port, where there is to be one. */
async function openHttp(
  { config, process: { httpHost: host, httpPort: port } }: Settings,
  shown: Shown,
  { exposition, makeSite, logger, closers }: HttpSurroundings,
): Promise<HttpServer | undefined> {
  if (port === undefined) return undefined;
  const before = { brokerId: config.brokerId, clusterId: null, partitions: 0, offlineLogDirs: [], fullLogDirs: [] };
  const health = async (): Promise<Health> => ({
    ...((await shown.broker?.health()) ?? before),
    status: shown.status,
  });
  const site = makeSite === undefined ? undefined : siteOf(makeSite, shown, logger, closers);
  try {
    const http = await HttpServer.listen({ host, port, exposition, health, site });
    closers.push(() => http.close());
    return http;
  } catch (cause) {
    const isTaken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new StartError(
      isTaken ? 'START_PORT_IN_USE' : 'START_LISTEN_FAILED',
      `Cannot open the HTTP port for metrics and health on ${host ?? 'all addresses'}, port ${port}: ` +
        `${listenFault(cause as NodeJS.ErrnoException)}. Set millrace.http.port to another port, or to nothing`,
      cause,
    );
  }
}

/** The site that a broker serves, made when it is asked for and closed with the broker. */
function siteOf(make: MakeSite, shown: Shown, logger: Logger, closers: Closers): HttpServerOptions['site'] {
  const site = new LazySite(async () => {
    const { status, endpoints } = shown;
    if (status === 'starting' || endpoints === undefined) throw new Error('The broker is starting: ask again');
    return make({ endpoints, logger });
  });
  closers.push(() => site.close());
  return () => site.get();
}

async function stopParts(
  broker: Broker,
  listeners: readonly Listener[],
  closers: Closers,
  { logger, handsOver }: { readonly logger: Logger; readonly handsOver: boolean },
): Promise<void> {
  closers.push(
    () => Promise.all(listeners.map((listener) => listener.close())).then(),
    // Requests that wait for something would hold the listeners up, so the broker answers them first.
    async () => broker.finishWaits(),
  );
  // Others take over what is led here, while it is still led here.
  if (handsOver) closers.push(() => broker.handOver());
  const [failure, ...others] = await closeAll(closers);
  // The first is told by who stops the broker, and need not be told twice.
  tellFailures(others, logger);
  if (failure !== undefined) throw failure;
}

/** Closes what was opened last first, and gives what failed, which does not keep the others from being closed. */
async function closeAll(closers: Closers): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
    try {
      await close();
    } catch (err) {
      failures.push(err);
    }
  }
  return failures;
}

function tellFailures(failures: readonly unknown[], logger: Logger): void {
  for (const err of failures) logger.error({ err }, 'Could not close everything in order');
}
