import { isMetadataError, type MetadataStore, type Operation, type Version } from '@millrace/metadata';
import type { Logger } from '../shared/logger.ts';
import { DEFAULT_ENTITY, decodeConfig, encodeConfig, encodeConfigChange, paths } from '../store/znodes.ts';
import {
  credentialOf,
  decodeCredential,
  encodeCredential,
  SCRAM_MECHANISMS,
  type ScramCredential,
  type ScramMechanism,
} from './login/scram-credential.ts';
import { desanitized, sanitized } from './names.ts';

const USERS = '/config/users';
/** How often a change is tried again because somebody else changed the same user in between. */
const CHANGE_ATTEMPTS_MAX = 10;

/** What the users of a cluster are kept with. */
export interface UserCredentialsOptions {
  readonly store: MetadataStore;
  readonly logger: Logger;
}

type Credentials = ReadonlyMap<ScramMechanism, ScramCredential>;

/** One change of a user's credentials: a new one, or none any more. */
export interface CredentialChange {
  readonly mechanism: ScramMechanism;
  readonly credential: ScramCredential | undefined;
}

/** The SCRAM credentials in `/config/users`, which quotas share, as Kafka keeps them. In memory they are always whole. */
export class UserCredentials {
  readonly #options: UserCredentialsOptions;
  readonly #users = new Map<string, Credentials>();

  constructor(options: UserCredentialsOptions) {
    this.#options = options;
  }

  /** Reads all users; to be called again when notifications may have been missed. @throws MetadataError */
  async load(): Promise<void> {
    const parts = await this.#options.store.children(USERS);
    const names = parts.flatMap((part) => (part === DEFAULT_ENTITY ? [] : (desanitized(part) ?? [])));
    for (const known of [...this.#users.keys()]) if (!names.includes(known)) this.#users.delete(known);
    await Promise.all(names.map((name) => this.#reload(name)));
  }

  /** Takes up a change that a notification tells of: `users/<name>`. Other paths are nobody's here. */
  async changed(entityPath: string): Promise<void> {
    const [type, part, ...rest] = entityPath.split('/');
    const name = type === 'users' && part !== undefined && rest.length === 0 ? desanitized(part) : undefined;
    if (name !== undefined && part !== DEFAULT_ENTITY) await this.#reload(name);
  }

  find(user: string, mechanism: ScramMechanism): ScramCredential | undefined {
    return this.#users.get(user)?.get(mechanism);
  }

  /** The users that have credentials, with them. */
  get all(): ReadonlyMap<string, Credentials> {
    return this.#users;
  }

  /** Gives a user a password for each of some mechanisms; `salted` hashes it for one. @throws MetadataError */
  setPassword(
    user: string,
    mechanisms: readonly ScramMechanism[],
    salted: (mechanism: ScramMechanism) => Parameters<typeof credentialOf>[1],
  ): Promise<void> {
    return this.change(
      user,
      mechanisms.map((mechanism) => ({ mechanism, credential: credentialOf(mechanism, salted(mechanism)) })),
    );
  }

  /**
   * Changes a user's credentials, tells the other brokers, and resolves when the change holds here.
   * @throws MetadataError when the store cannot be written, or others keep changing the same user.
   */
  async change(user: string, changes: readonly CredentialChange[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#write(user, changes);
        break;
      } catch (error) {
        const mayTry = isMetadataError(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE', 'NOT_EMPTY', 'CONNECTION_LOSS');
        if (!mayTry || attempt === CHANGE_ATTEMPTS_MAX) throw error;
      }
    }
    await this.#reload(user);
  }

  async #write(user: string, changes: readonly CredentialChange[]): Promise<void> {
    const { store } = this.#options;
    const path = `${USERS}/${sanitized(user)}`;
    const { config, version, childCount } = await this.#read(path);
    const after = { ...config };
    for (const { mechanism, credential } of changes) {
      if (credential === undefined) delete after[mechanism];
      else after[mechanism] = encodeCredential(credential);
    }
    await store.multi([
      ...writeNode(path, after, version, childCount),
      {
        type: 'create',
        path: paths.configChangePrefix,
        data: encodeConfigChange(`users/${sanitized(user)}`),
        options: { sequential: true },
      },
    ]);
  }

  async #read(
    path: string,
  ): Promise<{ config: Record<string, string>; version: Version | undefined; childCount: number }> {
    try {
      const { data, stat } = await this.#options.store.get(path);
      return { config: decodeConfig(path, data), version: { exactly: stat.version }, childCount: stat.childCount };
    } catch (error) {
      if (isMetadataError(error, 'NO_NODE')) return { config: {}, version: undefined, childCount: 0 };
      throw error;
    }
  }

  async #reload(user: string): Promise<void> {
    const { config } = await this.#read(`${USERS}/${sanitized(user)}`);
    const credentials = new Map<ScramMechanism, ScramCredential>();
    for (const mechanism of SCRAM_MECHANISMS) {
      const text = config[mechanism];
      const credential = text === undefined ? undefined : this.#decode(user, text);
      if (credential !== undefined) credentials.set(mechanism, credential);
    }
    if (credentials.size === 0) this.#users.delete(user);
    else this.#users.set(user, credentials);
  }

  /** Who has one that nobody can read cannot log in; the others can. */
  #decode(user: string, text: string): ScramCredential | undefined {
    try {
      return decodeCredential(text);
    } catch (err) {
      this.#options.logger.error(
        { err, user },
        `The credentials of user ${user} cannot be read; he cannot log in with them`,
      );
      return undefined;
    }
  }
}

/** An empty node goes, unless something lies below it (`AdminZkClient.tryCleanQuotaNodes`). */
function writeNode(
  path: string,
  config: Readonly<Record<string, string>>,
  version: Version | undefined,
  childCount: number,
): Operation[] {
  const isEmpty = Object.keys(config).length === 0;
  if (version === undefined) return isEmpty ? [] : [{ type: 'create', path, data: encodeConfig(config) }];
  if (isEmpty && childCount === 0) return [{ type: 'delete', path, expected: version }];
  return [{ type: 'set', path, data: encodeConfig(config), expected: version }];
}
