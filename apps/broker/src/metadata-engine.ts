import { readFile } from 'node:fs/promises';
import { type BrokerConfig, type Logger, takeBrokerId } from '@millrace/broker';
import { logFolderOwner } from '@millrace/log';
import { JournalMetadataStore, type MetadataStore } from '@millrace/metadata';
import { type Disk, type NodeDisk, systemClock } from '@millrace/ports';
import { ZooKeeperMetadataStore } from '@millrace/zookeeper';
import { connectSocket } from '@millrace/zookeeper/internal';
import { type ZooKeeperLogin, zooKeeperOptions } from './settings/zookeeper-settings.ts';
import { StartError } from './start-error.ts';

/** The folder of the metadata store within the first log folder; no partition's folder can have this name. */
export const METADATA_FOLDER = '__millrace_metadata';

/** What messages call the store of a local cluster. */
export const LOCAL_METADATA = "the local cluster's metadata";

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
  /** Who this broker is to an ensemble. */
  readonly login: ZooKeeperLogin;
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
  const connect = config.zookeeperConnect?.trim() ?? '';
  if (connect !== '') return openEnsemble(options, connect, undefined);
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
  { config, login, logger }: MetadataEngineOptions,
  connect: string,
  socketPath: string | undefined,
): Promise<MetadataEngine> {
  if (socketPath === undefined) logger.info({ connect }, `Connecting to ZooKeeper at ${connect}`);
  const onNotice = (message: string, err?: unknown): void => logger.warn({ err }, message);
  const store = await ZooKeeperMetadataStore.open({
    ...(await zooKeeperOptions(config, login, (path) => readFile(path), onNotice)),
    connect,
    onNotice,
    ...(socketPath === undefined
      ? {}
      : { connectTransport: connectSocket({ socketPath }), serverName: LOCAL_METADATA }),
  });
  return { store, isOwn: false, sitOutShortages: () => {} };
}

/**
 * The settings with the number that the broker has: the one that is set, else the one that its folders are marked with, else the next
 * that is free in the cluster (`broker.id.generation.enable`).
 * @throws StartError where there is none, and none may be taken
 */
export async function withBrokerId(config: BrokerConfig, store: MetadataStore, disk: Disk): Promise<BrokerConfig> {
  const { properties } = config;
  if (isSet(properties, 'broker.id') || isSet(properties, 'node.id')) return config;
  if (!config.brokerIdGenerationEnable) {
    const what = properties['broker.id']?.trim() ? 'broker.id=-1 is no number of a broker' : 'broker.id is not set';
    const message = `${what}, and broker.id.generation.enable=false lets none be taken`;
    throw new StartError('START_CONFIG_INVALID', `${message}. Give the broker a number, or leave the latter out`);
  }
  for (const folder of config.logDirs) {
    const owner = await logFolderOwner(disk, folder).catch(() => undefined);
    if (owner?.brokerId !== undefined) return { ...config, brokerId: owner.brokerId };
  }
  return { ...config, brokerId: await takeBrokerId(store, config.reservedBrokerMaxId) };
}

function isSet(properties: BrokerConfig['properties'], name: string): boolean {
  const text = properties[name]?.trim() ?? '';
  return text !== '' && text !== '-1';
}
