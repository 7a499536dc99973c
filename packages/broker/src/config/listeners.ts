/** Where a broker listens, or is reached, under one listener name. */
export interface ListenerEndpoint {
  /** The listener's name in capitals, such as `PLAINTEXT` or `EXTERNAL`. */
  readonly name: string;
  readonly securityProtocol: string;
  /** Empty for every interface; without brackets for IPv6. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** What came of reading a list of listeners. */
export interface ParsedListeners {
  readonly endpoints: readonly ListenerEndpoint[];
  readonly faults: readonly string[];
}

const LISTENER = /^([^:/]+):\/\/\[?([0-9a-zA-Z\-%._:]*?)\]?:(-?\d+)$/;
const PORT_MAX = 65_535;
const SECURITY_PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];

/** Reads `NAME://host:port` entries, as `listeners` and `advertised.listeners` have them. */
export function parseListeners(
  setting: string,
  entries: readonly string[],
  protocols: ReadonlyMap<string, string>,
): ParsedListeners {
  const endpoints: ListenerEndpoint[] = [];
  const faults: string[] = [];
  for (const entry of entries) {
    const match = LISTENER.exec(entry);
    const port = Number(match?.[3]);
    if (match === null || port < 0 || port > PORT_MAX) {
      faults.push(
        `Invalid value ${entry} for configuration ${setting}: a listener is NAME://host:port, such as PLAINTEXT://localhost:9092`,
      );
      continue;
    }
    const name = (match[1] as string).toUpperCase();
    const securityProtocol = protocols.get(name);
    if (securityProtocol === undefined) {
      faults.push(
        `Invalid value ${entry} for configuration ${setting}: No security protocol defined for listener ${name}; add it to listener.security.protocol.map`,
      );
      continue;
    }
    endpoints.push({ name, securityProtocol, host: match[2] as string, port });
  }
  const names = endpoints.map((endpoint) => endpoint.name);
  if (new Set(names).size < names.length) {
    faults.push(
      `Invalid value ${entries.join(',')} for configuration ${setting}: Each listener must have a different name`,
    );
  }
  return { endpoints, faults };
}

/** Two of the broker's own listeners cannot share a port, unless the system chooses it. */
export function sharedPortFault(setting: string, endpoints: readonly ListenerEndpoint[]): string | undefined {
  const taken = new Set<string>();
  for (const { host, port } of endpoints) {
    const place = `${host}:${port}`;
    if (port !== 0 && taken.has(place)) {
      return `Invalid value for configuration ${setting}: Each listener must have a different port, ${place} comes twice`;
    }
    taken.add(place);
  }
  return undefined;
}

/** Reads `listener.security.protocol.map`. */
export function parseProtocolMap(entries: readonly string[]): { protocols: Map<string, string>; faults: string[] } {
  const protocols = new Map<string, string>();
  const faults: string[] = [];
  for (const entry of entries) {
    const [name, protocol, ...rest] = entry.split(':').map((part) => part.trim().toUpperCase());
    if (name === undefined || name === '' || protocol === undefined || rest.length > 0) {
      faults.push(
        `Invalid value ${entry} for configuration listener.security.protocol.map: an entry is NAME:PROTOCOL, such as EXTERNAL:SSL`,
      );
    } else if (!SECURITY_PROTOCOLS.includes(protocol)) {
      faults.push(
        `Invalid value ${entry} for configuration listener.security.protocol.map: No enum constant for security protocol ${protocol}; there are ${SECURITY_PROTOCOLS.join(', ')}`,
      );
    } else {
      protocols.set(name, protocol);
    }
  }
  return { protocols, faults };
}
