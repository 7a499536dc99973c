/** The README's list of APIs is what a broker says of itself. */
import { readFileSync } from 'node:fs';
import { Connection } from '@millrace/network';
import { apiByKey } from '@millrace/protocol';
import { startBroker } from '@millrace/testing';
import { expect, it } from 'vitest';

it('lists the APIs that a broker advertises, with their versions', async () => {
  await using broker = await startBroker();
  const [host, port] = broker.bootstrapServers.split(':');
  const connection = await Connection.connect({ host: host!, port: Number(port) });
  const served = [...connection.apiVersions].sort(([a], [b]) => a - b);
  await connection.close();
  const names = served.map(([key, { min, max }]) => {
    const name = apiByKey.get(key)?.name ?? String(key);
    return `${name} ${min === max ? min : `${min}-${max}`}`;
  });
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  expect(readme.replace(/\n> /g, ' ')).toContain(`The broker serves: ${names.join(', ')}.`);
});
