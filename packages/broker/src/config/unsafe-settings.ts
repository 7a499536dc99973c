import type { ListenerSecurity } from './listener-security.ts';
import type { ListenerEndpoint } from './listeners.ts';
import type { TokenSettings } from './oauth-settings.ts';

interface Secured {
  readonly endpoints: readonly ListenerEndpoint[];
  readonly listenerSecurity: ReadonlyMap<string, ListenerSecurity>;
}

interface Risk {
  readonly name: string;
  readonly message: string;
}

/** Names and addresses that nobody elsewhere can reach. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1|0:0:0:0:0:0:0:1|::ffff:127(?:\.\d{1,3}){3})$/i;

/** What Kafka allows, and whoever has set it may not have meant: the broker starts, and says so. */
export function unsafeSettings({ endpoints, listenerSecurity }: Secured): readonly Risk[] {
  return endpoints.flatMap((endpoint) => {
    const sasl = listenerSecurity.get(endpoint.name)?.sasl;
    if (sasl === undefined) return [];
    const tokens = sasl.mechanisms.get('OAUTHBEARER')?.tokens;
    return [
      ...(sasl.mechanisms.has('PLAIN') ? plainRisk(endpoint) : []),
      ...(tokens === undefined ? [] : tokenRisks(endpoint, tokens)),
    ];
  });
}

function plainRisk({ name, securityProtocol, host }: ListenerEndpoint): Risk[] {
  if (securityProtocol !== 'SASL_PLAINTEXT' || LOOPBACK.test(host)) return [];
  const message = `PLAIN on the listener ${name} sends passwords that everybody on the way can read: SASL_PLAINTEXT encrypts nothing. Use SASL_SSL, or SCRAM-SHA-512.`;
  return [{ name: 'sasl.enabled.mechanisms', message }];
}

function tokenRisks({ name, host }: ListenerEndpoint, tokens: TokenSettings): Risk[] {
  if (tokens.kind === 'unsecured') {
    if (LOOPBACK.test(host)) return [];
    const message = `OAUTHBEARER on the listener ${name} takes tokens that nobody has signed, so that everybody is whom he says he is. Set sasl.oauthbearer.jwks.endpoint.url, and another class.`;
    return [{ name: 'sasl.server.callback.handler.class', message }];
  }
  const risks: Risk[] = [];
  const risk = (setting: string, takes: string): void => {
    const message = `OAUTHBEARER on the listener ${name} takes tokens ${takes}: ${setting} is not set.`;
    risks.push({ name: setting, message });
  };
  if (tokens.issuer === undefined) {
    risk('sasl.oauthbearer.expected.issuer', 'of every issuer whose signature its keys fit');
  }
  if (tokens.audience.length === 0) {
    risk('sasl.oauthbearer.expected.audience', 'that the provider has given somebody for another service');
  }
  return risks;
}
