/** A client that speaks otherwise than the port wants is told so at once, and what is likely wrong, whichever client it is. */
import { readFileSync } from 'node:fs';
import { Admin } from '@millrace/admin';
import type { Logger } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startBroker } from '@millrace/testing';
import { describe, expect, it } from 'vitest';
import { isElsewhere } from './suite-cluster.ts';

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../packages/network/fixtures/${name}`, import.meta.url));
const tls = { key: fixture('localhost.key.pem'), cert: fixture('localhost.cert.pem') };
const users = { alice: 'secret' };
const sasl = { mechanism: 'PLAIN', username: 'alice', password: 'secret' } as const;

const CLIENTS: readonly (readonly [string, (options: object) => { close(how: object): Promise<void> }])[] = [
  [
    'a producer',
    (options) => {
      const producer = new Producer(options as never);
      producer.send({ topic: 't', value: 'x' }).catch(() => {});
      return producer;
    },
  ],
  [
    'a consumer of a group',
    (options) => {
      const consumer = new Consumer({ ...options, groupId: 'g' } as never);
      consumer.subscribe('t');
      consumer.run({ eachRecord() {} }).catch(() => {});
      return consumer;
    },
  ],
  [
    'a consumer by hand',
    (options) => {
      const consumer = new Consumer(options as never);
      consumer.assign([{ topic: 't', partition: 0 }]);
      consumer[Symbol.asyncIterator]()
        .next()
        .catch(() => {});
      return consumer;
    },
  ],
  [
    'an admin',
    (options) => {
      const admin = new Admin(options as never);
      admin.listTopics().catch(() => {});
      return admin;
    },
  ],
];

describe.runIf(!isElsewhere).each<[string, object, object, string]>([
  ['TLS on a plain port', {}, { tls: true }, 'Does this port speak TLS?'],
  ['TLS and SASL on a plain port', {}, { tls: true, sasl }, 'Does this port speak TLS?'],
  ['no TLS on a port that wants it', { tls }, {}, 'Does this port want TLS or SASL?'],
  ['SASL without TLS on a port that wants both', { tls, users }, { sasl }, 'Does this port want TLS?'],
  ['no SASL on a port that wants it', { users }, {}, 'Does this port want SASL?'],
])('%s', (_name, security, options, hint) => {
  it.each(CLIENTS)('is told to %s at once', async (_client, start) => {
    const broker = await startBroker(security);
    const told = Promise.withResolvers<string>();
    const logger: Logger = { debug() {}, info() {}, warn: (_fields, message) => told.resolve(message), error() {} };
    const client = start({ bootstrapServers: broker.bootstrapServers, logger, ...options });
    expect(await told.promise).toContain(hint);
    await client.close({ timeoutMs: 1 }).catch(() => {});
    await broker.close();
  });
});
