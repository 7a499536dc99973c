import { Connection } from '@millrace/network';
import { apiByKey } from '@millrace/protocol';
import { startBroker } from '@millrace/testing';

/** What the page on what is compatible says of the APIs. */
export interface ApiLists {
  readonly served: string;
  readonly missing: string;
}

/** Asks a broker which APIs it serves, and puts them and the others into sentences. */
export async function apiLists(): Promise<ApiLists> {
  await using broker = await startBroker();
  const [host, port] = broker.bootstrapServers.split(':');
  const connection = await Connection.connect({ host: host!, port: Number(port) });
  const served = [...connection.apiVersions].sort(([a], [b]) => a - b);
  await connection.close();
  const names = served.map(([key, { min, max }]) => {
    const name = apiByKey.get(key)?.name ?? String(key);
    return `${name} ${min === max ? min : `${min}-${max}`}`;
  });
  const isServed = new Set(served.map(([key]) => key));
  const missing = [...apiByKey].filter(([key]) => !isServed.has(key)).sort(([a], [b]) => a - b);
  return {
    served: `The broker serves: ${names.join(', ')}.`,
    missing: `Not served: ${missing.map(([, { name }]) => name).join(', ')}.`,
  };
}
