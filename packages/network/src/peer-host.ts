const MAPPED_IPV4 = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/;

/** An address as people write it: IPv4 that came in over an IPv6 socket stands there without `::ffff:`. */
export function plainHost(address: string | undefined): string {
  return address?.replace(MAPPED_IPV4, '') ?? 'unknown';
}
