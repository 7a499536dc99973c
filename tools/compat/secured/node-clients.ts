/** The clients of Node: kafkajs, @platformatic/kafka, and ours. */
import { readFileSync } from 'node:fs';
import { Consumer } from '@millrace/consumer';
import type { SaslOptions } from '@millrace/network';
import { Producer } from '@millrace/producer';
import {
  Consumer as PlatformaticConsumer,
  Producer as PlatformaticProducer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import type { SASLOptions as KafkaJsSasl } from 'kafkajs';
import { connectKafkaJs, within } from '../../clients/index.ts';
import {
  type Attempt,
  type Login,
  MECHANISMS,
  type Outcome,
  type Result,
  type SecuredClient,
  type TlsFiles,
} from './attempt.ts';

const READ_MS_MAX = 15_000;

interface NodeTls {
  readonly ca: string;
  readonly key?: string;
  readonly cert?: string;
}

function tlsOf({ authority, shown }: TlsFiles): NodeTls {
  const read = (path: string): string => readFileSync(path, 'utf8');
  return {
    ca: read(authority),
    ...(shown === undefined ? {} : { key: read(shown.key), cert: read(shown.certificate) }),
  };
}

/** A client that makes its attempts one after the other in this process. */
function nodeClient(name: string, attempt: (attempt: Attempt) => Promise<boolean>): SecuredClient {
  return {
    name,
    mechanisms: MECHANISMS,
    async run(attempts) {
      const results: Result[] = [];
      for (const each of attempts) results.push(await resultOf(each, attempt));
      return results;
    },
  };
}

async function resultOf(attempt: Attempt, act: (attempt: Attempt) => Promise<boolean>): Promise<Result> {
  const { id } = attempt;
  try {
    const isRead = await within(2 * READ_MS_MAX, id, act(attempt));
    return isRead ? { id, outcome: 'read', text: '' } : { id, outcome: 'other', text: 'what was written was not read' };
  } catch (error) {
    const text = chainOf(error).join(' <- ');
    return { id, outcome: outcomeOf(text), text };
  }
}

/** An error with all that stand behind it: clients wrap them, several at once too. */
function chainOf(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth > 8) return [String(error)];
  const { code = '' } = error as { readonly code?: string };
  const behind = [error.cause, ...(error instanceof AggregateError ? error.errors : [])].filter(
    (each) => each !== undefined,
  );
  return [`${error.name} ${code}: ${error.message}`, ...behind.flatMap((each) => chainOf(each, depth + 1))];
}

const PATTERNS: readonly (readonly [Outcome, RegExp])[] = [
  ['authorization', /authorization|authorized|TOPIC_AUTHORIZATION_FAILED/i],
  ['tls', /certificate|ERR_TLS|SSL routines|TLS_FAILED|altnames/i],
  ['authentication', /authentication|SASL/i],
  ['disconnected', /closed|ECONNRESET|timeout|CONNECTION_LOST|disconnected/i],
];

function outcomeOf(text: string): Outcome {
  return PATTERNS.find(([, pattern]) => pattern.test(text))?.[0] ?? 'other';
}

function kafkaJsSasl({ mechanism, user, password, token }: Login): KafkaJsSasl {
  if (mechanism === 'OAUTHBEARER') {
    return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: token }) };
  }
  // kafkajs has a type for each mechanism, of which the others are alike.
  return { mechanism: mechanism.toLowerCase(), username: user, password } as KafkaJsSasl;
}

const kafkajs = nodeClient('kafkajs', async ({ bootstrap, topic, group, value, login, tls }) => {
  const kafka = connectKafkaJs(bootstrap, {
    retry: { retries: 0 },
    ...(tls === undefined ? {} : { ssl: tlsOf(tls) }),
    ...(login === undefined ? {} : { sasl: kafkaJsSasl(login) }),
  });
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  try {
    await producer.connect();
    await producer.send({ topic, acks: -1, messages: [{ value }] });
  } finally {
    await producer.disconnect();
  }
  const consumer = kafka.consumer({ groupId: group, retry: { retries: 2 } });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const read = new Promise<boolean>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
      const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
        if (String(message.value) === value) resolve(true);
      };
      consumer.run({ eachMessage }).catch(reject);
    });
    return await within(READ_MS_MAX, 'reading', read);
  } finally {
    await consumer.disconnect();
  }
});

const platformatic = nodeClient('platformatic', async ({ bootstrap, topic, group, value, login, tls }) => {
  const options = {
    clientId: 'platformatic',
    bootstrapBrokers: [bootstrap],
    retries: 0,
    ...(tls === undefined ? {} : { tls: tlsOf(tls) }),
    ...(login === undefined
      ? {}
      : login.mechanism === 'OAUTHBEARER'
        ? { sasl: { mechanism: login.mechanism, token: login.token } }
        : { sasl: { mechanism: login.mechanism, username: login.user, password: login.password } }),
  };
  const producer = new PlatformaticProducer<string, string, string, string>({
    ...options,
    serializers: stringSerializers,
  });
  try {
    await producer.send({ messages: [{ topic, value }], acks: -1 });
  } finally {
    await producer.close();
  }
  const consumer = new PlatformaticConsumer<string, string, string, string>({
    ...options,
    groupId: group,
    deserializers: stringDeserializers,
    maxWaitTime: 200,
  });
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' });
    for await (const message of stream) if (message.value === value) return true;
    return false;
  } finally {
    await consumer.close(true);
  }
});

function saslOf({ mechanism, user, password, token }: Login): SaslOptions {
  if (mechanism === 'OAUTHBEARER') return { mechanism, token: () => token };
  return mechanism === 'PLAIN' ? { mechanism, username: user, password } : { mechanism, username: user, password };
}

const millrace = nodeClient('millrace', async ({ bootstrap, topic, group, value, login, tls }) => {
  const client = {
    bootstrapServers: bootstrap,
    ...(tls === undefined ? {} : { tls: tlsOf(tls) }),
    ...(login === undefined ? {} : { sasl: saslOf(login) }),
  };
  await using producer = new Producer({ ...client, deliveryTimeoutMs: READ_MS_MAX });
  await producer.send({ topic, value });
  await using consumer = new Consumer({ ...client, groupId: group, autoOffsetReset: 'earliest' });
  consumer.subscribe(topic);
  for await (const record of consumer) if (String(record.value) === value) return true;
  return false;
});

export const nodeClients: readonly SecuredClient[] = [kafkajs, platformatic, millrace];
