import { ZooKeeperError } from './errors.ts';

/** A server of an ensemble. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** Which ensemble, and where in its tree. */
export interface ConnectString {
  readonly servers: readonly ServerAddress[];
  /** What stands before all paths, such as `/kafka`; empty for the root. */
  readonly chroot: string;
}

const DEFAULT_PORT = 2181;

/**
 * Reads what `zookeeper.connect` says: `host:port,host:port/chroot`. The port is 2181 where none is given, IPv6 addresses stand in
 * brackets.
 * @throws ZooKeeperError ZOOKEEPER_CONNECT_STRING
 */
export function parseConnectString(text: string): ConnectString {
  const slash = text.indexOf('/');
  const list = slash < 0 ? text : text.slice(0, slash);
  const chroot = slash < 0 ? '' : text.slice(slash).replace(/\/+$/, '');
  if (chroot !== '' && /\/\/|\/\.{1,2}(\/|$)|\s|,/.test(chroot)) {
    throw fault(text, `"${chroot}" is no path; a chroot stands once, behind the last server`);
  }
  const servers = list
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map((each) => parseServer(text, each));
  if (servers.length === 0) throw fault(text, 'it names no server');
  return { servers, chroot };
}

/** A server's name in messages. */
export function nameOf({ host, port }: ServerAddress): string {
  return `${host}:${port}`;
}

function parseServer(text: string, server: string): ServerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(server);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  if (host === undefined || port < 1 || port > 65_535) throw fault(text, `"${server}" is no host:port`);
  return { host, port };
}

function fault(text: string, why: string): ZooKeeperError {
  const message = `Cannot read the ZooKeeper servers "${text}": ${why}. It should read like zk1:2181,zk2:2181,zk3:2181/kafka.`;
  return new ZooKeeperError('ZOOKEEPER_CONNECT_STRING', message);
}
