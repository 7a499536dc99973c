import type { Random } from '@millrace/ports';
import { MalformedNodeError } from '../store/znodes.ts';
import type { BrokerConfig } from './broker-config.ts';
import { isListenerSecret } from './listener-changes.ts';
import { DEFAULT_KEY_FACTORY, PasswordEncoder } from './password-encoder.ts';
import type { ConfigProperties } from './topic-config.ts';

/** What was read of a node, with its passwords as they are meant. */
interface OpenedProperties {
  readonly properties: ConfigProperties;
  /** Whether some lie in the store as the old secret encodes them. */
  readonly hasOld: boolean;
}

/** Passwords and keys of listeners that were set while the broker runs: encoded in the store, and as they are meant in memory. */
export class ListenerSecrets {
  readonly #encoder: PasswordEncoder | undefined;

  constructor(config: BrokerConfig, random: Random) {
    const { passwordEncoderSecret: secret } = config;
    this.#encoder =
      secret === null
        ? undefined
        : new PasswordEncoder(
            {
              secret,
              oldSecret: config.passwordEncoderOldSecret,
              keyFactory: config.passwordEncoderKeyfactoryAlgorithm ?? DEFAULT_KEY_FACTORY,
              cipher: config.passwordEncoderCipherAlgorithm,
              keyLength: config.passwordEncoderKeyLength,
              iterations: config.passwordEncoderIterations,
            },
            random,
          );
  }

  /** @throws MalformedNodeError, since whoever passes a password over shows another certificate than he was told to */
  async opened(path: string, properties: ConfigProperties): Promise<OpenedProperties> {
    const opened: Record<string, string> = { ...properties };
    let hasOld = false;
    for (const [name, encoded] of Object.entries(properties)) {
      if (!isListenerSecret(name)) continue;
      try {
        if (this.#encoder === undefined) throw new TypeError('password.encoder.secret is not set');
        const { password, isOld } = await this.#encoder.decode(encoded);
        opened[name] = password;
        hasOld ||= isOld;
      } catch (cause) {
        throw new MalformedNodeError(path, cause, unreadable(name, path, cause));
      }
    }
    return { properties: opened, hasOld };
  }

  /** @throws TypeError where there is no secret to encode with, which nothing gets so far */
  async sealed(properties: ConfigProperties): Promise<ConfigProperties> {
    const sealed: Record<string, string> = { ...properties };
    for (const [name, password] of Object.entries(properties)) {
      if (!isListenerSecret(name)) continue;
      if (this.#encoder === undefined) {
        throw new TypeError(`${name} cannot be kept: password.encoder.secret is not set`);
      }
      sealed[name] = await this.#encoder.encode(password);
    }
    return sealed;
  }
}

function unreadable(name: string, path: string, cause: unknown): string {
  const why = cause instanceof Error ? cause.message : String(cause);
  const todo =
    'Set password.encoder.secret to the secret that it was set under, or that one as password.encoder.old.secret';
  return `${name}, which lies encoded in the metadata node ${path}, cannot be read: ${why}. ${todo}; or remove the setting from the node.`;
}
