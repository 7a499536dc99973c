import { createServer, type Server } from 'node:net';
import type { Logger } from '@millrace/ports';
import { Heartbeat, Metadata } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KafkaClient } from './kafka-client.ts';
import type { ClientOptions } from './options.ts';
import { ScriptedCluster } from './testing/scripted-cluster.ts';

let cluster: ScriptedCluster;
let lines: { level: string; message: string; fields: Record<string, unknown> }[];
const open: KafkaClient[] = [];

beforeEach(async () => {
  lines = [];
  cluster = await ScriptedCluster.start(1);
});

afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
  await cluster.stop();
});

function newClient(options: Partial<ClientOptions> = {}): KafkaClient {
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: fields as Record<string, unknown> });
  const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const client = new KafkaClient({
    bootstrapServers: cluster.bootstrapServers,
    retryBackoffMs: 1,
    reconnectBackoffMs: 1,
    reconnectBackoffMsMax: 5,
    logger,
    ...options,
  });
  open.push(client);
  return client;
}

/** A port on which nobody listens any more. */
async function deadPort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('a broker that cannot be reached', () => {
  it('is told once at warn however often it is tried, and again when it is back', async () => {
    await cluster.broker(1).stop();
    const client = newClient();
    await expect(client.connect({ timeoutMs: 500 })).rejects.toMatchObject({ code: 'CLIENT_TIMED_OUT' });
    const told = lines.filter(({ level }) => level === 'warn');
    expect(told).toHaveLength(1);
    expect(told[0]!.message).toContain(`Cannot connect to ${cluster.bootstrapServers[0]}`);
    expect(told[0]!.fields).toMatchObject({ err: { code: 'NETWORK_CONNECT_FAILED' }, failures: 1 });
    expect(lines.filter(({ level }) => level === 'debug').length).toBeGreaterThan(1);
    await cluster.broker(1).start();
    await client.connect();
    expect(lines.filter(({ level }) => level === 'info').map(({ message }) => message)).toEqual([
      `${cluster.bootstrapServers[0]} is reached again`,
    ]);
  });

  it('is told to be one that the cluster names, where it is', async () => {
    const port = await deadPort();
    cluster.on(Metadata, () => ({
      clusterId: 'fake',
      controllerId: 7,
      brokers: [{ nodeId: 7, host: '127.0.0.1', port }],
      topics: [],
    }));
    const client = newClient();
    const outcome = client.sendToBroker(7, Heartbeat, { groupId: 'g', generationId: 1, memberId: 'm' }, { retries: 1 });
    await expect(outcome).rejects.toMatchObject({
      code: 'NETWORK_CONNECT_FAILED',
      message: expect.stringContaining(
        `the cluster names 127.0.0.1:${port} as the address of a broker (advertised.listeners), which cannot be reached from here`,
      ),
    });
    const warnings = lines.filter(({ level }) => level === 'warn');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.message).not.toContain('.;');
  });
});

it('asks whether a port wants a login only where it has answered nothing yet', async () => {
  cluster.on(Heartbeat, () => {
    throw new Error('it hangs up');
  });
  const hungUp = async (client: KafkaClient): Promise<string> => {
    const body = { groupId: 'g', generationId: 1, memberId: 'm' };
    const outcome = client.sendToBroker(1, Heartbeat, body, { retries: 0, lane: 'other' });
    return outcome.then(String, (error: Error) => error.message);
  };
  const known = newClient();
  await known.connect();
  expect(await hungUp(known)).toMatch(/was not answered: connection to [^ ]+ was lost: the broker closed it$/);
  const stranger = newClient();
  cluster.on(Metadata, () => {
    throw new Error('it hangs up');
  });
  const failure = stranger.refreshTopics([], { retries: 0 });
  await expect(failure).rejects.toThrow('Does this port want SASL?');
});

it('says nothing when it works and is closed', async () => {
  cluster.setTopic('t', [1]);
  const client = newClient();
  await client.topics(['t']);
  await client.close();
  expect(lines).toEqual([]);
});

it.each([undefined, '', 5, 'x'.repeat(250), '\ud800'])(
  'refuses to ask for a topic named %s, and asks for those of others',
  async (name) => {
    cluster.setTopic('t', [1]);
    const client = newClient();
    const [bad, good] = await Promise.allSettled([client.topics([name as string]), client.topics(['t'])]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'CLIENT_INVALID_ARGUMENT', retriable: false } });
    expect(good.status).toBe('fulfilled');
  },
);

describe('a broker that is cut off from its cluster and still answers', () => {
  it('is not asked for ever who leads, though it is the only one that the client is connected to', async () => {
    await cluster.stop();
    cluster = await ScriptedCluster.start(3);
    cluster.setTopic('t', [1], 0);
    const [stale] = structuredClone(cluster.metadata({ topics: [{ name: 't' }] } as never).topics);
    cluster.broker(1).on(Metadata, (request) => ({ ...cluster.metadata(request), topics: [stale!] }));
    const client = newClient({ bootstrapServers: cluster.bootstrapServers.slice(0, 1) });
    await client.topics(['t']);
    cluster.setTopic('t', [2], 1);
    await client.refreshTopics(['t']);
    for (let look = 0; look < 5; look += 1) await client.refreshTopics(['t'], { isUrgent: true });
    expect(client.partition('t', 0)?.leaderId).toBe(1);
    await client.refreshTopics(['t'], { isUrgent: true });
    expect(client.partition('t', 0)).toMatchObject({ leaderId: 2, leaderEpoch: 1 });
    // What it says later takes nothing back.
    await client.sendToBroker(1, Metadata, { topics: [{ name: 't' }] });
    await client.refreshTopics(['t']);
    expect(client.partition('t', 0)?.leaderId).toBe(2);
  });
});
