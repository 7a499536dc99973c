import type { Logger } from '../shared/logger.ts';
import type { EntityConfigs } from '../store/entity-configs.ts';
import { desanitized, sanitized } from '../store/entity-names.ts';
import { DEFAULT_ENTITY } from '../store/znodes.ts';
import type { CredentialShape, ShapeAt } from './login/invented-credential.ts';
import {
  credentialOf,
  decodeCredential,
  encodeCredential,
  SCRAM_MECHANISMS,
  type ScramCredential,
  type ScramMechanism,
} from './login/scram-credential.ts';

/** What the users of a cluster are kept with. */
export interface UserCredentialsOptions {
  readonly entities: EntityConfigs;
  readonly logger: Logger;
}

type Credentials = ReadonlyMap<ScramMechanism, ScramCredential>;

/** One change of a user's credentials: a new one, or none any more. */
export interface CredentialChange {
  readonly mechanism: ScramMechanism;
  readonly credential: ScramCredential | undefined;
}

/** The SCRAM credentials of users, which share their nodes with quotas. In memory they are always whole. */
export class UserCredentials {
  readonly #options: UserCredentialsOptions;
  readonly #users = new Map<string, Credentials>();
  /** Made when somebody asks, and forgotten with every change. */
  readonly #shapes = new Map<ScramMechanism, readonly CredentialShape[]>();

  constructor(options: UserCredentialsOptions) {
    this.#options = options;
    options.entities.onEntity((entityPath, config) => this.#take(entityPath, config));
  }

  find(user: string, mechanism: ScramMechanism): ScramCredential | undefined {
    return this.#users.get(user)?.get(mechanism);
  }

  /** The shapes of what users have, in order, so that what is invented for others can look the same. */
  readonly shapeAt: ShapeAt = (mechanism, share) => {
    let shapes = this.#shapes.get(mechanism);
    if (shapes === undefined) {
      shapes = this.#shapesOf(mechanism);
      this.#shapes.set(mechanism, shapes);
    }
    return shapes[Math.floor(share * shapes.length)];
  };

  #shapesOf(mechanism: ScramMechanism): readonly CredentialShape[] {
    const shapes: CredentialShape[] = [];
    for (const credentials of this.#users.values()) {
      const { iterations, salt } = credentials.get(mechanism) ?? {};
      if (iterations !== undefined && salt !== undefined) shapes.push({ iterations, saltBytes: salt.length });
    }
    return shapes.sort((a, b) => a.iterations - b.iterations || a.saltBytes - b.saltBytes);
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
  change(user: string, changes: readonly CredentialChange[]): Promise<void> {
    return this.#options.entities.change(`users/${sanitized(user)}`, (before) => {
      const after = { ...before };
      for (const { mechanism, credential } of changes) {
        if (credential === undefined) delete after[mechanism];
        else after[mechanism] = encodeCredential(credential);
      }
      return after;
    });
  }

  #take(entityPath: string, config: Readonly<Record<string, string>>): void {
    const [type, part = '', ...rest] = entityPath.split('/');
    if (type !== 'users' || part === DEFAULT_ENTITY || rest.length > 0) return;
    const user = desanitized(part);
    if (user === undefined) return;
    const credentials = new Map<ScramMechanism, ScramCredential>();
    for (const mechanism of SCRAM_MECHANISMS) {
      const text = config[mechanism];
      const credential = text === undefined ? undefined : this.#decode(user, mechanism, text);
      if (credential !== undefined) credentials.set(mechanism, credential);
    }
    this.#shapes.clear();
    if (credentials.size === 0) this.#users.delete(user);
    else this.#users.set(user, credentials);
  }

  /** Who has one that nobody can read cannot log in; the others can. */
  #decode(user: string, mechanism: ScramMechanism, text: string): ScramCredential | undefined {
    try {
      return decodeCredential(mechanism, text);
    } catch (err) {
      this.#options.logger.error(
        { err, user, path: `/config/users/${sanitized(user)}` },
        `The credentials of user ${user} cannot be read; he cannot log in with them until they are set anew`,
      );
      return undefined;
    }
  }
}
