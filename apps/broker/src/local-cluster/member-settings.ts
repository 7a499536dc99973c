import { join } from 'node:path';
import type { BrokerConfig } from '@millrace/broker';

/** Log folders of the brokers beside the first lie within the first's, under a name that no partition can have. */
export const MEMBER_FOLDER_PREFIX = '__millrace_broker_';

/** The port of `/metrics` and `/health` of the first broker; the others take those that follow. */
const HTTP_PORT_SETTING = 'millrace.http.port';

/** How long a member may be silent: its socket tells at once when it has died, so this is for one that hangs. */
export const LOCAL_SESSION_TIMEOUT_MS = 6000;

/** A member of a local cluster. */
export interface MemberSettings {
  readonly brokerId: number;
  readonly overrides: Readonly<Record<string, string>>;
}

/** What the members' settings are made of. */
export interface MemberPlan {
  /** The first broker's, as the user's settings make it. */
  readonly config: BrokerConfig;
  /** What the user has set on the line; the file and the environment every member reads itself. */
  readonly overrides: Readonly<Record<string, string>>;
  /** Names that the user has set. */
  readonly given: ReadonlySet<string>;
  /** Undefined: no HTTP port. */
  readonly httpPort: number | undefined;
  readonly brokers: number;
  readonly metadataSocket: string;
}

/**
 * The settings in which members differ from what the user has set: ids from 1 on, ports that follow the first's by as many as there are
 * listeners, log folders below the first's, so that a cluster can grow out of a single broker and a single broker out of a cluster.
 */
export function memberSettings(plan: MemberPlan): MemberSettings[] {
  return Array.from({ length: plan.brokers }, (_, index) => ({
    brokerId: index + 1,
    overrides: { ...clusterDefaults(plan), ...plan.overrides, ...ownSettings(plan, index) },
  }));
}

/** A port that one of the brokers is to open. */
export interface MemberPort {
  readonly brokerId: number;
  /** What opens it, in words. */
  readonly purpose: string;
  /** Empty for every interface. */
  readonly host: string;
  readonly port: number;
}

/** The ports that the members will open, but for those that the system chooses. */
export function memberPorts(
  { config, httpPort, brokers }: Pick<MemberPlan, 'config' | 'httpPort' | 'brokers'>,
  httpHost: string | undefined,
): MemberPort[] {
  return Array.from({ length: brokers }, (_, index): MemberPort[] => [
    ...memberEndpoints(config, config.endpoints, index).map(({ name, host, port }) => ({
      brokerId: index + 1,
      purpose: `listener ${name}`,
      host,
      port,
    })),
    {
      brokerId: index + 1,
      purpose: 'metrics and health (millrace.http.port)',
      host: httpHost ?? '',
      port: httpPort === undefined || httpPort === 0 ? 0 : httpPort + index,
    },
  ])
    .flat()
    .filter(({ port }) => port !== 0);
}

/** What of the first broker's endpoints another one has in their place: each of the brokers takes as many ports as there are listeners. */
export function memberEndpoints(
  config: BrokerConfig,
  endpoints: BrokerConfig['endpoints'],
  index: number,
): BrokerConfig['endpoints'] {
  const stride = config.endpoints.length;
  return endpoints.map((each) => ({ ...each, port: each.port === 0 ? 0 : each.port + index * stride }));
}

function ownSettings({ config, httpPort, metadataSocket }: MemberPlan, index: number): Record<string, string> {
  const shifted = (endpoints: BrokerConfig['endpoints']): string =>
    memberEndpoints(config, endpoints, index)
      .map(({ name, host, port }) => `${name}://${bracketed(host)}:${port}`)
      .join(',');
  const id = index + 1;
  return {
    'broker.id': String(id),
    'node.id': String(id),
    'millrace.metadata.socket': metadataSocket,
    listeners: shifted(config.endpoints),
    ...(config.advertisedListeners === null ? {} : { 'advertised.listeners': shifted(config.advertisedEndpoints) }),
    'log.dirs': config.logDirs.map((folder) => memberFolder(folder, id)).join(','),
    [HTTP_PORT_SETTING]: httpPort === undefined ? '' : String(httpPort === 0 ? 0 : httpPort + index),
  };
}

function memberFolder(folder: string, id: number): string {
  return id === 1 ? folder : join(folder, `${MEMBER_FOLDER_PREFIX}${id}`);
}

/** A cluster keeps what it takes on several brokers unless somebody says otherwise. */
function clusterDefaults({ brokers, given }: MemberPlan): Record<string, string> {
  const factor = Math.min(3, brokers);
  const inSync = Math.max(1, factor - 1);
  const defaults: Record<string, string> = {
    'default.replication.factor': String(factor),
    'min.insync.replicas': String(inSync),
    'offsets.topic.replication.factor': String(factor),
    'transaction.state.log.replication.factor': String(factor),
    'transaction.state.log.min.isr': String(inSync),
    'zookeeper.session.timeout.ms': String(LOCAL_SESSION_TIMEOUT_MS),
  };
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => !given.has(name)));
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
