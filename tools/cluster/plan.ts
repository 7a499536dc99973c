/** Turns the services of a compose file into processes of this machine: pure, so that it can be held against the file. */
import { join } from 'node:path';
import { ComposeError, type Service } from './compose.ts';
import { zooCfgOf } from './zoo-cfg.ts';

/** What a service is run as. */
export type Kind = 'zookeeper' | 'broker' | 'console';

/** A process that stands for a container. */
export interface Process {
  readonly name: string;
  readonly kind: Kind;
  /** The broker's or server's number; undefined for a console. */
  readonly number: number | undefined;
  /** Arguments of `millrace`, or nothing for a ZooKeeper. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Files to be written before it starts, by path. */
  readonly files: ReadonlyMap<string, string>;
  /** Folders that have to be there. */
  readonly folders: readonly string[];
  /** The port that tells when it serves: of ZooKeeper's clients, of a broker's /health, of the console. */
  readonly port: number;
}

/** What a plan is made of. */
export interface PlanOptions {
  /** Where volumes, files and logs of the cluster are. */
  readonly folder: string;
  /** Names of the file's services stand for this machine. */
  readonly isLoopback: boolean;
  /** `/metrics` and `/health` of the first broker, where the file does not publish it; others take the next. */
  readonly httpPort: number;
}

/** Services that are run, in their order, and those that are not. */
export interface Plan {
  readonly processes: readonly Process[];
  readonly passedOver: readonly { readonly name: string; readonly image: string }[];
  /** Names that have to lead to this machine. */
  readonly hosts: readonly string[];
  /** What of the file means nothing, in words. */
  readonly warnings: readonly string[];
}

const LOOPBACK = '127.0.0.1';
const BROKER_HTTP_PORT = 9644;
const CONSOLE_PORT = 8080;

/** @throws ComposeError where two services of one machine want the same port, or there is nothing to run */
export function planOf(services: readonly Service[], options: PlanOptions): Plan {
  const names = services.map(({ name }) => name);
  const processes: Process[] = [];
  const passedOver: { name: string; image: string }[] = [];
  let brokers = 0;
  for (const service of services) {
    const own = options.isLoopback ? onLoopback(service, names) : service;
    const kind = kindOf(own);
    if (kind === 'zookeeper') processes.push(zooKeeper(own, options));
    else if (kind === 'broker') processes.push(broker(own, options, brokers++));
    else if (kind === 'console') processes.push(consoleOf(own, options));
    else passedOver.push({ name: service.name, image: service.image });
  }
  if (processes.length === 0) throw new ComposeError('The compose file names no ZooKeeper, broker or console');
  refuseSamePorts(processes);
  return { processes, passedOver, hosts: hostsOf(services, processes), warnings: services.flatMap(warningsOf) };
}

function warningsOf({ name, environment }: Service): string[] {
  const why = "the image's configuration has no place for it, so that it would do nothing in a container either";
  return zooCfgOf(environment).ignored.map((variable) => `${name}: ${variable} is passed over: ${why}`);
}

function kindOf({ environment, command }: Service): Kind | undefined {
  const has = (prefix: string): boolean => Object.keys(environment).some((name) => name.startsWith(prefix));
  if (has('ZOOKEEPER_')) return 'zookeeper';
  if (command[0] === 'console') return 'console';
  return environment['KAFKA_ZOOKEEPER_CONNECT'] === undefined ? undefined : 'broker';
}

/** Where a name of the file stands for a container, the text names this machine. */
function onLoopback(service: Service, names: readonly string[]): Service {
  const pattern = new RegExp(`(?<![\\w.-])(?:${names.map(escaped).join('|')}|0\\.0\\.0\\.0)(?=:\\d)`, 'g');
  const replaced = (text: string): string => text.replace(pattern, LOOPBACK).replace(/:\/\/(?=:\d)/g, `://${LOOPBACK}`);
  return {
    ...service,
    environment: Object.fromEntries(Object.entries(service.environment).map(([k, v]) => [k, replaced(v)])),
    command: service.command.map((word) => (word === '0.0.0.0' ? LOOPBACK : replaced(word))),
  };
}

function escaped(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The folder that stands for a path in a container: of the volume that holds it, or of the container's own. */
function pathOf({ name, volumes, anonymous }: Service, path: string, { folder }: PlanOptions): string {
  const target = [...volumes.keys(), ...anonymous]
    .filter((each) => path === each || path.startsWith(`${each.replace(/\/$/, '')}/`))
    .sort((a, b) => b.length - a.length)[0];
  const named = target === undefined ? undefined : volumes.get(target);
  // A volume without a name is its service's alone, as a container's own files are.
  if (target === undefined || named === undefined) return join(folder, 'containers', name, path);
  // A volume of the file is shared by all who name it; a path beside the file is mapped into the cluster's folder, too.
  const source = named.replace(/^[./~]+/, '').replaceAll(/[^\w.-]/g, '_');
  return join(folder, 'volumes', source, path.slice(target.length));
}

function zooKeeper(service: Service, options: PlanOptions): Process {
  const { name, environment } = service;
  const { settings, numbered } = zooCfgOf(environment);
  const port = portNumber(settings.get('clientPort'), `${name}: ZOOKEEPER_CLIENT_PORT`);
  const data = pathOf(service, '/var/lib/zookeeper/data', options);
  const log = pathOf(service, '/var/lib/zookeeper/log', options);
  // With servers beside it a server has to know which of them it is; the image refuses to start without.
  const id = environment['ZOOKEEPER_SERVER_ID'] ?? (numbered.length === 0 ? '1' : undefined);
  const number = portNumber(id, `${name}: ZOOKEEPER_SERVER_ID`);
  const lines = [
    `dataDir=${data}`,
    `dataLogDir=${log}`,
    ...[...settings].map(([key, value]) => `${key}=${value}`),
    // A container has an address and a port 8080 of its own, and its parent asks it how it is from inside.
    ...(settings.has('clientPortAddress') ? [] : [`clientPortAddress=${LOOPBACK}`]),
    ...(settings.has('admin.enableServer') ? [] : ['admin.enableServer=false']),
    '4lw.commands.whitelist=srvr',
    ...numbered,
  ];
  const file = join(options.folder, 'containers', name, 'zoo.cfg');
  return {
    name,
    kind: 'zookeeper',
    number,
    args: [file],
    environment: {},
    files: new Map([
      [file, `${lines.join('\n')}\n`],
      [join(data, 'myid'), `${number}\n`],
    ]),
    folders: [data, log],
    port,
  };
}

function broker(service: Service, options: PlanOptions, index: number): Process {
  const { name, environment, ports, command } = service;
  const folders = (environment['KAFKA_LOG_DIRS'] ?? '/var/lib/kafka/data')
    .split(',')
    .map((path) => pathOf(service, path.trim(), options));
  const port = ports.get(BROKER_HTTP_PORT) ?? options.httpPort + index;
  return {
    name,
    kind: 'broker',
    number: portNumber(environment['KAFKA_BROKER_ID'] ?? String(index + 1), `${name}: KAFKA_BROKER_ID`),
    args: command.length === 0 ? ['start'] : command,
    environment: { ...environment, KAFKA_LOG_DIRS: folders.join(','), MILLRACE_HTTP_PORT: String(port) },
    files: new Map(),
    folders,
    port,
  };
}

function consoleOf(service: Service, options: PlanOptions): Process {
  const { name, command, files, environment } = service;
  const paths = new Map([...files.keys()].map((path) => [path, pathOf(service, path, options)]));
  const at = command.indexOf('--port');
  const inside = at < 0 ? CONSOLE_PORT : portNumber(command[at + 1], `${name}: --port`);
  const port = service.ports.get(inside) ?? inside;
  const args = command.map((word, index) => (index === at + 1 && at >= 0 ? String(port) : (paths.get(word) ?? word)));
  return {
    name,
    kind: 'console',
    number: undefined,
    args,
    environment,
    files: new Map([...files].map(([path, text]) => [paths.get(path) ?? path, text])),
    folders: [],
    port,
  };
}

function portNumber(text: string | undefined, place: string): number {
  const value = Number(text);
  if (text === undefined || !Number.isInteger(value)) {
    throw new ComposeError(`${place} is no number: ${text ?? 'missing'}`);
  }
  return value;
}

/** Every port that a process binds on this machine: containers may share a number, and processes may not. */
function boundPorts({ kind, port, environment, files }: Process): number[] {
  const listeners = environment['KAFKA_LISTENERS'] ?? environment['KAFKA_ADVERTISED_LISTENERS'] ?? '';
  const own =
    [...files.values()]
      .join('\n')
      .match(/(?<=^clientPort=)\d+/m)
      ?.map(Number) ?? [];
  return kind === 'broker'
    ? [port, ...[...listeners.matchAll(/:(\d+)/g)].map(([, each]) => Number(each))]
    : [port, ...own];
}

function refuseSamePorts(processes: readonly Process[]): void {
  const taken = new Map<number, string>();
  for (const process of processes) {
    for (const port of new Set(boundPorts(process))) {
      const other = taken.get(port);
      if (other !== undefined) {
        throw new ComposeError(
          `${other} and ${process.name} both bind port ${port}: as processes of one machine they need ports of their own`,
        );
      }
      taken.set(port, process.name);
    }
  }
}

/** Services by whose names others are to reach them. */
function hostsOf(services: readonly Service[], processes: readonly Process[]): string[] {
  const text = processes
    .flatMap(({ args, environment, files }) => [...args, ...Object.values(environment), ...files.values()])
    .join('\n');
  return services.map(({ name }) => name).filter((name) => new RegExp(`(?<![\\w.-])${escaped(name)}:\\d`).test(text));
}
