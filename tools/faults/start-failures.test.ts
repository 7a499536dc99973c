/** A broker process that cannot start: it says in words what is in the way, ends with a code, and harms nobody. */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Producer } from '@millrace/producer';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RUN_MS_MAX } from './expect-kept.ts';
import { BROKER_PROGRAM, type Ending, SpawnedBroker, type SpawnedBrokerOptions } from './spawned-broker.ts';

vi.setConfig({ testTimeout: RUN_MS_MAX, hookTimeout: RUN_MS_MAX });

let folder: string;
let running: SpawnedBroker[];
let blocker: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-start-'));
  running = [];
});
afterEach(async () => {
  blocker?.close();
  blocker = undefined;
  await Promise.all(running.map((broker) => broker.kill()));
  rmSync(folder, { recursive: true, force: true });
});

function launch(options: Partial<SpawnedBrokerOptions> = {}): SpawnedBroker {
  const broker = new SpawnedBroker({ folder: join(folder, 'data'), ...options });
  running.push(broker);
  return broker;
}

/** What somebody reads who has just typed the command: no stack, nothing of the program's inside. */
async function failure(options: Partial<SpawnedBrokerOptions> = {}): Promise<Ending> {
  const ending = await launch(options).ended;
  expect(ending.code).not.toBe(0);
  expect(ending.signal).toBe(null);
  expect(ending.output).toMatch(/^millrace: /m);
  expect(ending.output).not.toMatch(/^\s+at .*\(/m);
  return ending;
}

const withConfig = (file: string) => ({ program: [...BROKER_PROGRAM, '--config', file] });

describe('a broker process does not start', () => {
  it('on a port that is taken, and names it', async () => {
    blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as { port: number };
    const { code, output } = await failure({ port });
    expect(code).toBe(69);
    expect(output).toContain(
      `port ${port}: another process listens there. Stop it, or choose another port: --port, or "listeners"`,
    );
  });

  it('on the folder of a broker that runs, which goes on undisturbed', async () => {
    const first = launch();
    await first.ready();
    await using producer = new Producer({ bootstrapServers: first.bootstrap });
    await producer.send({ topic: 'undisturbed', value: 'before' });
    const { code, output } = await failure();
    expect(code).toBe(69);
    expect(output).toContain('is in use by another broker. Stop that one, or set log.dirs to another folder');
    expect(await producer.send({ topic: 'undisturbed', partition: 0, value: 'after' })).toMatchObject({ partition: 0 });
  });

  it('with a file of settings that is missing, that is a folder, or that nobody may read', async () => {
    const missing = join(folder, 'missing.properties');
    expect(await failure(withConfig(missing))).toMatchObject({
      code: 78,
      output: expect.stringContaining(`${missing}: there is no such file`),
    });
    expect(await failure(withConfig(folder))).toMatchObject({ code: 78, output: expect.stringContaining(folder) });
    const secret = join(folder, 'secret.properties');
    writeFileSync(secret, '');
    chmodSync(secret, 0);
    // Root may read everything.
    if (process.getuid?.() !== 0) {
      expect(await failure(withConfig(secret))).toMatchObject({ code: 78, output: expect.stringContaining(secret) });
    }
  });

  it('with settings that make no sense, and names each of them', async () => {
    const settings = { 'num.partitions': 'many', 'log.retention.ms': '-7', listeners: 'PLAINTEXT//nowhere' };
    const { code, output } = await failure({ settings });
    expect(code).toBe(78);
    for (const name of Object.keys(settings)) expect(output).toContain(name);
  });

  it('with a file of settings that is no text', async () => {
    const file = join(folder, 'binary.properties');
    writeFileSync(file, Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 7919) & 0xff)));
    const broker = launch(withConfig(file));
    // Names that nobody knows are warned of; a start must either come about or say why not.
    await Promise.race([broker.ready().catch(() => undefined), broker.ended]);
    expect(broker.output).toMatch(/is ready at|^millrace: /m);
  });

  it('on a folder that is a file, or that another broker of another cluster has left', async () => {
    const first = launch();
    await first.ready();
    await first.stop();
    // A store that is new takes the id of the folders, from which it may be to be restored; one that has an id of its own does not.
    const owner = join(folder, 'data', 'meta.properties');
    writeFileSync(owner, 'version=0\nbroker.id=1\ncluster.id=somebodyElsesCluster00\n');
    expect(await failure()).toMatchObject({ code: 78, output: expect.stringContaining('somebodyElsesCluster00') });
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(await failure({ folder: file })).toMatchObject({ code: 77, output: expect.stringContaining(file) });
  });

  it('on an address that this machine does not have', async () => {
    const { code, output } = await failure({ settings: { listeners: 'PLAINTEXT://192.0.2.1:0' } });
    expect(code).toBe(69);
    expect(output).toContain('no network interface of this machine has that address');
  });
});
