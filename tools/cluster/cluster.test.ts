/** The shipped compose file, run without Docker: a broker is killed and comes back, and the console shows it. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { root } from '../source/index.ts';

const START_MS_MAX = 120_000;
/**
 * Ports that are free, and below those that systems give to whoever asks for any: what is bound only seconds later must not be somebody
 * else's connection by then. None is next to another, so that brokers can take those that follow.
 */
async function quietPorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = 10_240 + 4 * Math.floor(Math.random() * 5000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) found.add(port);
  }
  return [...found];
}

const PATIENCE = { timeout: 60_000, interval: 200 };

describe.skipIf(!has('zookeeper', import.meta.url))('the cluster of the compose file', () => {
  let folder: string;
  let at: Readonly<Record<string, string>>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-compose-'));
    const shipped = await readFile(join(root, 'apps/broker/docker/compose.yaml'), 'utf8');
    // The same file on ports that are free.
    const named = [...new Set(shipped.match(/\b(?:[123]\d{4}|8080)\b/g))];
    const free = await quietPorts(named.length + 1);
    at = {
      ...Object.fromEntries(named.map((port, index) => [port, String(free[index])])),
      http: String(free.at(-1)),
    };
    await writeFile(
      join(folder, 'compose.yaml'),
      shipped.replaceAll(/\b(?:[123]\d{4}|8080)\b/g, (port) => at[port] ?? port),
    );
  }, START_MS_MAX);

  afterAll(async () => {
    await cluster('down');
    await rm(folder, { recursive: true, force: true });
  }, START_MS_MAX);

  function cluster(...words: string[]): Promise<string> {
    const options = [
      '--file',
      join(folder, 'compose.yaml'),
      '--folder',
      join(folder, 'run'),
      '--http-port',
      at['http'] ?? '',
    ];
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [join(root, 'tools/cluster/main.ts'), ...words, ...options],
        (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(`${stderr}${stdout}`))),
      );
    });
  }

  async function brokersUp(): Promise<number> {
    const authorization = `Basic ${Buffer.from('admin:millrace').toString('base64')}`;
    const answer = await fetch(`http://localhost:${at['8080']}/api/clusters/local/overview`, {
      headers: { authorization },
    });
    // A test that reads what it does not get fails at once.
    const { brokers } = (await answer.json()) as { brokers: { isUp: boolean }[] };
    return brokers.filter(({ isUp }) => isUp).length;
  }

  it(
    'starts from the file, loses and gets back a broker, and its console says so to who has logged in',
    async () => {
      expect((await cluster('up')).match(/ runs /g)).toHaveLength(7);
      expect((await fetch(`http://localhost:${at['8080']}/`)).status).toBe(401);
      const bootstrapServers = [19092, 29092, 39092].map((port) => `localhost:${at[port]}`);
      await using admin = new Admin({ bootstrapServers });
      await admin.createTopics([{ topic: 'test', partitions: 2, replicationFactor: 3 }]);
      const inSync = async () =>
        (await admin.describeTopics(['test']))[0]?.partitions.map((p) => p.inSyncReplicas.length);
      await expect.poll(brokersUp, PATIENCE).toBe(3);
      await cluster('kill', '2');
      await expect(cluster('kill', '2')).rejects.toThrow();
      expect(await cluster('status')).toMatch(/kafka-2 +is down/);
      await using producer = new Producer({ bootstrapServers });
      await producer.send({ topic: 'test', value: 'kept' });
      await expect.poll(brokersUp, PATIENCE).toBe(2);
      await expect.poll(inSync, PATIENCE).toEqual([2, 2]);
      await cluster('start', '2');
      await expect.poll(inSync, PATIENCE).toEqual([3, 3]);
      await expect.poll(brokersUp, PATIENCE).toBe(3);
      expect(await cluster('down')).toContain('stopped');
      expect(await cluster('status')).not.toContain(' runs ');
    },
    START_MS_MAX * 2,
  );
});
