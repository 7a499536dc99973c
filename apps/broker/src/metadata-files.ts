import { stat } from 'node:fs/promises';
import { type Adoption, adoptLogs, type BrokerConfig } from '@millrace/broker';
import {
  assertStoreFolder,
  type ExportedNode,
  olderFileFaults,
  type RewriteResult,
  readStore,
  rewriteStore,
  type StoredTree,
} from '@millrace/metadata';
import { isLocked, NodeDisk, systemClock, systemRandom } from '@millrace/ports';
import { type BrokerProcessOptions, readSettings } from './broker-process.ts';
import { memberLogs } from './local-cluster/member-logs.ts';
import { METADATA_FOLDER } from './metadata-engine.ts';
import { StartError } from './start-error.ts';

/** What {@link MetadataFiles.restore} has done, or would do. */
export interface Restoration extends RewriteResult, Adoption {
  /** Logs that were found, of all members of a local cluster. */
  readonly logs: number;
}

/** The files of a broker's own metadata store, looked into and mended while the broker does not run. */
export class MetadataFiles {
  /** The folder of the store. */
  readonly folder: string;
  /** Who keeps the metadata in place of files; null where the files are what counts. */
  readonly zookeeperConnect: string | null;
  readonly #logDirs: readonly string[];
  readonly #brokerId: number;
  readonly #disk = new NodeDisk();

  private constructor({ logDirs, brokerId, zookeeperConnect }: BrokerConfig) {
    this.#logDirs = logDirs;
    this.#brokerId = brokerId;
    this.zookeeperConnect = zookeeperConnect;
    this.folder = `${logDirs[0]}/${METADATA_FOLDER}`;
  }

  /**
   * Finds the files by the settings that the broker is started with.
   * @throws StartError when the settings cannot be used.
   */
  static async find(options: BrokerProcessOptions): Promise<MetadataFiles> {
    const { config } = await readSettings(options);
    return new MetadataFiles(config);
  }

  /** Whether a broker has the store open. */
  async isInUse(): Promise<boolean> {
    await this.#assertThere();
    return isLocked(this.#disk, `${this.folder}/.lock`);
  }

  /** Reads the store as far as it is whole; changes nothing. */
  async read(): Promise<StoredTree> {
    await this.#assertThere();
    return readStore(this.#disk, this.folder);
  }

  /** What is wrong with the files that the present state does not need, and that would be missed if the newest were damaged. */
  async olderFaults(): Promise<string[]> {
    await this.#assertThere();
    return olderFileFaults(this.#disk, this.folder);
  }

  /**
   * Writes the store anew: from what is whole of it or from an export, with the topics that only the logs know, and above all
   * epochs and transactions that can have been. The former files stay beside the new ones.
   * @throws MetadataError `STORE_LOCKED` while a broker runs.
   */
  async restore(options: { readonly from?: readonly ExportedNode[]; readonly dryRun: boolean }): Promise<Restoration> {
    await this.#assertLogDirs();
    const { from, dryRun } = options;
    const found = await memberLogs(this.#disk, this.#logDirs, this.#brokerId);
    const { logs, brokerId = this.#brokerId, clusterId } = found;
    let adoption: Adoption = { topics: [], raised: 0 };
    const written = await rewriteStore({
      folder: this.folder,
      disk: this.#disk,
      clock: systemClock,
      ...(from === undefined ? {} : { from }),
      dryRun,
      edit: async (store, { rewrites: restorations }) => {
        adoption = await adoptLogs(store, {
          logs,
          brokerId,
          clusterId,
          restorations,
          random: systemRandom,
          nowMs: systemClock.now(),
        });
      },
    });
    return { ...written, ...adoption, logs: logs.length };
  }

  async #assertThere(): Promise<void> {
    await this.#assertNoFiles();
    if ((await this.#disk.stat(this.folder)) !== undefined) return assertStoreFolder(this.#disk, this.folder);
    throw notThere(`There is no metadata store in ${this.folder}`);
  }

  /** A file in the place of a data folder would be told of as what it lacks. */
  async #assertNoFiles(): Promise<void> {
    for (const folder of this.#logDirs) {
      const isFile = await stat(folder).then(
        (found) => !found.isDirectory(),
        () => false,
      );
      if (isFile) throw notThere(`${folder} is a file, and no log folder`);
    }
  }

  async #assertLogDirs(): Promise<void> {
    await this.#assertNoFiles();
    for (const folder of this.#logDirs) {
      if ((await this.#disk.stat(folder)) === undefined) throw notThere(`There is no log folder ${folder}`);
    }
  }
}

function notThere(message: string): StartError {
  return new StartError(
    'START_CONFIG_INVALID',
    `${message}. Say where the data is, as for a start: --data, --config or --override log.dirs=...`,
  );
}
