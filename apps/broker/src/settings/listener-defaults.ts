import { StartError } from '../start-error.ts';

/** Kafka's port. */
const PORT_DEFAULT = 9092;

/**
 * What a broker listens on where `listeners` does not say: this machine alone, because without TLS whoever reaches the port can read and
 * write; with `advertised.listeners`, which are for others, their ports on every interface, as container images derive it.
 * @param port Takes the place of a listener's port, and of nothing else: its name says how it is secured, and its host who reaches it.
 * @throws StartError where a port does not say which of several listeners is meant, or clients would be sent to another one.
 */
export function withListenerDefaults(settings: ReadonlyMap<string, string>, port?: number): Map<string, string> {
  const completed = new Map(settings);
  const advertised = textOf(settings, 'advertised.listeners');
  const given = textOf(settings, 'listeners');
  if (given !== '') {
    if (port !== undefined) completed.set('listeners', withPort(settings, given, port));
  } else if (advertised !== '') {
    const derived = advertised.replaceAll(/:\/\/[^,]*?(:-?\d+)\s*(?=,|$)/g, '://$1');
    completed.set('listeners', port === undefined ? derived : withPort(settings, derived, port));
  } else {
    completed.set('listeners', `PLAINTEXT://127.0.0.1:${port ?? PORT_DEFAULT}`);
    completed.set('advertised.listeners', `PLAINTEXT://localhost:${port ?? PORT_DEFAULT}`);
  }
  return completed;
}

const LISTENER = /^([^:/]+)(:\/\/.*:)(-?\d+)$/;

/** The listeners with another port of the one that is for clients. */
function withPort(settings: ReadonlyMap<string, string>, listeners: string, port: number): string {
  const entries = entriesOf(listeners);
  const ofControllers = controllersOf(settings);
  const ofClients = entries.filter((entry) => !ofControllers.includes(nameOf(entry)));
  const [entry = ''] = ofClients;
  if (ofClients.length > 1) {
    throw refusal(
      `--port ${port} is the port of one listener, and there are ${ofClients.length}: ${ofClients.join(', ')}. ` +
        'Leave --port out, and set their ports in listeners',
    );
  }
  const [, name = '', between = '', former] = LISTENER.exec(entry) ?? [];
  // What cannot be read is told of where listeners are.
  if (former === undefined) return listeners;
  refuseAdvertised(settings, name, Number(former), port);
  return entries.map((each) => (each === entry ? `${name}${between}${port}` : each)).join(',');
}

/** A port that is advertised as it was listened on moves with it; another one is somebody else's, who leads from there to here. */
function refuseAdvertised(settings: ReadonlyMap<string, string>, name: string, former: number, port: number): void {
  if (port === former || textOf(settings, 'listeners') === '') return;
  const advertised = entriesOf(textOf(settings, 'advertised.listeners'));
  const own = advertised.find((each) => nameOf(each) === name.toUpperCase());
  if (own === undefined || Number(LISTENER.exec(own)?.[3]) !== former) return;
  throw refusal(
    `--port ${port} takes the place of port ${former} in listeners, and advertised.listeners sends clients to ${own}, where nobody ` +
      'would listen. Leave --port out, and set the port in both',
  );
}

/** The listeners of a KRaft controller, which are not opened. */
function controllersOf(settings: ReadonlyMap<string, string>): string[] {
  if (textOf(settings, 'process.roles') === '') return [];
  return entriesOf(textOf(settings, 'controller.listener.names') || 'CONTROLLER').map((name) => name.toUpperCase());
}

function refusal(message: string): StartError {
  return new StartError('START_CONFIG_INVALID', `The settings cannot be used:\n  ${message}`);
}

const nameOf = (entry: string): string => (LISTENER.exec(entry)?.[1] ?? '').toUpperCase();

const textOf = (settings: ReadonlyMap<string, string>, name: string): string => settings.get(name)?.trim() ?? '';

function entriesOf(list: string): string[] {
  return list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
