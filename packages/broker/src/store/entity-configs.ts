import {
  ignoreNoNode,
  isMetadataError,
  type MetadataStore,
  type Operation,
  type ReadOptions,
  type Version,
} from '@millrace/metadata';
import type { Logger } from '../shared/logger.ts';
import { decodeConfig, encodeConfig, encodeConfigChange, MalformedNodeError, paths } from './znodes.ts';

/** How often a change is tried again because somebody else changed the same entity in between. */
const CHANGE_ATTEMPTS_MAX = 10;

const ENTITY_PATH = /^(users|clients|ips)\/[^/]+$|^users\/[^/]+\/clients\/[^/]+$/;

type Properties = Readonly<Record<string, string>>;

/** Told of what is set on an entity, `users/alice` for example; nothing is set where it is gone. */
export type EntityListener = (entityPath: string, config: Properties) => void;

interface Node {
  readonly config: Properties;
  readonly version: Version | undefined;
  readonly childCount: number;
}

const MISSING: Node = { config: {}, version: undefined, childCount: 0 };

/**
 * What is set on users, on client ids, on client ids of users, and on addresses: credentials and quotas, which share nodes below
 * `/config` as Kafka keeps them. Who needs something of it listens.
 */
export class EntityConfigs {
  readonly #store: MetadataStore;
  readonly #logger: Logger;
  readonly #listeners = new Set<EntityListener>();
  readonly #known = new Set<string>();

  constructor(store: MetadataStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Calls `listener` with every entity that is read, now and later. */
  onEntity(listener: EntityListener): void {
    this.#listeners.add(listener);
  }

  /** Reads all entities; to be called again when notifications may have been missed. @throws MetadataError */
  async load(): Promise<void> {
    const found = new Set<string>();
    for (const type of ['users', 'clients', 'ips']) {
      const names = await this.#store.children(`/config/${type}`).catch(ignoreNoNode);
      await Promise.all((names ?? []).map((name) => this.#loadOne(`${type}/${name}`, found)));
    }
    for (const path of [...this.#known]) if (!found.has(path)) this.#tell(path, {});
  }

  /** Takes up a change that a notification tells of. Other paths are nobody's here. */
  async changed(entityPath: string): Promise<void> {
    if (ENTITY_PATH.test(entityPath)) await this.#reload(entityPath);
  }

  /**
   * Changes what is set on an entity, tells the other brokers, and resolves when the change holds here.
   * @throws MetadataError when the store cannot be written, or others keep changing the same entity.
   */
  async change(entityPath: string, change: (before: Properties) => Properties): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#write(entityPath, change);
        break;
      } catch (error) {
        const mayTry = isMetadataError(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE', 'NOT_EMPTY', 'CONNECTION_LOSS');
        if (!mayTry || attempt === CHANGE_ATTEMPTS_MAX) throw error;
      }
    }
    await this.#reload(entityPath);
  }

  async #loadOne(entityPath: string, found: Set<string>): Promise<void> {
    found.add(entityPath);
    const node = await this.#reload(entityPath);
    if (node?.childCount === 0 || !entityPath.startsWith('users/')) return;
    const clients = await this.#store.children(`/config/${entityPath}/clients`).catch(ignoreNoNode);
    await Promise.all(
      (clients ?? []).map(async (client) => {
        const path = `${entityPath}/clients/${client}`;
        found.add(path);
        await this.#reload(path);
      }),
    );
  }

  /** Resolves with what it found; where nobody can read the node, what was known before holds, and it is taken up when it is mended. */
  async #reload(entityPath: string): Promise<Node | undefined> {
    const path = `/config/${entityPath}`;
    const mended = (): void => {
      this.#reload(entityPath).catch((err: unknown) => this.#logger.error({ err, path }, 'A node cannot be read anew'));
    };
    // Nodes are many, and only one that is damaged is watched. It may have been mended by the second look.
    for (const options of [{}, { watch: mended }]) {
      try {
        const node = await this.#read(path, options);
        this.#tell(entityPath, node.config);
        return node;
      } catch (err) {
        if (!(err instanceof MalformedNodeError)) throw err;
        this.#logger.error({ err }, 'What is set on a user or a client cannot be read; what was known before holds');
      }
    }
    return undefined;
  }

  #tell(entityPath: string, config: Properties): void {
    if (Object.keys(config).length === 0) this.#known.delete(entityPath);
    else this.#known.add(entityPath);
    for (const listener of this.#listeners) listener(entityPath, config);
  }

  async #write(entityPath: string, change: (before: Properties) => Properties): Promise<void> {
    const path = `/config/${entityPath}`;
    const node = await this.#read(path);
    const after = change(node.config);
    const writes = await (Object.keys(after).length === 0 && node.childCount === 0
      ? this.#removal(path, node)
      : this.#setting(path, node, after));
    if (writes.length === 0) return;
    const data = encodeConfigChange(entityPath);
    await this.#store.multi([
      ...writes,
      { type: 'create', path: paths.configChangePrefix, data, options: { sequential: true } },
    ]);
  }

  async #setting(path: string, { version }: Node, config: Properties): Promise<Operation[]> {
    const data = encodeConfig(config);
    if (version !== undefined) return [{ type: 'set', path, data, expected: version }];
    const parents: Operation[] = [];
    for (const parent of parentsOf(path)) {
      const isThere = (await this.#store.exists(parent)) !== undefined;
      if (!isThere) parents.push({ type: 'create', path: parent, data: Buffer.alloc(0) });
    }
    return [...parents, { type: 'create', path, data }];
  }

  /** A node with nothing in it goes, and those above it that were there for its sake (`AdminZkClient.tryCleanQuotaNodes`). */
  async #removal(path: string, { version }: Node): Promise<Operation[]> {
    if (version === undefined) return [];
    const removals: Operation[] = [{ type: 'delete', path, expected: version }];
    const [user, clients] = parentsOf(path);
    if (user === undefined || clients === undefined) return removals;
    if ((await this.#store.children(clients)).length > 1) return removals;
    removals.push({ type: 'delete', path: clients, expected: 'any' });
    const above = await this.#read(user);
    const isForItsSake = Object.keys(above.config).length === 0 && above.childCount <= 1;
    if (isForItsSake && above.version !== undefined) {
      removals.push({ type: 'delete', path: user, expected: above.version });
    }
    return removals;
  }

  async #read(path: string, options: ReadOptions = {}): Promise<Node> {
    try {
      const { data, stat } = await this.#store.get(path, options);
      return { config: decodeConfig(path, data), version: { exactly: stat.version }, childCount: stat.childCount };
    } catch (error) {
      if (isMetadataError(error, 'NO_NODE')) return MISSING;
      throw error;
    }
  }
}

/** The user's node and the one of its clients, above a client of a user; none above others. */
function parentsOf(path: string): string[] {
  const [, root, type, name, clients, client] = path.split('/');
  return client === undefined ? [] : [`/${root}/${type}/${name}`, `/${root}/${type}/${name}/${clients}`];
}
