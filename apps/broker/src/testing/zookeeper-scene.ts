import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@millrace/broker';
import { MemoryMetadataStore } from '@millrace/metadata';
import { systemClock, systemRandom } from '@millrace/ports';
import { ZooKeeperListener, ZooKeeperServer } from '@millrace/zookeeper';
import { type BrokerProcess, startBrokerProcess } from '../broker-process.ts';

/** A server of ZooKeeper's protocol in this process, a folder for data, and the brokers that a test starts on them. */
export class ZooKeeperScene {
  readonly folder: string;
  /** What the server serves. */
  readonly root: MemoryMetadataStore;
  readonly #server: ZooKeeperServer;
  readonly #listener: ZooKeeperListener;
  readonly #started: BrokerProcess[] = [];

  private constructor(folder: string, root: MemoryMetadataStore, server: ZooKeeperServer, listener: ZooKeeperListener) {
    this.folder = folder;
    this.root = root;
    this.#server = server;
    this.#listener = listener;
  }

  static async open(): Promise<ZooKeeperScene> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-zk-'));
    const root = new MemoryMetadataStore();
    const server = new ZooKeeperServer({ store: root, clock: systemClock, random: systemRandom });
    const listener = await ZooKeeperListener.listen(server, { host: '127.0.0.1', port: 0 });
    return new ZooKeeperScene(folder, root, server, listener);
  }

  /** `zookeeper.connect` without a path. */
  get address(): string {
    return `127.0.0.1:${this.#listener.port}`;
  }

  /** Starts a broker with its logs in a folder of that name. */
  async start(
    name: string,
    overrides: Readonly<Record<string, string>>,
    logger: Logger = silentLogger,
  ): Promise<BrokerProcess> {
    const broker = await startBrokerProcess({
      env: {},
      logger,
      overrides: {
        'log.dirs': join(this.folder, name),
        listeners: 'PLAINTEXT://127.0.0.1:0',
        'millrace.http.port': '',
        'zookeeper.connect': this.address,
        ...overrides,
      },
    });
    this.#started.push(broker);
    return broker;
  }

  async close(): Promise<void> {
    // One after the other, so that each has somebody to hand its partitions over to.
    for (const broker of this.#started) await broker.stop();
    await this.#listener.close();
    await this.#server.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
