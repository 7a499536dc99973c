import { type MakeSite, runBroker, runLocalCluster } from '@millrace/broker-app';
import type { CommandContext } from '../context.ts';
import type { CliIo } from '../io.ts';
import type { Assignment } from '../parse/values.ts';

/** Options of `millrace start`. */
export interface StartOptions {
  readonly config?: string;
  readonly override?: readonly Assignment[];
  readonly data?: string;
  readonly port?: number;
  readonly httpPort?: number;
  readonly brokers?: number;
}

/** Runs a broker until a signal stops it. */
export async function start(
  context: CommandContext,
  { config, override, data, port, httpPort, brokers = 1 }: StartOptions,
): Promise<void> {
  const environment = brokerEnvironment(context.io.env);
  const overrides: Record<string, string> = {};
  // Without a file of settings this is somebody's own machine: the first group need not wait for members that do not come.
  // The file that Kafka is shipped with says the same.
  if (config === undefined && environment.KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS === undefined) {
    overrides['group.initial.rebalance.delay.ms'] = '0';
  }
  if (data !== undefined) overrides['log.dirs'] = data;
  // Whoever takes any port for clients wants several brokers side by side.
  const http = httpPort ?? (port === 0 ? 0 : undefined);
  if (http !== undefined) overrides['millrace.http.port'] = String(http);
  for (const [name, value] of override ?? []) overrides[name] = value;
  // `--override listeners` says more than a port.
  const options = {
    configFile: config,
    overrides,
    env: environment,
    port: overrides['listeners'] === undefined ? port : undefined,
    site: consoleOf,
  };
  context.exitCode = await (brokers === 1 ? runBroker(options) : runLocalCluster({ ...options, brokers }));
}

/** The console of a broker or several, by the listeners that ask nobody who he is; loaded when its first page is asked for. */
const consoleOf: MakeSite = async ({ endpoints, logger }) => {
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
  return createConsole({ clusters: { local: { bootstrapServers } }, logger });
};

/** Variables that begin like a broker's settings and are meant for the other commands. */
const CLIENT_VARIABLES = ['MILLRACE_BOOTSTRAP', 'KAFKA_BOOTSTRAP_SERVERS'];

/** The environment without what is meant for the other commands. */
export function brokerEnvironment(env: CliIo['env']): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !CLIENT_VARIABLES.includes(name)));
}
