/** How many connections there may be of a listener and of an address, beside `max.connections` and `max.connections.per.ip`. */
import { isAddress, javaAddress } from '../shared/hosts.ts';
import { brokerConfigTable } from './broker-definitions.ts';
import type { ListenerEndpoint } from './listeners.ts';
import type { ConfigProperties } from './topic-config.ts';
import { parseConfigValue } from './values.ts';

/** The limits of one listener; none where nothing is set for it. */
export interface ListenerLimits {
  readonly connectionsMax: number;
  readonly creationRateMax: number;
}

export interface ConnectionLimitSettings {
  readonly listeners: ReadonlyMap<string, ListenerLimits>;
  /** `max.connections.per.ip.overrides`, by the address in Java's form. */
  readonly byAddress: ReadonlyMap<string, number>;
}

/** Settings that a listener may have for itself, `listener.name.NAME.` in front. */
export const LIMITS_PER_LISTENER: readonly string[] = ['max.connections', 'max.connection.creation.rate'];

const OVERRIDES = 'max.connections.per.ip.overrides';

type Report = (name: string, message: string) => void;

export function connectionLimitsOf(
  properties: ConfigProperties,
  endpoints: readonly ListenerEndpoint[],
  report: Report,
): ConnectionLimitSettings {
  const listeners = endpoints.map(({ name }): [string, ListenerLimits] => [
    name,
    {
      connectionsMax: ownNumber(name, 'max.connections', properties, report),
      creationRateMax: ownNumber(name, 'max.connection.creation.rate', properties, report),
    },
  ]);
  return { listeners: new Map(listeners), byAddress: overridesOf(properties[OVERRIDES] ?? '', report) };
}

function ownNumber(listener: string, key: string, properties: ConfigProperties, report: Report): number {
  const name = `listener.name.${listener.toLowerCase()}.${key}`;
  const text = properties[name];
  const definition = brokerConfigTable[key];
  if (text === undefined || definition === undefined || text.trim() === '') return Number.POSITIVE_INFINITY;
  const parsed = parseConfigValue(name, definition, text);
  if ('value' in parsed) return parsed.value as number;
  report(name, parsed.fault);
  return Number.POSITIVE_INFINITY;
}

/** `127.0.0.1:5,::1:7`: what stands behind the last colon is the count. */
function overridesOf(text: string, report: Report): ReadonlyMap<string, number> {
  const byAddress = new Map<string, number>();
  for (const pair of text.split(',').map((each) => each.trim())) {
    if (pair === '') continue;
    const at = pair.lastIndexOf(':');
    const address = pair.slice(0, Math.max(at, 0)).replace(/^\[(.*)\]$/, '$1');
    const count = pair.slice(at + 1).trim();
    if (!isAddress(address) || !/^\d{1,9}$/.test(count)) {
      report(
        OVERRIDES,
        `${OVERRIDES} has ${pair}, which cannot be used: it is a list of ADDRESS:COUNT with addresses in numbers, such as 10.0.0.1:200. Names of hosts are not looked up`,
      );
      continue;
    }
    byAddress.set(javaAddress(address), Number(count));
  }
  return byAddress;
}
