/**
 * How each listener is secured: settings of `ssl.*` and `sasl.*`, which `listener.name.<name>.` in front makes one listener's, and
 * `listener.name.<name>.<mechanism>.` one mechanism's. Whatever cannot be honoured is a problem, and the broker does not start.
 */
import { brokerConfigTable } from './broker-definitions.ts';
import { LIMITS_PER_LISTENER } from './connection-limits.ts';
import { type JaasEntry, parseJaas } from './jaas.ts';
import type { ListenerEndpoint } from './listeners.ts';
import {
  OAUTH_SETTINGS,
  type OauthSource,
  type OwnTokens,
  ownTokensOf,
  type TokenSettings,
  tokenSettingsOf,
} from './oauth-settings.ts';
import type { ConfigProperties } from './topic-config.ts';
import { parseConfigValue } from './values.ts';

/** A login by user name and password. */
export interface NamedLogin {
  readonly username: string;
  readonly password: string;
}

/** What one SASL mechanism of one listener works with. */
export interface MechanismSettings {
  /** The users that PLAIN knows, with their passwords. */
  readonly users: ReadonlyMap<string, string>;
  /** Who this broker is at other brokers; undefined where it does not say. */
  readonly login: NamedLogin | undefined;
  /** `connections.max.reauth.ms`: how long a login holds; 0 for ever. */
  readonly sessionMsMax: number;
  /** Whose tokens are taken; for OAUTHBEARER alone. */
  readonly tokens?: TokenSettings | undefined;
  /** Where this broker has its own tokens from; for OAUTHBEARER alone, and undefined where it does not say. */
  readonly ownTokens?: OwnTokens | undefined;
}

/** What a listener with SASL works with. */
export interface SaslSettings {
  readonly mechanisms: ReadonlyMap<string, MechanismSettings>;
  /** `connection.failed.authentication.delay.ms`. */
  readonly failureDelayMs: number;
  /** `sasl.server.max.receive.size`. */
  readonly receiveBytesMax: number;
}

/** What a listener with TLS works with: texts as they are set, for whoever reads the files. */
export interface SslSettings {
  readonly keystoreType: string | null;
  readonly keystoreLocation: string | null;
  readonly keystorePassword: string | null;
  readonly keystoreKey: string | null;
  readonly keystoreCertificateChain: string | null;
  readonly keyPassword: string | null;
  readonly truststoreType: string | null;
  readonly truststoreLocation: string | null;
  readonly truststorePassword: string | null;
  readonly truststoreCertificates: string | null;
  readonly clientAuth: 'none' | 'requested' | 'required';
  readonly enabledProtocols: readonly string[];
  readonly cipherSuites: readonly string[];
  readonly principalMappingRules: string;
  /** Whether a certificate that takes the place of another while the broker runs may have another subject, or fewer names (KIP-978). */
  readonly allowsDnChanges: boolean;
  readonly allowsSanChanges: boolean;
  /** Whether brokers look for the host's name in each other's certificates. */
  readonly verifiesHost: boolean;
}

/** How one listener is secured. */
export interface ListenerSecurity {
  readonly ssl: SslSettings | undefined;
  readonly sasl: SaslSettings | undefined;
}

/** Mechanisms that are served here. */
export const SERVED_MECHANISMS: readonly string[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'];

const MODULES: Readonly<Record<string, string>> = {
  PLAIN: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  OAUTHBEARER: 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule',
};

/** Settings of TLS that are honoured, for all listeners or for one. */
export const HONOURED_SSL: readonly string[] = [
  'ssl.keystore.type',
  'ssl.keystore.location',
  'ssl.keystore.password',
  'ssl.keystore.key',
  'ssl.keystore.certificate.chain',
  'ssl.key.password',
  'ssl.truststore.type',
  'ssl.truststore.location',
  'ssl.truststore.password',
  'ssl.truststore.certificates',
  'ssl.client.auth',
  'ssl.enabled.protocols',
  'ssl.cipher.suites',
  'ssl.principal.mapping.rules',
  'ssl.endpoint.identification.algorithm',
  'ssl.allow.dn.changes',
  'ssl.allow.san.changes',
];

/** Settings of logins that are honoured. */
export const HONOURED_SASL: readonly string[] = [
  'sasl.enabled.mechanisms',
  'sasl.server.max.receive.size',
  'sasl.mechanism.inter.broker.protocol',
  'connections.max.reauth.ms',
  ...OAUTH_SETTINGS,
];

/** They say how tickets of Kerberos are renewed and let nobody in: without GSSAPI they mean as little as in Kafka. */
export const KERBEROS_TICKETS: readonly string[] = [
  'sasl.kerberos.kinit.cmd',
  'sasl.kerberos.min.time.before.relogin',
  'sasl.kerberos.ticket.renew.jitter',
  'sasl.kerberos.ticket.renew.window.factor',
];

const PER_LISTENER: ReadonlySet<string> = new Set([
  ...HONOURED_SSL,
  ...LIMITS_PER_LISTENER,
  'sasl.enabled.mechanisms',
  'sasl.server.max.receive.size',
  'connections.max.reauth.ms',
  ...OAUTH_SETTINGS,
]);
const PER_MECHANISM: ReadonlySet<string> = new Set(['sasl.jaas.config', 'connections.max.reauth.ms']);
/** Beside those, of OAUTHBEARER. */
const OF_TOKENS: ReadonlySet<string> = new Set([
  'sasl.server.callback.handler.class',
  'sasl.login.callback.handler.class',
  ...OAUTH_SETTINGS,
]);

/** A setting of one listener: the listener's name, and the setting's. */
export const LISTENER_SETTING = /^listener\.name\.([^.]+)\.(.+)$/;

type Report = (name: string, message: string) => void;

/** What settings mean for each listener, by its name. Problems are told to `report`. */
export function securityOfListeners(
  properties: ConfigProperties,
  endpoints: readonly ListenerEndpoint[],
  report: Report,
): ReadonlyMap<string, ListenerSecurity> {
  // Where listeners cannot be read, that is what there is to say.
  if (endpoints.length > 0) reportForeign(properties, endpoints, report);
  return new Map(
    endpoints.map(({ name, securityProtocol }): [string, ListenerSecurity] => {
      const settings = new ListenerSettings(name, properties, report);
      const usesTls = securityProtocol === 'SSL' || securityProtocol === 'SASL_SSL';
      const usesSasl = securityProtocol.startsWith('SASL_');
      return [
        name,
        {
          ssl: usesTls ? sslOf(settings, usesSasl) : undefined,
          sasl: usesSasl ? saslOf(settings) : undefined,
        },
      ];
    }),
  );
}

/** Whether a name is one of a listener's settings, so that its value may hold a secret. */
export function isListenerSetting(name: string): boolean {
  return LISTENER_SETTING.test(name);
}

/** Settings for listeners that are not there, and those that are not honoured. */
function reportForeign(properties: ConfigProperties, endpoints: readonly ListenerEndpoint[], report: Report): void {
  const names = new Set(endpoints.map(({ name }) => name.toLowerCase()));
  for (const setting of Object.keys(properties)) {
    const match = LISTENER_SETTING.exec(setting);
    if (match === null) continue;
    const [, listener = '', key = ''] = match;
    if (!names.has(listener)) {
      report(
        setting,
        `${setting} is not honoured: there is no listener ${listener.toUpperCase()} in listeners. Remove it, or correct the name, which is written in lower case here.`,
      );
    } else if (!PER_LISTENER.has(key) && !isOfMechanism(key)) {
      report(setting, `${setting} is not honoured: ${key} cannot be set for one listener here. Remove it.`);
    }
  }
}

function isOfMechanism(key: string): boolean {
  const mechanism = SERVED_MECHANISMS.find((each) => key.startsWith(`${each.toLowerCase()}.`));
  if (mechanism === undefined) return false;
  const own = key.slice(mechanism.length + 1);
  return PER_MECHANISM.has(own) || (mechanism === 'OAUTHBEARER' && OF_TOKENS.has(own));
}

/** The settings as one listener sees them. */
class ListenerSettings {
  readonly name: string;
  readonly report: Report;
  readonly #properties: ConfigProperties;

  constructor(name: string, properties: ConfigProperties, report: Report) {
    this.name = name;
    this.#properties = properties;
    this.report = report;
  }

  /** The listener's own name for a setting. */
  own(key: string): string {
    return `listener.name.${this.name.toLowerCase()}.${key}`;
  }

  /** Only what is set for this listener. */
  ownText(key: string): string | undefined {
    return this.#properties[this.own(key)];
  }

  /** What is set for all listeners. */
  textOfAll(key: string): string | undefined {
    return this.#properties[key];
  }

  /** Whether it is set to nothing, for this listener or else for all. */
  isEmptied(key: string): boolean {
    return (this.ownText(key) ?? this.#properties[key])?.trim() === '';
  }

  text(key: string): string | null {
    const text = this.ownText(key) ?? this.#properties[key];
    return text === undefined || text.trim() === '' ? null : text;
  }

  value<T extends string | number | boolean | readonly string[]>(key: string, own: string = key): T {
    const definition = brokerConfigTable[key];
    if (definition === undefined) throw new RangeError(`${key} is no setting`);
    const fallback = definition.defaultValue as T;
    const isOwn = this.ownText(own) !== undefined;
    const text = this.ownText(own) ?? this.text(key);
    if (text === null || text.trim() === '') return fallback;
    const parsed = parseConfigValue(isOwn ? this.own(own) : key, definition, text);
    if ('value' in parsed) return parsed.value as T;
    // What is set for all listeners is reported by whoever reads that.
    if (isOwn) this.report(this.own(own), parsed.fault);
    return fallback;
  }
}

const CLIENT_AUTH = 'ssl.client.auth';

/**
 * Whether clients must show a certificate. With SASL it says nothing of who somebody is, so that only this listener's own setting has it
 * asked for (KIP-684). Kafka warns of `required` for all listeners and lets everybody in; here it has to be said again or taken back.
 */
function clientAuthOf(settings: ListenerSettings, usesSasl: boolean): SslSettings['clientAuth'] {
  const ownText = settings.ownText(CLIENT_AUTH);
  const isLost = ownText === undefined ? usesSasl : ownText.trim() === '';
  if (isLost && settings.textOfAll(CLIENT_AUTH)?.trim() === 'required') {
    const own = settings.own(CLIENT_AUTH);
    const why = ownText === undefined ? 'with a login only its own setting counts, as in Kafka' : `${own} is empty`;
    settings.report(
      CLIENT_AUTH,
      `${CLIENT_AUTH}=required is not honoured by the listener ${settings.name}: ${why}, and nobody would be asked for a certificate there. Set ${own} to required, or to none.`,
    );
  }
  // The definition lets no other value through.
  return isLost ? 'none' : settings.value(CLIENT_AUTH);
}

function sslOf(settings: ListenerSettings, usesSasl: boolean): SslSettings {
  return {
    keystoreType: settings.text('ssl.keystore.type'),
    keystoreLocation: settings.text('ssl.keystore.location'),
    keystorePassword: settings.text('ssl.keystore.password'),
    keystoreKey: settings.text('ssl.keystore.key'),
    keystoreCertificateChain: settings.text('ssl.keystore.certificate.chain'),
    keyPassword: settings.text('ssl.key.password'),
    truststoreType: settings.text('ssl.truststore.type'),
    truststoreLocation: settings.text('ssl.truststore.location'),
    truststorePassword: settings.text('ssl.truststore.password'),
    truststoreCertificates: settings.text('ssl.truststore.certificates'),
    clientAuth: clientAuthOf(settings, usesSasl),
    enabledProtocols: settings.value('ssl.enabled.protocols'),
    cipherSuites: settings.value('ssl.cipher.suites'),
    principalMappingRules: settings.value('ssl.principal.mapping.rules'),
    allowsDnChanges: settings.value('ssl.allow.dn.changes'),
    allowsSanChanges: settings.value('ssl.allow.san.changes'),
    verifiesHost: !settings.isEmptied('ssl.endpoint.identification.algorithm'),
  };
}

function saslOf(settings: ListenerSettings): SaslSettings {
  const enabled = settings.value<readonly string[]>('sasl.enabled.mechanisms').map((each) => each.trim());
  const mechanisms = new Map<string, MechanismSettings>();
  for (const mechanism of enabled) {
    if (SERVED_MECHANISMS.includes(mechanism)) mechanisms.set(mechanism, mechanismOf(mechanism, settings));
    else settings.report('sasl.enabled.mechanisms', notServed(mechanism, settings));
  }
  if (enabled.length === 0) settings.report('sasl.enabled.mechanisms', notServed('', settings));
  return {
    mechanisms,
    failureDelayMs: settings.value('connection.failed.authentication.delay.ms'),
    receiveBytesMax: settings.value('sasl.server.max.receive.size'),
  };
}

function notServed(mechanism: string, settings: ListenerSettings): string {
  const whose = `the listener ${settings.name} would ask for ${mechanism === '' ? 'no mechanism at all' : mechanism}`;
  const why =
    mechanism === 'GSSAPI'
      ? ', which is what Kafka takes where nothing is set: Kerberos needs libraries of the system that this broker does not load'
      : ', which is not served';
  return `sasl.enabled.mechanisms is not honoured: ${whose}${why}. Set ${settings.own('sasl.enabled.mechanisms')} to some of ${SERVED_MECHANISMS.join(', ')}.`;
}

function mechanismOf(mechanism: string, settings: ListenerSettings): MechanismSettings {
  const lower = mechanism.toLowerCase();
  const entry = jaasOf(mechanism, settings);
  const users = new Map<string, string>();
  for (const [key, value] of entry?.options ?? []) if (key.startsWith('user_')) users.set(key.slice(5), value);
  if (mechanism === 'PLAIN' && entry === undefined && settings.ownText(`${lower}.sasl.jaas.config`) === undefined) {
    const key = settings.own(`${lower}.sasl.jaas.config`);
    settings.report(
      key,
      `PLAIN on ${settings.name} knows nobody. Set ${key} to ${MODULES['PLAIN']} required user_alice="password";`,
    );
  }
  const username = entry?.options.get('username');
  const password = entry?.options.get('password');
  return {
    users,
    login: username === undefined || password === undefined ? undefined : { username, password },
    sessionMsMax: settings.value('connections.max.reauth.ms', ownSetting(lower, 'connections.max.reauth.ms', settings)),
    ...(mechanism === 'OAUTHBEARER' ? tokensOf(oauthSource(settings), entry) : {}),
  };
}

function tokensOf(source: OauthSource, entry: JaasEntry | undefined): Pick<MechanismSettings, 'tokens' | 'ownTokens'> {
  return { tokens: tokenSettingsOf(source, entry), ownTokens: ownTokensOf(source, entry) };
}

/** The name under which a setting holds for a mechanism: its own, or that of all. */
function ownSetting(mechanism: string, name: string, settings: ListenerSettings): string {
  const key = `${mechanism}.${name}`;
  return settings.ownText(key) === undefined ? name : key;
}

function oauthSource(settings: ListenerSettings): OauthSource {
  return {
    listener: settings.name,
    ownName: (key) => settings.own(`oauthbearer.${key}`),
    ownText: (key) => settings.ownText(`oauthbearer.${key}`),
    value: (key) => settings.value(key, ownSetting('oauthbearer', key, settings)),
    report: settings.report,
  };
}

function jaasOf(mechanism: string, settings: ListenerSettings): JaasEntry | undefined {
  const key = `${mechanism.toLowerCase()}.sasl.jaas.config`;
  const text = settings.ownText(key);
  if (text === undefined) return undefined;
  const wanted = MODULES[mechanism];
  try {
    const entry = parseJaas(text);
    if (entry.module === wanted) return entry;
    settings.report(
      settings.own(key),
      `${settings.own(key)} is not honoured: it names another login module than ${wanted}, and no class is loaded here by its name. Set it to ${wanted} required ...;`,
    );
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be read';
    settings.report(
      settings.own(key),
      `${settings.own(key)} cannot be read: ${why}. It has the form ${wanted} required key="value";`,
    );
  }
  return undefined;
}
