import { readFile } from 'node:fs/promises';
import { isMetadataError, type MetadataStore, type StoredNode, type StoredTree } from '@millrace/metadata';
import { holdingClock, isLocked, NodeDisk } from '@millrace/ports';
import { ZooKeeperMetadataStore } from '@millrace/zookeeper';
import { connectSocket } from '@millrace/zookeeper/internal';
import { type BrokerProcessOptions, readSettings } from './broker-process.ts';
import { LOCAL_METADATA, METADATA_FOLDER } from './metadata-engine.ts';
import { loginOf, zooKeeperOptions } from './settings/zookeeper-settings.ts';
import { StartError, startErrorOf } from './start-error.ts';

/** The file in a store's folder that says over which socket a running local cluster serves it. */
export const SOCKET_FILE = '.socket';

/** How many nodes are asked for at a time. */
const READS_UNDER_WAY_MAX = 200;

/** What was read of a tree that is in use. */
export type LiveTree = Pick<StoredTree, 'node' | 'children' | 'walk'>;

/** The metadata of a cluster that runs: on a ZooKeeper ensemble, or in the parent of a local cluster. It is only read. */
export class LiveMetadata {
  /** Where it is, for messages. */
  readonly place: string;
  readonly #store: ZooKeeperMetadataStore;

  private constructor(store: ZooKeeperMetadataStore, place: string) {
    this.#store = store;
    this.place = place;
  }

  /**
   * Finds it by the settings that a broker is started with; undefined where a broker keeps a store of its own.
   * @throws StartError when the settings cannot be used, or nobody can be reached.
   */
  static async open(options: BrokerProcessOptions): Promise<LiveMetadata | undefined> {
    const { config, process } = await readSettings(options);
    const connect = config.zookeeperConnect?.trim() ?? '';
    const folder = `${config.logDirs[0]}/${METADATA_FOLDER}`;
    const socketPath = connect === '' ? await socketOf(folder) : undefined;
    if (connect === '' && socketPath === undefined) return undefined;
    try {
      const store = await ZooKeeperMetadataStore.open({
        ...(await zooKeeperOptions(config, loginOf(process), (path) => readFile(path))),
        makesChroot: false,
        // A command has nothing else that keeps its process alive while nobody can be reached.
        clock: holdingClock,
        ...(socketPath === undefined
          ? { connect }
          : { connect: 'localhost', connectTransport: connectSocket({ socketPath }), serverName: LOCAL_METADATA }),
      });
      return new LiveMetadata(store, socketPath === undefined ? connect : folder);
    } catch (error) {
      throw startErrorOf(error, folder);
    }
  }

  /**
   * Reads a node, those above it, and all below it if asked for. What comes and goes meanwhile is there or not.
   * @throws StartError where there is nothing at all, since no broker has been at this chroot
   */
  async read(path: string, withAll: boolean): Promise<LiveTree> {
    const nodes = new Map<string, StoredNode>();
    const children = new Map<string, readonly string[]>();
    for (const above of ancestorsOf(path)) await this.#load(above, nodes, children);
    if (!nodes.has('/')) throw nothingAt(this.place);
    let pending = nodes.has(path) ? [path] : [];
    while (withAll && pending.length > 0) {
      const found: string[] = [];
      for (const parent of pending) {
        for (const name of children.get(parent) ?? []) found.push(parent === '/' ? `/${name}` : `${parent}/${name}`);
      }
      for (let at = 0; at < found.length; at += READS_UNDER_WAY_MAX) {
        const some = found.slice(at, at + READS_UNDER_WAY_MAX);
        await Promise.all(some.map((each) => this.#load(each, nodes, children)));
      }
      pending = found.filter((each) => nodes.has(each));
    }
    return {
      node: (each) => nodes.get(each),
      children: (each) => children.get(each),
      walk: (each) => walk(each, nodes, children),
    };
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #load(path: string, nodes: Map<string, StoredNode>, children: Map<string, readonly string[]>): Promise<void> {
    try {
      const reading: [ReturnType<MetadataStore['get']>, ReturnType<MetadataStore['children']>] = [
        this.#store.get(path),
        this.#store.children(path),
      ];
      const [{ data, stat }, names] = await Promise.all(reading);
      nodes.set(path, { path, data, stat });
      children.set(path, names.toSorted());
    } catch (error) {
      if (!isMetadataError(error, 'NO_NODE', 'INVALID_PATH')) throw error;
    }
  }
}

function nothingAt(connect: string): StartError {
  const servers = connect.split('/')[0] ?? '';
  const message = `The ensemble holds nothing at the chroot of zookeeper.connect=${connect}: no broker has been there`;
  const hint = `\`millrace metadata ls / --override zookeeper.connect=${servers}\` lists what it holds`;
  return new StartError('START_CONFIG_INVALID', `${message}. ${hint}`);
}

function* walk(
  path: string,
  nodes: ReadonlyMap<string, StoredNode>,
  children: ReadonlyMap<string, readonly string[]>,
): Generator<StoredNode> {
  const node = nodes.get(path);
  if (node === undefined) return;
  yield node;
  for (const name of children.get(path) ?? [])
    yield* walk(path === '/' ? `/${name}` : `${path}/${name}`, nodes, children);
}

/** The root, and so on down to the path itself. */
function ancestorsOf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)];
}

/** The socket of the local cluster that has a store open. */
async function socketOf(folder: string): Promise<string | undefined> {
  const path = await readFile(`${folder}/${SOCKET_FILE}`, 'utf8').catch(() => undefined);
  if (path === undefined) return undefined;
  // The file of a parent that was killed is left behind, its lock is not.
  return (await isLocked(new NodeDisk(), `${folder}/.lock`)) ? path.trim() : undefined;
}
