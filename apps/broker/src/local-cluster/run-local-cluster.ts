import { rmSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  assertLogsKnown,
  type BrokerConfig,
  type BrokerEndpoint,
  type FoundLog,
  type Logger,
  registeredSession,
} from '@millrace/broker';
import type { MetadataStore } from '@millrace/metadata';
import { makeFolders, NodeDisk, systemClock, systemRandom } from '@millrace/ports';
import { ZooKeeperListener, ZooKeeperServer } from '@millrace/zookeeper';
import { type BrokerProcessOptions, openLoggerFor, readSettings } from '../broker-process.ts';
import { SOCKET_FILE } from '../live-metadata.ts';
import { METADATA_FOLDER, openOwnMetadata } from '../metadata-engine.ts';
import { ExitCode, StartError, startErrorOf } from '../start-error.ts';
import { onStopSignals, Terminal } from '../stop-signals.ts';
import { ClusterHttp } from './cluster-http.ts';
import { untilPortsAreFree } from './free-ports.ts';
import { refuseLeftOut } from './left-out.ts';
import { memberLogs } from './member-logs.ts';
import { memberPorts, memberSettings } from './member-settings.ts';
import { refusePortClashes } from './port-clashes.ts';
import { MemberStartError, type ReadyMember, Supervisor } from './supervisor.ts';

/** The broker whose folders are the cluster's. */
const FIRST_BROKER_ID = 1;

/** How a local cluster is started. */
export interface LocalClusterOptions extends BrokerProcessOptions {
  /** How many brokers. */
  readonly brokers: number;
  /** Rejects, if ever, when the start is to be given up. */
  readonly interrupted?: Promise<never>;
}

/** A local cluster that serves. */
export interface LocalCluster {
  readonly members: readonly ReadyMember[];
  /** Where its page is served, with the health of all brokers; undefined where there is none. */
  readonly sitePort: number | undefined;
  /** The processes' ids, by broker; of those that run. */
  readonly processIds: ReadonlyMap<number, number>;
  /** Stops all brokers in order, and then what keeps their metadata. */
  stop(): Promise<void>;
}

/**
 * Starts several brokers on this machine, each a process on cores of its own, and keeps their metadata in this one: a cluster with
 * failover without a JVM. What keeps it in their place is ZooKeeper's own protocol over a socket that only this user can open.
 * @throws StartError with a message that says what to do; nothing is left open then.
 */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { config, process: processSettings, given } = await readSettings(options);
  const logger = options.logger ?? (await openLoggerFor(processSettings));
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close().catch(() => {});
  };
  const { interrupted } = options;
  const unlessInterrupted = <T>(work: Promise<T>): Promise<T> =>
    interrupted === undefined ? work : Promise.race([work, interrupted]);
  try {
    refuseOthersSettings(config, options.brokers);
    const folder = config.logDirs[0] as string;
    const { httpHost, httpPort } = processSettings;
    refusePortClashes({ config, httpPort, brokers: options.brokers, httpHost, hasSite: options.site !== undefined });
    const ports = memberPorts({ config, httpPort, brokers: options.brokers }, httpHost);
    await unlessInterrupted(untilPortsAreFree(ports, logger));
    await makeFolders(folder);
    const store = await openOwnMetadata(`${folder}/${METADATA_FOLDER}`, {
      disk: new NodeDisk(),
      logger,
      onFailed: (err) =>
        logger.error({ err }, 'The metadata cannot be kept any more: check the disk, then start again'),
    });
    closers.push(() => store.close());
    await refuseLeftOut(store, folder, options.brokers);
    await unlessInterrupted(holdAgainstLogs(store, config, logger));
    const { server, path: metadataSocket } = await serveMetadata(store, `${folder}/${METADATA_FOLDER}`, closers);
    const plan = {
      config,
      overrides: options.overrides ?? {},
      given,
      httpPort,
      brokers: options.brokers,
      metadataSocket,
    };
    const members = memberSettings(plan);
    const env = options.env ?? process.env;
    const { configFile } = options;
    let http: ClusterHttp | undefined;
    const sitePort = (): number | undefined => http?.port;
    const onEnded = (brokerId: number): void => void endSessionOf(brokerId, store, server);
    const supervisor = new Supervisor({ members, configFile, sitePort, env, clock: systemClock, logger, onEnded });
    const { promise: serving, resolve: serve } = Promise.withResolvers<readonly ReadyMember[]>();
    http = await openClusterHttp({ options, httpHost, httpPort, logger, supervisor }, serving);
    closers.push(async () => http?.close());
    closers.push(() => supervisor.stop());
    store.sitsOutShortages = true;
    const ready = await unlessInterrupted(supervisor.start());
    serve(ready);
    return {
      members: ready,
      sitePort: sitePort(),
      get processIds() {
        return supervisor.processIds;
      },
      stop: closeAll,
    };
  } catch (error) {
    await closeAll();
    if (error instanceof MemberStartError) throw new StartError(error.failure.code, error.message, error);
    throw startErrorOf(error, config.logDirs.join(', '));
  }
}

/**
 * Holds the metadata against the logs of all members before any of them leads: only here all of them can be seen. An older copy of it that
 * somebody has put back would have leaders lead in epochs that have been.
 */
async function holdAgainstLogs(store: MetadataStore, { logDirs }: BrokerConfig, logger: Logger): Promise<void> {
  const disk = new NodeDisk();
  const logs: FoundLog[] = [];
  for (const folder of logDirs) {
    // Its broker makes it.
    if ((await disk.stat(folder)) === undefined) continue;
    try {
      logs.push(...(await memberLogs(disk, [folder], FIRST_BROKER_ID)).logs);
    } catch (err) {
      // It is offline for its brokers, and costs no more than that.
      logger.warn({ err, folder }, 'What logs know of leader epochs cannot be read in this folder');
    }
  }
  await assertLogsKnown(store, logs, { logger, brokerId: FIRST_BROKER_ID, nowMs: systemClock.now() });
}

/** Refuses settings that can be a single broker's only, and that nobody would heed here. */
function refuseOthersSettings({ zookeeperConnect, brokerId, properties }: BrokerConfig, brokers: number): void {
  if (zookeeperConnect) {
    throw new StartError(
      'START_CONFIG_INVALID',
      '--brokers keeps the metadata itself, and zookeeper.connect names an ensemble. Leave out one of the two',
    );
  }
  if (brokerId === FIRST_BROKER_ID) return;
  const name = properties['node.id'] === undefined ? 'broker.id' : 'node.id';
  throw new StartError(
    'START_CONFIG_INVALID',
    `The brokers of --brokers ${brokers} have the numbers 1 to ${brokers}, and ${name}=${brokerId} is set. Leave the latter out`,
  );
}

/** Runs a local cluster in this process until a signal stops it; what keeps it from starting is told on standard error. */
export async function runLocalCluster(options: LocalClusterOptions): Promise<number> {
  const terminal = new Terminal();
  const { promise: asked, resolve: ask } = Promise.withResolvers<NodeJS.Signals>();
  // Heard from the first moment: a start that is interrupted ends what it has started.
  const unheard = onStopSignals(terminal, (signal, isRepeated) => {
    if (isRepeated) process.exit(ExitCode.FORCED);
    ask(signal);
  });
  const interrupted = asked.then((signal): never => {
    throw new StartError('START_INTERRUPTED', `Stopped by ${signal} before the cluster was ready`);
  });
  // Where the signal comes later, nobody waits for this one.
  interrupted.catch(() => {});
  try {
    const settings = await readSettings(options);
    const logger = options.logger ?? (await openLoggerFor(settings.process));
    const cluster = await startLocalCluster({ ...options, logger, interrupted });
    const addresses = cluster.members.map(({ endpoints }) => addressOf(endpoints[0])).join(', ');
    const site = cluster.sitePort === undefined ? '' : `; console on port ${cluster.sitePort}`;
    const tookMs = Math.round(performance.now());
    logger.info(
      { addresses, sitePort: cluster.sitePort, tookMs },
      `Millrace is ready with ${cluster.members.length} brokers at ${addresses} after ${tookMs} ms${site}`,
    );
    await options.onReady?.(cluster.members.flatMap(({ endpoints }) => endpoints.slice(0, 1)));
    const signal = await asked;
    logger.info({ signal }, `Stopping on ${signal}; a second signal stops at once`);
    await cluster.stop();
    logger.info({}, 'Stopped');
    return ExitCode.STOPPED;
  } catch (error) {
    process.stderr.write(`millrace: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof StartError ? error.exitCode : ExitCode.FAILED;
  } finally {
    unheard();
  }
}

/** The port after those of the brokers' metrics, in the process that no broker's end takes down. */
function openClusterHttp(
  given: {
    readonly options: LocalClusterOptions;
    readonly httpHost: string | undefined;
    readonly httpPort: number | undefined;
    readonly logger: Logger;
    readonly supervisor: Supervisor;
  },
  members: Promise<readonly ReadyMember[]>,
): Promise<ClusterHttp | undefined> {
  const { options, httpHost: host, httpPort, logger, supervisor } = given;
  const { site: makeSite, brokers } = options;
  if (makeSite === undefined || httpPort === undefined) return Promise.resolve(undefined);
  const port = httpPort === 0 ? 0 : httpPort + brokers;
  const serving = (): readonly ReadyMember[] => supervisor.serving;
  return ClusterHttp.open({ host, port, makeSite, logger, brokers, serving }, members);
}

function addressOf(endpoint: BrokerEndpoint | undefined): string {
  return endpoint === undefined ? '' : `${endpoint.listener}://${endpoint.host}:${endpoint.port}`;
}

/**
 * Ends the session of a broker whose process has ended. The end of its socket does as much, but for a moment after this process has stood
 * still: then it may be that of a broker that lives, and comes back over another one.
 */
async function endSessionOf(brokerId: number, store: MetadataStore, server: ZooKeeperServer): Promise<void> {
  try {
    const session = await registeredSession(store, brokerId);
    if (session !== undefined) await server.expireOwner(session);
  } catch {
    // Whoever keeps the store is told that it cannot be written; the session ends by its timeout otherwise.
  }
}

/** Serves the metadata to the brokers, over a socket that only this user can open. */
async function serveMetadata(
  store: Awaited<ReturnType<typeof openOwnMetadata>>,
  folder: string,
  closers: (() => Promise<void>)[],
): Promise<{ readonly server: ZooKeeperServer; readonly path: string }> {
  const server = new ZooKeeperServer({ store, clock: systemClock, random: systemRandom, sessionEndsWithSocket: true });
  closers.push(() => server.close());
  const socket = await privateSocket();
  closers.push(socket.remove);
  const listener = await ZooKeeperListener.listen(server, { path: socket.path });
  await chmod(socket.path, 0o600);
  closers.push(() => listener.close());
  await tellSocket(folder, socket.path, closers);
  return { server, path: socket.path };
}

/** Leaves word where the metadata is served, for programs that look into it. */
async function tellSocket(folder: string, path: string, closers: (() => Promise<void>)[]): Promise<void> {
  const file = `${folder}/${SOCKET_FILE}`;
  await writeFile(file, path);
  closers.push(() => rm(file, { force: true }));
}

/** A socket in a folder that only this user may enter; paths of sockets must be short, so it does not lie with the data. */
async function privateSocket(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
  // A second signal ends the process at once.
  const removeNow = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeNow);
  return {
    path: join(folder, 'metadata.sock'),
    remove: async () => {
      process.off('exit', removeNow);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
