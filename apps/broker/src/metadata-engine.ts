import type { BrokerConfig, Logger } from '@millrace/broker';
import { JournalMetadataStore, type MetadataStore } from '@millrace/metadata';
import { type NodeDisk, systemClock, systemRandom } from '@millrace/ports';
import { ZooKeeperError, ZooKeeperMetadataStore } from '@millrace/zookeeper';
import { connectSocket } from '@millrace/zookeeper/internal';
import { StartError } from './start-error.ts';

/** The folder of the metadata store within the first log folder; no partition's folder can have this name. */
export const METADATA_FOLDER = '__millrace_metadata';

const SHORTAGE_MESSAGE = 'The disk is full: changes of topics and configs wait until there is room. Make room on it';

/** The metadata store that a broker works on. */
export interface MetadataEngine {
  readonly store: MetadataStore;
  /** Whether it is this broker's alone: then it must know what is in the logs. */
  readonly isOwn: boolean;
  /** Whether changes that do not fit on the disk wait until they do. */
  sitOutShortages(sitsOut: boolean): void;
}

/** What an engine is chosen and opened with. */
export interface MetadataEngineOptions {
  readonly config: BrokerConfig;
  /** The socket of a local cluster's metadata; undefined outside of one. */
  readonly clusterSocket: string | undefined;
  readonly disk: NodeDisk;
  readonly logger: Logger;
  /** The store takes no more writes: the broker can do nothing any more. */
  readonly onFailed: (error: Error) => void;
}

/**
 * Opens the metadata engine that the settings name: an ensemble (`zookeeper.connect`), the store of the local cluster that the broker is
 * a member of, or one of its own.
 * @throws MetadataError, StartError, and what opening files raises
 */
export async function openMetadataEngine(options: MetadataEngineOptions): Promise<MetadataEngine> {
  const { config, clusterSocket } = options;
  if (config.zookeeperConnect !== null && config.zookeeperConnect !== '') {
    return openEnsemble(options, config.zookeeperConnect, undefined);
  }
  return clusterSocket === undefined ? openOwn(options) : openEnsemble(options, 'localhost', clusterSocket);
}

/** Opens the store that is kept in the first log folder. */
export async function openOwnMetadata(
  folder: string,
  { disk, logger, onFailed }: Pick<MetadataEngineOptions, 'disk' | 'logger' | 'onFailed'>,
): Promise<JournalMetadataStore> {
  return JournalMetadataStore.open({
    folder,
    disk,
    clock: systemClock,
    onShortage: (err) => logger.error({ err, folder }, SHORTAGE_MESSAGE),
    onWarning: (message) => logger.warn({ folder }, message),
    onFailed,
  });
}

async function openOwn(options: MetadataEngineOptions): Promise<MetadataEngine> {
  const store = await openOwnMetadata(`${options.config.logDirs[0]}/${METADATA_FOLDER}`, options);
  return {
    store,
    isOwn: true,
    sitOutShortages: (sitsOut) => {
      store.sitsOutShortages = sitsOut;
    },
  };
}

async function openEnsemble(
  { config, logger }: MetadataEngineOptions,
  connect: string,
  socketPath: string | undefined,
): Promise<MetadataEngine> {
  const sessionTimeoutMs = config.zookeeperSessionTimeoutMs;
  const connectionTimeoutMs = config.zookeeperConnectionTimeoutMs ?? sessionTimeoutMs;
  const onNotice = (message: string, err?: unknown): void => logger.warn({ err }, message);
  try {
    if (socketPath === undefined) logger.info({ connect }, `Connecting to ZooKeeper at ${connect}`);
    const store = await ZooKeeperMetadataStore.open({
      connect,
      sessionTimeoutMs,
      connectionTimeoutMs,
      clock: systemClock,
      random: systemRandom,
      onNotice,
      ...(socketPath === undefined ? {} : { connectTransport: connectSocket({ socketPath }) }),
    });
    return { store, isOwn: false, sitOutShortages: () => {} };
  } catch (error) {
    if (!(error instanceof ZooKeeperError)) throw error;
    const code = error.code === 'ZOOKEEPER_CONNECT_STRING' ? 'START_CONFIG_INVALID' : 'START_METADATA_UNREACHABLE';
    throw new StartError(code, error.message, error);
  }
}
