import { existsSync } from 'node:fs';
import {
  type BrokerProcessOptions,
  collectSettings,
  runBroker,
  runLocalCluster,
  StartError,
} from '@millrace/broker-app';
import { type BrokerConsoleOptions, consoleOf } from '../console/of-broker.ts';
import type { CommandContext } from '../context.ts';
import { usageError } from '../errors.ts';
import type { Assignment } from '../parse/values.ts';
import { hasSecrets } from '../secure/secrets.ts';
import type { SecuredStart } from '../secure/secured-start.ts';
import { refuseSaidTwice } from './line-settings.ts';

/** Options of `millrace start`. */
export interface StartOptions extends BrokerConsoleOptions {
  readonly config?: string;
  readonly override?: readonly Assignment[];
  readonly data?: string;
  readonly port?: number;
  readonly httpPort?: number;
  readonly brokers?: number;
  readonly secure?: true;
}

/** Runs a broker until a signal stops it. */
export async function start(
  context: CommandContext,
  { config, override, data, port, httpPort, brokers = 1, secure, ...shown }: StartOptions,
): Promise<void> {
  refuseSaidTwice({ '--data': data, '--http-port': httpPort, '--port': port }, override);
  const environment = { ...context.io.env };
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
  const settings = await settingsOf(config, environment, overrides);
  if (secure !== true) refuseToOpenSecured(settings);
  const secured =
    secure === true ? await secureStart(overrides, config, port, dataFolders(settings)[0] as string) : undefined;
  // `--override listeners` says more than a port, unless it says nothing.
  const isToldWhere = (overrides['listeners'] ?? '').trim() !== '';
  const options = {
    configFile: config,
    overrides: { ...secured?.settings, ...overrides },
    env: environment,
    port: !isToldWhere && secured === undefined ? port : undefined,
    site: await consoleOf(shown),
    onReady: secured === undefined ? undefined : tellHowToConnect(context, secured),
  };
  context.exitCode = await (brokers === 1 ? runBroker(options) : runLocalCluster({ ...options, brokers }));
}

/** Settings that `--secure` makes, and that could not be others without undoing it. */
const MADE_BY_SECURE =
  /^(listeners|listener\.|ssl\.|sasl\.|security\.|authorizer\.|super\.users|inter\.broker\.listener)/;
const PORT_DEFAULT = 9092;
const DATA_DEFAULT = 'data';

/** What the file, the environment and the line say. A file that cannot be read is told of by the start itself. */
async function settingsOf(
  configFile: string | undefined,
  environment: NodeJS.ProcessEnv,
  overrides: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, string>> {
  try {
    return (await collectSettings({ configFile, environment, overrides })).settings;
  } catch (error) {
    if (error instanceof StartError) return settingsOf(undefined, environment, overrides);
    throw error;
  }
}

/** The data folders; there is always a first one. */
function dataFolders(settings: ReadonlyMap<string, string>): string[] {
  const given = settings.get('log.dirs') ?? settings.get('log.dir') ?? DATA_DEFAULT;
  return given.split(',').map((folder) => folder.trim().replace(/\/+$/, ''));
}

const secretsOf = (folder: string): string => `${folder}-secure`;

/** Settings with which somebody has decided who may come in: where clients are listened to, or that rights are asked. */
const DECIDING = ['listeners', 'authorizer.class.name'];

/**
 * Data that was begun with `--secure` is not served without: whoever left the option out would let everybody read what logins and rules
 * had kept. Who may come in is somebody's own decision, wherever its settings come from; a file that does not say has not decided.
 */
function refuseToOpenSecured(settings: ReadonlyMap<string, string>): void {
  if (DECIDING.some((name) => (settings.get(name) ?? '').trim() !== '')) return;
  const folder = dataFolders(settings).find((each) => hasSecrets(secretsOf(each)) && existsSync(each));
  if (folder === undefined) return;
  throw usageError(
    `The data in ${folder} was begun with --secure, and without it everybody on this machine could read and change it`,
    `Add --secure. To open it all the same, say how: --override listeners=PLAINTEXT://127.0.0.1:${PORT_DEFAULT}`,
  );
}

async function secureStart(
  overrides: Readonly<Record<string, string>>,
  config: string | undefined,
  port: number | undefined,
  dataFolder: string,
): Promise<SecuredStart> {
  const { securedStart } = await import('../secure/secured-start.ts');
  if (config !== undefined) {
    throw usageError(
      '--secure makes the settings of security itself, and --config has a file of them',
      'Give one of the two; a server.properties with ssl.* and sasl.* is honoured as it is.',
    );
  }
  const own = Object.keys(overrides).find((name) => MADE_BY_SECURE.test(name));
  if (own !== undefined) throw usageError(`--secure sets ${own} itself`, 'Leave one of the two out.');
  const advertised = overrides['advertised.listeners'];
  const host = advertised === undefined ? undefined : /^SASL_SSL:\/\/([^:,/]+):\d+$/.exec(advertised)?.[1];
  if (advertised !== undefined && host === undefined) {
    throw usageError(
      `--secure cannot advertise ${advertised}`,
      'It has one listener: --override advertised.listeners=SASL_SSL://HOST:9092.',
    );
  }
  return securedStart({
    folder: secretsOf(dataFolder),
    port: port ?? PORT_DEFAULT,
    advertisedHost: host,
    now: new Date(),
  });
}

function tellHowToConnect({ io }: CommandContext, secured: SecuredStart): BrokerProcessOptions['onReady'] {
  return async (endpoints) => {
    const servers = endpoints.map(({ host, port }) => `${host}:${port}`).join(',');
    io.stdout.write(await secured.ready(servers));
  };
}
