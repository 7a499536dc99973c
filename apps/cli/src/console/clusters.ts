/** The clusters of a console, each with the login that is meant for it. */
import type { ClusterConnection } from '@millrace/console';
import { CommandContext, type ConnectionSettings } from '../context.ts';
import { usageError } from '../errors.ts';
import type { Assignment } from '../parse/values.ts';

/** What names clusters, and how to log in there. */
export interface ClustersGiven {
  readonly cluster?: readonly Assignment[] | undefined;
  readonly clusterConfig?: readonly Assignment[] | undefined;
  readonly schemaRegistry?: string | undefined;
}

/**
 * The clusters that are named, else the one that every command would use. A login goes to the cluster that it is given for; that of
 * `--command-config` or `--profile` to all that have none of their own, and that of the profile in use to none that is named otherwise.
 */
export async function clustersOf(
  context: CommandContext,
  { cluster: named = [], clusterConfig: own = [], schemaRegistry: url }: ClustersGiven,
): Promise<Record<string, ClusterConnection>> {
  checkNames('--cluster', 'NAME=HOST:PORT[,...]', named);
  checkNames('--cluster-config', 'NAME=FILE', own);
  const names = new Set(named.map(([name]) => name));
  for (const [name] of own) {
    if (!names.has(name)) {
      throw usageError(
        `\`--cluster-config ${name}=...\` is for a cluster that is not named`,
        `Add --cluster ${name}=HOST:PORT.`,
      );
    }
  }
  const schemaRegistry = url === undefined ? undefined : { url };
  const files = new Map(own);
  const clusters: Record<string, ClusterConnection> = {};
  /** Read once, and only where it is meant for somebody. */
  let common: ConnectionSettings | undefined;
  for (const [name, servers] of named) {
    const file = files.get(name);
    const settings =
      file === undefined
        ? (common ?? (await settingsOf(context, { bootstrapServer: servers })))
        : await settingsOf(context, { bootstrapServer: servers, commandConfig: file, profile: undefined });
    if (file === undefined) common = settings;
    clusters[name] = { ...connectionOf(settings), bootstrapServers: servers, schemaRegistry };
  }
  if (named.length > 0) return clusters;
  const settings = await context.clientOptions();
  return { [settings.bootstrapServers.toString()]: { ...connectionOf(settings), schemaRegistry } };
}

/** How a cluster is reached, as if this were on the command line. */
function settingsOf(
  { io, options }: CommandContext,
  given: Partial<CommandContext['options']>,
): Promise<ConnectionSettings> {
  return new CommandContext(io, { ...options, ...given }).clientOptions();
}

function connectionOf({ clientId: _, apiTimeoutMs: __, ...connection }: ConnectionSettings) {
  return connection;
}

function checkNames(option: string, shape: string, given: readonly Assignment[]): void {
  for (const [at, [name, value]] of given.entries()) {
    if (name === '' || value === '') throw usageError(`\`${option}\` takes ${shape}`);
    if (given.findIndex((each) => each[0] === name) === at) continue;
    throw usageError(
      option === '--cluster'
        ? `There are two clusters of the name ${name}`
        : `\`${option}\` names two files for ${name}`,
    );
  }
}
