import type { ConfigProperties } from './topic-config.ts';

/** Settings as a broker without a quorum takes them, or why it must not. */
export interface KraftReading {
  /** Without the controller's listeners. */
  readonly properties: ConfigProperties;
  readonly faults: readonly { readonly name: string; readonly message: string }[];
}

const BOOTSTRAP_SERVERS = 'controller.quorum.bootstrap.servers';
const VOTERS = ['controller.quorum.voters', BOOTSTRAP_SERVERS];
const LISTENERS = ['listeners', 'advertised.listeners'];

/**
 * Reads the settings by which Kafka in KRaft mode makes a process broker, controller or both. The single node of Kafka's own
 * `server.properties`, both at once with one voter, is a broker here that keeps its own metadata; the controller's listener is not
 * opened. Whatever means several controllers, or one elsewhere (another number, another host), is refused: the broker would stand alone where it should not.
 */
export function readKraft(properties: ConfigProperties): KraftReading {
  const roles = listOf(properties['process.roles']);
  // That nothing says how the controller's listener is secured follows from the fault, and would advise to do so.
  const fault = (name: string, message: string): KraftReading => ({
    properties: withoutEmpty(withoutListeners(properties)),
    faults: [{ name, message }],
  });
  if (roles.length === 0) {
    const stray = [...VOTERS, 'controller.listener.names'].find((name) => listOf(properties[name]).length > 0);
    if (stray === undefined) return { properties, faults: [] };
    return fault(
      stray,
      `${stray} belongs to KRaft, and process.roles is not set. Remove it; a single broker needs no controller.`,
    );
  }
  const odd = roles.find((role) => role !== 'broker' && role !== 'controller');
  if (odd !== undefined) return fault('process.roles', `process.roles names ${odd}; there are broker and controller.`);
  if ((properties['zookeeper.connect'] ?? '').trim() !== '') {
    const why =
      'process.roles means a cluster of its own, and zookeeper.connect one on ZooKeeper. Remove one of the two.';
    return fault('process.roles', why);
  }
  if (!roles.includes('broker') || !roles.includes('controller')) {
    return fault(
      'process.roles',
      `process.roles=${roles.join(',')} means a controller in a process of its own, and this broker has no KRaft quorum. ` +
        'Set process.roles=broker,controller with this node as the only voter, or remove process.roles, the controller.* settings ' +
        'and the listener of the controller, to start a single broker.',
    );
  }
  const voters = listOf(properties['controller.quorum.voters']);
  const several = VOTERS.find((name) => listOf(properties[name]).length > 1);
  if (several !== undefined) {
    return fault(
      several,
      `${several} names several controllers, and this broker has no KRaft quorum: it would stand alone. ` +
        'Name this node alone, or remove it, to start a single broker.',
    );
  }
  const voterId = voters[0]?.split('@')[0];
  const nodeId = nodeIdOf(properties);
  if (voterId !== undefined && voterId !== nodeId) {
    return fault(
      'controller.quorum.voters',
      `controller.quorum.voters names node ${voterId}, and this is node ${nodeId}. Name this node, set node.id=${voterId}, or remove it.`,
    );
  }
  const [server] = listOf(properties[BOOTSTRAP_SERVERS]);
  if (server !== undefined && !isOwnAddress(server, properties)) {
    return fault(
      BOOTSTRAP_SERVERS,
      `${BOOTSTRAP_SERVERS}=${server} names a controller on another host than those of listeners and advertised.listeners, and this ` +
        'broker has no KRaft quorum: it would stand alone. Name this node, such as localhost:9093, or remove it, to start a single broker.',
    );
  }
  return { properties: withoutListeners(properties), faults: [] };
}

/** The number that a broker has whose settings say nothing else. */
const DEFAULT_NODE_ID = '1';

function nodeIdOf(properties: ConfigProperties): string {
  const given = [properties['node.id'], properties['broker.id']].map((text) => text?.trim() ?? '');
  return given.find((text) => text !== '' && text !== '-1') ?? DEFAULT_NODE_ID;
}

/** Whether a host and port is of this machine as far as settings tell: of its loopback, or of a host on which it listens. */
function isOwnAddress(server: string, properties: ConfigProperties): boolean {
  const host = hostOf(server);
  if (/^(localhost|127(\.\d+){3}|::1)$/.test(host)) return true;
  return LISTENERS.flatMap((setting) => listOf(properties[setting])).some((entry) => hostOf(entry) === host);
}

/** The host of `NAME://host:port` or `host:port`, in which an IPv6 address stands in brackets. */
function hostOf(address: string): string {
  const hostAndPort = address.slice(address.indexOf('://') < 0 ? 0 : address.indexOf('://') + 3);
  const colon = hostAndPort.lastIndexOf(':');
  const host = colon < 0 ? hostAndPort : hostAndPort.slice(0, colon);
  return host.replace(/^\[|\]$/g, '').toLowerCase();
}

function withoutListeners(properties: ConfigProperties): ConfigProperties {
  const given = listOf(properties['controller.listener.names']);
  const names = (given.length > 0 ? given : ['CONTROLLER']).map((name) => name.toUpperCase());
  const isOfController = (setting: string): boolean =>
    names.some((name) => setting.toLowerCase().startsWith(`listener.name.${name.toLowerCase()}.`));
  const cleaned: Record<string, string> = Object.fromEntries(
    Object.entries(properties).filter(([setting]) => !isOfController(setting)),
  );
  for (const setting of LISTENERS) {
    const text = properties[setting];
    if (text === undefined) continue;
    const left = listOf(text).filter((entry) => !names.includes((entry.split('://')[0] ?? '').toUpperCase()));
    cleaned[setting] = left.join(',');
  }
  // Advertised was the controller alone.
  if (cleaned['advertised.listeners'] === '') delete cleaned['advertised.listeners'];
  return cleaned;
}

function withoutEmpty(properties: ConfigProperties): ConfigProperties {
  return Object.fromEntries(
    Object.entries(properties).filter(([name, text]) => !LISTENERS.includes(name) || text !== ''),
  );
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
