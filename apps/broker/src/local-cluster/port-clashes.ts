import { StartError } from '../start-error.ts';
import { type MemberPlan, memberEndpoints, memberPorts } from './member-settings.ts';

const PORT_MAX = 65_535;

/** Hosts that stand for all addresses of the machine. */
const ALL_ADDRESSES: readonly string[] = ['', '0.0.0.0', '::'];

/** The addresses of this machine alone, which `localhost` may stand for. */
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '::1'];

interface TakenAddress {
  readonly brokerId: number | undefined;
  /** Who is to have it, in words. */
  readonly owner: string;
  readonly host: string;
  readonly port: number;
}

/** What ports are made of. */
export interface PortPlan extends Pick<MemberPlan, 'config' | 'httpPort' | 'brokers'> {
  readonly httpHost: string | undefined;
  /** Whether the cluster has a page, on the port behind those of the brokers' metrics. */
  readonly hasSite: boolean;
}

/**
 * Refuses settings by which two of a local cluster's brokers, or their page, would be on one port, or clients would take one for the other: the
 * first broker's may be right each for itself.
 * @throws StartError START_CONFIG_INVALID
 */
export function refusePortClashes(plan: PortPlan): void {
  const { config, brokers, httpPort, httpHost, hasSite } = plan;
  const opened: TakenAddress[] = memberPorts(plan, httpHost).map(({ brokerId, purpose, host, port }) => ({
    brokerId,
    owner: `${purpose} of broker ${brokerId}`,
    host,
    port,
  }));
  if (hasSite && httpPort !== undefined && httpPort !== 0) {
    opened.push({ brokerId: undefined, owner: 'the console', host: httpHost ?? '', port: httpPort + brokers });
  }
  const advertised =
    config.advertisedListeners === null
      ? []
      : Array.from({ length: brokers }, (_, index) =>
          memberEndpoints(config, config.advertisedEndpoints, index),
        ).flatMap((endpoints, index): TakenAddress[] =>
          endpoints.map(({ name, host, port }) => ({
            brokerId: index + 1,
            owner: `advertised listener ${name} of broker ${index + 1}`,
            host,
            port,
          })),
        );
  for (const each of [...opened, ...advertised]) if (each.port > PORT_MAX) refuse(plan, tooHigh(each));
  const clash = firstPair(opened, meet) ?? firstPair(advertised, lookAlike);
  if (clash !== undefined) refuse(plan, bothOn(...clash));
}

function firstPair(
  all: readonly TakenAddress[],
  isClash: (one: TakenAddress, other: TakenAddress) => boolean,
): readonly [TakenAddress, TakenAddress] | undefined {
  const byPort = Map.groupBy(
    all.filter(({ port }) => port !== 0),
    ({ port }) => port,
  );
  for (const some of byPort.values()) {
    for (const [index, one] of some.entries()) {
      const other = some.slice(index + 1).find((each) => isClash(one, each));
      if (other !== undefined) return [one, other];
    }
  }
  return undefined;
}

/** Whether the second of two could not be opened. */
function meet({ host: one }: TakenAddress, { host: other }: TakenAddress): boolean {
  if (ALL_ADDRESSES.includes(one) || ALL_ADDRESSES.includes(other)) return true;
  const isName = one === 'localhost' || other === 'localhost';
  return one === other || (isName && LOOPBACK.includes(one) && LOOPBACK.includes(other));
}

/** Whether clients would take one broker for another; two listeners of one broker may be behind one address. */
function lookAlike(one: TakenAddress, other: TakenAddress): boolean {
  return one.brokerId !== other.brokerId && one.host.toLowerCase() === other.host.toLowerCase();
}

function bothOn({ owner: one, port }: TakenAddress, { owner: other }: TakenAddress): string {
  return `${one[0]?.toUpperCase()}${one.slice(1)} and ${other} would both be on port ${port}`;
}

function tooHigh({ owner, port }: TakenAddress): string {
  return `${owner[0]?.toUpperCase()}${owner.slice(1)} would be on port ${port}, and there are ${PORT_MAX}`;
}

function refuse({ config, brokers }: PortPlan, what: string): never {
  const stride = config.endpoints.length;
  const step = stride === 1 ? 'the next ones' : `those ${stride} further, for there are ${stride} listeners`;
  throw new StartError(
    'START_CONFIG_INVALID',
    `${what}. What is set is the first broker's, and each of the other ${brokers - 1} takes ${step}. ` +
      'Choose ports in listeners (--port), advertised.listeners and millrace.http.port (--http-port) that leave room for that: ' +
      'those of several listeners one behind the other, or far apart',
  );
}
