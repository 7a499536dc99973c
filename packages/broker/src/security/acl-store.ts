import { isMetadataError, type MetadataStore, type Operation, type Version } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';
import { ChangeFeed } from '../store/change-feed.ts';
import { MalformedNodeError } from '../store/znodes.ts';
import { type AccessRule, RESOURCE_TYPES, type ResourcePattern } from './acl.ts';
import {
  ACL_TREES,
  type AclTree,
  aclPath,
  decodeAclChange,
  decodeRules,
  encodeAclChange,
  encodeRules,
  pathsOf,
  treeOf,
} from './acl-nodes.ts';

/** How often a change is tried again because somebody else changed the same pattern in between (`AclAuthorizer.maxUpdateRetries`). */
const CHANGE_ATTEMPTS_MAX = 10;

/** What a store of rules works with. */
export interface AclStoreOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of what holds on a pattern from now on; undefined where there are rules that nobody can read. */
  readonly onRules: (pattern: ResourcePattern, rules: readonly AccessRule[] | undefined) => void;
  /** The patterns that are known now, so that those which have gone meanwhile are found. */
  readonly known: () => Iterable<ResourcePattern>;
}

/** What a node holds; no version where there is none. */
interface ReadRules {
  readonly rules: readonly AccessRule[];
  readonly version: Version | undefined;
}

/**
 * The rules in the metadata store: read as a whole once, then as notifications tell, and changed by version. A node that nobody can read
 * holds up no other; it is watched until it is mended, for whoever mends it may tell nobody.
 */
export class AclStore {
  readonly #options: AclStoreOptions;
  /** One for each tree: no pattern is in both, so that neither waits for the other. */
  readonly #feeds: ReadonlyMap<AclTree, ChangeFeed>;
  /** Paths of nodes that nobody can read, and of those among them that have gone since; with whether a watch is set. */
  readonly #hurt = new Map<string, boolean>();
  #forget: (() => void) | undefined;

  constructor(options: AclStoreOptions) {
    this.#options = options;
    const { store, clock, logger } = options;
    const feedOf = (tree: AclTree): ChangeFeed =>
      new ChangeFeed({
        ...{ store, clock, logger, paths: pathsOf(tree), what: 'Access rules' },
        readAll: () => this.#readTree(tree),
        take: (data, path) => this.#take(tree, path, data),
      });
    this.#feeds = new Map(ACL_TREES.map((tree) => [tree, feedOf(tree)]));
  }

  /** Reads all rules, and follows their changes from here on. @throws MetadataError */
  async start(): Promise<void> {
    for (const feed of this.#feeds.values()) await feed.start();
    // Watches end with a session; the feeds read everything anew then, and what is damaged is watched again.
    this.#forget = this.#options.store.onSession((state) => {
      if (state === 'expired') this.#hurt.clear();
    });
  }

  stop(): void {
    for (const feed of this.#feeds.values()) feed.stop();
    this.#forget?.();
  }

  /**
   * Changes the rules on a pattern and tells the other brokers; `compute` gives undefined to leave them.
   * @throws MetadataError when the store cannot be written, or others keep changing the same pattern; MalformedNodeError when nobody can
   * read what is there: it is not written over, for it may be what denies.
   */
  async change(
    pattern: ResourcePattern,
    compute: (before: readonly AccessRule[]) => readonly AccessRule[] | undefined,
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { rules, version } = await this.#readForChange(pattern);
      const after = compute(rules);
      if (after === undefined) return;
      try {
        await this.#write(pattern, after, version, after.length !== rules.length);
        this.#options.onRules(pattern, after);
        return;
      } catch (error) {
        const mayTry = isMetadataError(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE', 'CONNECTION_LOSS');
        if (!mayTry || attempt === CHANGE_ATTEMPTS_MAX) throw error;
      }
    }
  }

  async #write(
    pattern: ResourcePattern,
    rules: readonly AccessRule[],
    version: Version | undefined,
    hasChanged: boolean,
  ): Promise<void> {
    const path = aclPath(pattern);
    const operations: Operation[] = [];
    if (version === undefined && rules.length > 0) operations.push({ type: 'create', path, data: encodeRules(rules) });
    else if (version !== undefined && rules.length === 0) operations.push({ type: 'delete', path, expected: version });
    else if (version !== undefined) operations.push({ type: 'set', path, data: encodeRules(rules), expected: version });
    if (operations.length === 0) return;
    // As in Kafka, a rule that was there already writes the node anew, and nobody is told.
    if (hasChanged) {
      operations.push({
        type: 'create',
        path: `${treeOf(pattern).changes}/acl_changes_`,
        data: encodeAclChange(pattern),
        options: { sequential: true },
      });
    }
    await this.#options.store.multi(operations);
  }

  async #read(pattern: ResourcePattern): Promise<ReadRules> {
    const path = aclPath(pattern);
    const node = await this.#options.store.get(path).catch(ignoring('NO_NODE'));
    if (node === undefined) return { rules: [], version: undefined };
    return { rules: decodeRules(path, node.data), version: { exactly: node.stat.version } };
  }

  /** That nobody can read a node may be found out here first. */
  async #readForChange(pattern: ResourcePattern): Promise<ReadRules> {
    try {
      return await this.#read(pattern);
    } catch (error) {
      if (error instanceof MalformedNodeError) await this.#reload(pattern);
      throw error;
    }
  }

  async #readTree(tree: AclTree): Promise<void> {
    const found = new Set<string>();
    for (const type of RESOURCE_TYPES) {
      const names = await this.#options.store.children(`${tree.root}/${type}`);
      const patterns = names.map((name): ResourcePattern => ({ type, name, isPrefix: tree.isPrefix }));
      for (const pattern of patterns) found.add(aclPath(pattern));
      await Promise.all(patterns.map((pattern) => this.#reload(pattern)));
    }
    const gone = [...this.#options.known()].filter(
      (pattern) => treeOf(pattern) === tree && !found.has(aclPath(pattern)),
    );
    for (const pattern of gone) this.#options.onRules(pattern, []);
  }

  /** What a notification tells. Where nobody can read it, it may be about any pattern. */
  async #take(tree: AclTree, path: string, data: Buffer): Promise<void> {
    let pattern: ResourcePattern;
    try {
      pattern = decodeAclChange(path, data);
    } catch (err) {
      const message = 'A notification of changed access rules cannot be read; all are read anew';
      this.#options.logger.error({ err, path }, message);
      return this.#readTree(tree);
    }
    await this.#reload(pattern);
  }

  async #reload(pattern: ResourcePattern): Promise<void> {
    const path = aclPath(pattern);
    const wasHurt = this.#hurt.has(path);
    if (wasHurt) await this.#watchNode(path, pattern);
    let rules = await this.#readable(pattern);
    if (rules === undefined && !wasHurt) {
      this.#hurt.set(path, false);
      await this.#watchNode(path, pattern);
      // It may have been mended before the watch was set.
      rules = await this.#readable(pattern);
    }
    // One that has gone may be made anew by who mends it so, and stays watched.
    if (rules !== undefined && rules.length > 0 && this.#hurt.delete(path)) {
      this.#options.logger.info({ path }, `The access rules in ${path} can be read again, and hold from now on`);
    }
    this.#options.onRules(pattern, rules);
  }

  /** The rules on a pattern; undefined, and said in the log, where nobody can read them. */
  async #readable(pattern: ResourcePattern): Promise<readonly AccessRule[] | undefined> {
    try {
      return (await this.#read(pattern)).rules;
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      const { path } = err;
      const what = `The access rules in ${path} cannot be read: what they are about is denied to all but super users`;
      this.#options.logger.error({ err, path }, `${what}, until the node is repaired or removed`);
      return undefined;
    }
  }

  /** Has a node looked at again when it changes, goes or comes; one watch is enough. */
  async #watchNode(path: string, pattern: ResourcePattern): Promise<void> {
    if (this.#hurt.get(path) === true) return;
    this.#hurt.set(path, true);
    const watch = (): void => {
      if (this.#hurt.has(path)) this.#hurt.set(path, false);
      this.#feeds.get(treeOf(pattern))?.inTurn(() => this.#reload(pattern));
    };
    try {
      await this.#options.store.exists(path, { watch });
    } catch (error) {
      this.#hurt.set(path, false);
      throw error;
    }
  }
}

function ignoring(code: 'NO_NODE'): (error: unknown) => undefined {
  return (error) => {
    if (isMetadataError(error, code)) return undefined;
    throw error;
  };
}
