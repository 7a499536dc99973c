import { type LogConfig, UNLIMITED } from '@millrace/log';
import {
  ignoreNoNode,
  isMetadataError,
  type MetadataStore,
  type Operation,
  type ReadOptions,
  type Version,
} from '@millrace/metadata';
import type { Clock, Random } from '@millrace/ports';
import { topicNameFault } from '../cluster/topic-name.ts';
import { BrokerFault } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import {
  DEFAULT_ENTITY,
  decodeConfig,
  decodeConfigChange,
  encodeConfig,
  encodeConfigChange,
  MalformedNodeError,
  paths,
} from '../store/znodes.ts';
import type { BrokerConfig } from './broker-config.ts';
import type { BrokerConfigLevel } from './definition.ts';
import { DynamicConfig } from './dynamic-config.ts';
import { isListenerSecret } from './listener-changes.ts';
import { ListenerSecrets } from './listener-secrets.ts';
import { type ConfigProperties, toLogConfig, withOverrides } from './topic-config.ts';

/** How often a change is tried again because somebody else changed the same configs in between. */
const CHANGE_ATTEMPTS_MAX = 10;

/** How long a notification of a change stays, so that a broker that was away for a moment still sees it (Kafka's 15 minutes). */
const CHANGE_NOTIFICATION_MS = 900_000;

/** Kafka's brokers take over some that these cannot, so they may have been left behind by one of those. */
const UNHEEDED =
  'Settings in the metadata store do not hold: a running broker does not take them over. Set them in its file of settings, start it again, and delete them there (kafka-configs --alter --delete-config)';

/** Whoever set them believes that clients are asked for more than they are. */
const UNSECURED =
  'Settings of security in the metadata store do not hold: the listeners are as open as they were, and this broker will not start with them. Set them in its file of settings, start it again, and delete them there (kafka-configs --alter --delete-config)';

function openWithout(path: string, names: readonly string[]): string {
  return (
    `The settings of this broker in the metadata store (${path}) are not honoured: ${names.join(', ')}. Apache Kafka takes them from ` +
    'there at its start, and without them this broker would be more open than one of Kafka. Set them in the file of settings, to the same ' +
    'values, and delete them there once the broker runs (kafka-configs --alter --delete-config).'
  );
}

const NOTHING: ConfigProperties = Object.freeze({});
/** Stands for what somebody has set and nobody can read. */
const UNREADABLE: ConfigProperties = Object.freeze({});
/** What holds for such a topic: it may be one that keeps its records for ever, and has none of them lost to an election. */
const KEPT: Pick<LogConfig, 'cleanupPolicy' | 'retentionBytes' | 'retentionMs' | 'uncleanLeaderElectionEnable'> = {
  cleanupPolicy: ['delete'],
  retentionBytes: UNLIMITED,
  retentionMs: UNLIMITED,
  uncleanLeaderElectionEnable: false,
};

/** What configs belong to. */
export type ConfigEntity =
  | { readonly type: 'topic'; readonly name: string }
  | { readonly type: 'broker'; readonly level: BrokerConfigLevel };

/** What a repository works with. */
export interface ConfigRepositoryOptions {
  readonly store: MetadataStore;
  /** The broker's own settings, from its file. */
  readonly config: BrokerConfig;
  readonly clock: Clock;
  /** For the salts of passwords that lie in the store. */
  readonly random: Random;
  readonly logger: Logger;
}

/** Computes what an entity's configs shall be from what they are; undefined leaves them. */
export type ConfigChange = (before: ConfigProperties) => ConfigProperties | undefined;

/**
 * The configs that hold on this broker: its own, and its topics'. It reads them from the metadata store, follows the
 * notifications of changes there, and tells the rooms of the broker that listen.
 */
export class ConfigRepository {
  readonly #store: MetadataStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #dynamic: DynamicConfig;
  readonly #brokerEntity: string;
  readonly #secrets: ListenerSecrets;
  readonly #topics = new Map<string, ConfigProperties>();
  readonly #logConfigs = new Map<string, LogConfig>();
  readonly #brokerListeners = new Set<(config: BrokerConfig, changed: readonly string[]) => void>();
  readonly #entityListeners = new Set<(entityPath: string) => Promise<void>>();
  readonly #topicListeners = new Set<(topic: string | undefined) => void>();
  #defaultLogConfig: LogConfig;
  #lastChange = '';
  /** How often topics' nodes had come or gone when all of them were read. */
  #topicNodesVersion: number | undefined;
  #following: Promise<void> = Promise.resolve();
  #stopped = false;
  #isStarted = false;

  constructor(options: ConfigRepositoryOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#dynamic = new DynamicConfig(options.config);
    this.#brokerEntity = String(options.config.brokerId);
    this.#secrets = new ListenerSecrets(options.config, options.random);
    this.#defaultLogConfig = toLogConfig(options.config.topicDefaults);
  }

  /** The broker's settings that hold now, with what was changed while it runs. Ask again rather than keep it. */
  get current(): BrokerConfig {
    return this.#dynamic.current;
  }

  /** The settings with their levels and synonyms. */
  get dynamic(): DynamicConfig {
    return this.#dynamic;
  }

  /**
   * Reads all configs and follows their changes from here on.
   * @throws MetadataError when the store cannot be read; MalformedNodeError when nobody can read what is set for this broker or for all
   */
  async start(): Promise<void> {
    // The watch comes before the reading, so that no change falls in between.
    const changes = await this.#watchChanges();
    this.#lastChange = changes.toSorted().at(-1) ?? '';
    await Promise.all([this.#reloadBroker('default'), this.#reloadBroker('broker')]);
    this.#isStarted = true;
    await this.#encodeAnew();
    this.#topicNodesVersion = (await this.#store.exists(paths.topicConfigs))?.childrenVersion;
    await this.loadTopics((await this.#store.children(paths.topicConfigs)).filter((name) => this.#isTopic(name)));
  }

  /**
   * The broker has registered, and is told from now on of topics that go. One that went after all were read, and another of its name that came,
   * may have its own configs, of which nothing is notified: where any has come or gone, they are read once more.
   * @throws MetadataError when the store cannot be read.
   */
  async registered(): Promise<void> {
    const version = (await this.#store.exists(paths.topicConfigs))?.childrenVersion;
    if (version === this.#topicNodesVersion) return;
    const reading = this.#following.then(() => this.#reloadTopics());
    this.#following = reading.catch(() => {});
    await reading;
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * The session with the store is a new one, and the watch ended with the old: reads what may have been changed meanwhile, and follows
   * changes again from there.
   * @throws MetadataError when the store cannot be read.
   */
  async sessionRenewed(): Promise<void> {
    const reading = this.#following.then(() => this.#readAnew());
    this.#following = reading.catch(() => {});
    await reading;
  }

  async #readAnew(): Promise<void> {
    const changes = await this.#watchChanges();
    this.#lastChange = changes.toSorted().at(-1) ?? '';
    await Promise.all([this.#reloadBroker('default'), this.#reloadBroker('broker')]);
    await this.#reloadTopics();
  }

  async #reloadTopics(): Promise<void> {
    await Promise.all([...this.#topics.keys()].map((topic) => this.#reload({ type: 'topic', name: topic })));
  }

  /** What is set on a topic itself. The topic must have been loaded; one that was not counts as having nothing set. */
  topicOverrides(topic: string): ConfigProperties {
    return this.#topics.get(topic) ?? NOTHING;
  }

  /** The configs of a topic's logs: its own, then the broker's. While nobody can read its own, nothing of it goes. */
  logConfig(topic: string): LogConfig {
    const overrides = this.topicOverrides(topic);
    if (overrides === UNREADABLE) return { ...this.#defaultLogConfig, ...KEPT };
    if (overrides === NOTHING) return this.#defaultLogConfig;
    let config = this.#logConfigs.get(topic);
    if (config === undefined) {
      config = toLogConfig(withOverrides(this.current.topicDefaults, overrides));
      this.#logConfigs.set(topic, config);
    }
    return config;
  }

  /** Reads the configs of topics that this broker has not met yet; to be awaited before their logs are opened. */
  async loadTopics(topics: Iterable<string>): Promise<void> {
    const missing = [...new Set(topics)].filter((topic) => !this.#topics.has(topic));
    await Promise.all(missing.map((topic) => this.#loadTopic(topic)));
  }

  /** Forgets a topic that was deleted. */
  forgetTopic(topic: string): void {
    this.#topics.delete(topic);
    this.#logConfigs.delete(topic);
  }

  /** Calls `listener` with the settings whenever some of them changed, and the names of those. */
  onBrokerConfig(listener: (config: BrokerConfig, changed: readonly string[]) => void): () => void {
    this.#brokerListeners.add(listener);
    return () => void this.#brokerListeners.delete(listener);
  }

  /** Calls `listener` with the path of every entity that a notification tells of, and waits for it: `users/alice`, `topics/t`. */
  onEntity(listener: (entityPath: string) => Promise<void>): () => void {
    this.#entityListeners.add(listener);
    return () => void this.#entityListeners.delete(listener);
  }

  /** Calls `listener` with the topic whose log config may have changed, undefined standing for all topics. */
  onTopicConfig(listener: (topic: string | undefined) => void): () => void {
    this.#topicListeners.add(listener);
    return () => void this.#topicListeners.delete(listener);
  }

  /**
   * Changes what is set on an entity, notifies all brokers, and resolves when the change holds here.
   * @throws MetadataError when the store cannot be written, or others keep changing the same entity.
   */
  async change(entity: ConfigEntity, change: ConfigChange): Promise<void> {
    const path = this.#pathOf(entity);
    for (let attempt = 1; ; attempt += 1) {
      const { properties, version } = await this.#read(path);
      const after = change(properties);
      if (after === undefined) return;
      try {
        const kept = hasSecrets(after) ? await this.#secrets.sealed(after) : after;
        await this.#store.multi([...writeConfig(path, kept, version), this.#notification(entity)]);
        break;
      } catch (error) {
        const wasOvertaken = isMetadataError(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE');
        if (!wasOvertaken || attempt === CHANGE_ATTEMPTS_MAX) throw error;
      }
    }
    await this.#reload(entity);
  }

  /** What is set on an entity according to the store, which may be newer than what this broker has read. */
  async stored(entity: ConfigEntity): Promise<ConfigProperties> {
    return (await this.#read(this.#pathOf(entity))).properties;
  }

  #pathOf(entity: ConfigEntity): string {
    return entity.type === 'topic'
      ? paths.topicConfig(entity.name)
      : paths.brokerConfig(this.#entityName(entity.level));
  }

  #entityName(level: BrokerConfigLevel): string {
    return level === 'default' ? DEFAULT_ENTITY : this.#brokerEntity;
  }

  #notification(entity: ConfigEntity): Operation {
    const entityPath = entity.type === 'topic' ? `topics/${entity.name}` : `brokers/${this.#entityName(entity.level)}`;
    return {
      type: 'create',
      path: paths.configChangePrefix,
      data: encodeConfigChange(entityPath),
      options: { sequential: true },
    };
  }

  /** A node that no topic may be called after is nobody's here. */
  #isTopic(name: string): boolean {
    const fault = topicNameFault(name);
    if (fault !== undefined) this.#logger.warn({ topic: name, fault }, 'Configs of no topic are passed over');
    return fault === undefined;
  }

  async #read(
    path: string,
    options: ReadOptions = {},
  ): Promise<{ properties: ConfigProperties; version: Version | undefined }> {
    try {
      const { data, stat } = await this.#store.get(path, options);
      const kept = decodeConfig(path, data);
      const properties = hasSecrets(kept) ? (await this.#secrets.opened(path, kept)).properties : kept;
      return { properties, version: { exactly: stat.version } };
    } catch (error) {
      if (isMetadataError(error, 'NO_NODE')) return { properties: NOTHING, version: undefined };
      throw error;
    }
  }

  async #reload(entity: ConfigEntity): Promise<void> {
    if (entity.type === 'broker') return this.#reloadBroker(entity.level);
    const before = this.topicOverrides(entity.name);
    await this.#loadTopic(entity.name);
    if (!isSame(before, this.topicOverrides(entity.name))) this.#tellTopics(entity.name);
  }

  async #loadTopic(topic: string): Promise<void> {
    const path = paths.topicConfig(topic);
    const reload = (): void => this.#next(() => this.#reload({ type: 'topic', name: topic }));
    // Where nobody can read it, what was known before holds on until it is mended.
    const properties = (await this.#readOrWatch(path, reload)) ?? this.#topics.get(topic) ?? UNREADABLE;
    this.#logConfigs.delete(topic);
    // Most topics have nothing set; they share one object.
    const isEmpty = properties !== UNREADABLE && Object.keys(properties).length === 0;
    this.#topics.set(topic, isEmpty ? NOTHING : properties);
  }

  /** Undefined where nobody can read a node; `mended` is called when it has changed. */
  async #readOrWatch(path: string, mended: () => void): Promise<ConfigProperties | undefined> {
    try {
      return (await this.#read(path)).properties;
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      this.#logger.error({ err }, 'Configs cannot be read; what was known before holds until they are mended');
    }
    try {
      // Nodes are many, and only such a one is watched. It may have been mended by now.
      return (await this.#read(path, { watch: mended })).properties;
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      return undefined;
    }
  }

  async #reloadBroker(level: BrokerConfigLevel): Promise<void> {
    const path = paths.brokerConfig(this.#entityName(level));
    // Without those a broker might be open that was to ask for logins: it does not start over what nobody can read.
    const properties = this.#isStarted
      ? await this.#readOrWatch(path, () => this.#next(() => this.#reloadBroker(level)))
      : (await this.#read(path)).properties;
    if (properties === undefined) return;
    // What is set so for all brokers Kafka passes over, too.
    const unsafe = level === 'broker' ? this.#dynamic.unheededSecurity(properties) : [];
    if (!this.#isStarted && unsafe.length > 0) {
      throw new BrokerFault('BROKER_SETTINGS_UNHEEDED', openWithout(path, unsafe));
    }
    const { changed, unheeded } = this.#dynamic.replace(level, properties);
    const told = unheeded.filter((name) => !unsafe.includes(name));
    if (told.length > 0) this.#logger.warn({ settings: told, of: level, path }, UNHEEDED);
    const lost = unheeded.filter((name) => unsafe.includes(name));
    if (lost.length > 0) this.#logger.error({ settings: lost, of: level, path }, UNSECURED);
    if (changed.length === 0) return;
    this.#logger.info({ changed, of: level }, 'Broker settings changed');
    this.#logConfigs.clear();
    this.#defaultLogConfig = toLogConfig(this.current.topicDefaults);
    for (const listener of this.#brokerListeners) listener(this.current, changed);
    this.#tellTopics(undefined);
  }

  #tellTopics(topic: string | undefined): void {
    for (const listener of this.#topicListeners) listener(topic);
  }

  /** What was encoded with `password.encoder.old.secret` is encoded with the new one, so that the old one can go. */
  async #encodeAnew(): Promise<void> {
    const path = paths.brokerConfig(this.#brokerEntity);
    if (!hasSecrets(this.#dynamic.properties('broker'))) return;
    const { data } = await this.#store.get(path);
    const { hasOld } = await this.#secrets.opened(path, decodeConfig(path, data));
    if (hasOld) await this.change({ type: 'broker', level: 'broker' }, (before) => ({ ...before }));
  }

  #watchChanges(): Promise<readonly string[]> {
    return this.#store.children(paths.configChanges, { watch: () => this.#follow() });
  }

  /** Notifications are taken one after the other, also when more come while the last are being read. */
  #follow(): void {
    this.#next(() => this.#takeChanges());
  }

  #next(task: () => Promise<void>): void {
    if (this.#stopped) return;
    this.#following = this.#following.then(task).catch((err: unknown) => {
      if (!this.#stopped) this.#logger.error({ err }, 'Cannot read changes of configs from the metadata store');
    });
  }

  async #takeChanges(): Promise<void> {
    const names = (await this.#watchChanges()).toSorted();
    const taken = this.#lastChange;
    for (const name of names.filter((each) => each > taken)) {
      const path = `${paths.configChanges}/${name}`;
      const node = await this.#store.get(path).catch(ignoreNoNode);
      this.#lastChange = name;
      if (node === undefined) continue;
      const entityPath = this.#changedIn(path, node.data);
      if (entityPath === undefined) continue;
      for (const listener of this.#entityListeners) await listener(entityPath);
      const entity = this.#entityOf(entityPath);
      if (entity !== undefined) await this.#reload(entity);
    }
    await this.#dropOldChanges(names.filter((each) => each <= taken));
  }

  /** Undefined for a notification that nobody can read: those behind it count all the same. */
  #changedIn(path: string, data: Buffer): string | undefined {
    try {
      return decodeConfigChange(path, data);
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      this.#logger.warn({ err }, 'A notification of changed configs cannot be read, and is passed over');
      return undefined;
    }
  }

  /** Removes the notifications that everybody has had time to see; any broker does it. */
  async #dropOldChanges(names: readonly string[]): Promise<void> {
    const nowMs = this.#clock.now();
    for (const name of names) {
      const path = `${paths.configChanges}/${name}`;
      const stat = await this.#store.exists(path);
      // They are in the order of their creation, so behind a young one there is none to remove.
      if (stat !== undefined && nowMs - stat.createdMs <= CHANGE_NOTIFICATION_MS) return;
      if (stat !== undefined) await this.#store.delete(path, 'any').catch(ignoreNoNode);
    }
  }

  /** The entity that a notification is about; undefined where it does not concern this broker. */
  #entityOf(entityPath: string): ConfigEntity | undefined {
    const [type, name, ...rest] = entityPath.split('/');
    if (name === undefined || rest.length > 0) return undefined;
    if (type === 'topics') return this.#topics.has(name) ? { type: 'topic', name } : undefined;
    if (type !== 'brokers') return undefined;
    if (name === DEFAULT_ENTITY) return { type: 'broker', level: 'default' };
    return name === this.#brokerEntity ? { type: 'broker', level: 'broker' } : undefined;
  }
}

function hasSecrets(properties: ConfigProperties): boolean {
  for (const name in properties) if (isListenerSecret(name)) return true;
  return false;
}

function writeConfig(path: string, config: ConfigProperties, version: Version | undefined): Operation[] {
  const data = encodeConfig(config);
  return version === undefined ? [{ type: 'create', path, data }] : [{ type: 'set', path, data, expected: version }];
}

function isSame(a: ConfigProperties, b: ConfigProperties): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
