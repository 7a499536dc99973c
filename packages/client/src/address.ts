import { InvalidOptionError } from './errors.ts';

/** Where a broker listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const PORT_DEFAULT = 9092;

/** `host:port`, with brackets around IPv6. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Reads `bootstrapServers`: a list, or one string with commas. The port may be left out (9092); IPv6 stands in brackets.
 * @throws InvalidOptionError when there is none, or one cannot be read.
 */
export function parseBootstrapServers(servers: string | readonly string[]): Address[] {
  const entries = (typeof servers === 'string' ? servers.split(',') : servers).map((entry) => entry.trim());
  const addresses = entries.filter((entry) => entry !== '').map(parseAddress);
  if (addresses.length === 0) throw new InvalidOptionError('bootstrapServers is empty: give at least one "host:port"');
  return addresses;
}

function parseAddress(entry: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:/\s[\]]+))(?::(\d{1,5}))?$/.exec(entry);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? PORT_DEFAULT : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new InvalidOptionError(`bootstrapServers: "${entry}" is not "host:port" (IPv6 as "[::1]:9092", no URL)`);
  }
  return { host, port };
}
