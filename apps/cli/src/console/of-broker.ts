/** The console of a broker that is started here, beside its metrics and health. */
import type { MakeSite } from '@millrace/broker-app';
import type { ConsoleOptions } from '@millrace/console';
import type { Assignment } from '../parse/values.ts';

/** What `millrace start` is told of it. */
export interface BrokerConsoleOptions {
  readonly consoleUsers?: string;
  readonly consoleOidc?: string;
  readonly consoleMask?: readonly Assignment[];
  readonly consoleReadOnly?: boolean;
  readonly consoleAllowHost?: readonly string[];
  readonly schemaRegistry?: string;
}

/** What the console is made with: looked through now, so that a mistake ends the start and not the first look at a page. */
export async function consoleOf(given: BrokerConsoleOptions): Promise<MakeSite> {
  const { consoleUsers, consoleOidc, consoleMask, consoleReadOnly, consoleAllowHost, schemaRegistry } = given;
  const reached = { isReadOnly: consoleReadOnly, hosts: consoleAllowHost };
  if (consoleUsers === undefined && consoleMask === undefined && consoleOidc === undefined) {
    return siteOf(reached, schemaRegistry);
  }
  const { masksOf, readUsers } = await import('./access.ts');
  const users = consoleUsers === undefined ? [] : await readUsers(consoleUsers);
  const oidc = consoleOidc === undefined ? undefined : await oidcOf(consoleOidc);
  return siteOf({ ...reached, users, oidc, masks: masksOf(consoleMask) }, schemaRegistry);
}

/** The provider itself is looked for with the first page: a broker serves whether or not it is up. */
async function oidcOf(path: string): Promise<ConsoleOptions['oidc']> {
  const [{ readOidc }, { checkOidc }] = await Promise.all([import('./oidc.ts'), import('@millrace/console')]);
  const options = await readOidc(path);
  checkOidc(options);
  return options;
}

/** The console of a broker or several, by the listeners that ask nobody who he is; loaded when its first page is asked for. */
const siteOf =
  (access: Omit<ConsoleOptions, 'clusters' | 'logger'>, url: string | undefined): MakeSite =>
  async ({ endpoints, logger }) => {
    const open = endpoints.filter(({ securityProtocol }) => securityProtocol === 'PLAINTEXT');
    if (open.length === 0) {
      throw new Error(
        'Every listener of this broker asks for TLS or a login: start the console by itself, with `millrace console --command-config FILE`',
      );
    }
    const { createConsole } = await import('@millrace/console');
    // A broker that listens on all addresses is reached on this machine.
    const hostOf = (host: string): string => (host === '' || host === '0.0.0.0' ? 'localhost' : host);
    // One address for each broker: what another listener advertises may be for others.
    const same = open.filter(({ listener }) => listener === open[0]?.listener);
    const bootstrapServers = same.map(({ host, port }) => `${hostOf(host)}:${port}`);
    const schemaRegistry = url === undefined ? undefined : { url };
    return createConsole({ clusters: { local: { bootstrapServers, schemaRegistry } }, ...access, logger });
  };
