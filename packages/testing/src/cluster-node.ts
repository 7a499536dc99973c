import { Broker, type BrokerConfig, type PeerLane, type Peers } from '@millrace/broker';
import type { MemoryMetadataStore } from '@millrace/metadata';
import { ConnectionError, Listener, ReconnectingConnection } from '@millrace/network';
import { type Logger, MemoryDisk, systemClock, systemRandom } from '@millrace/ports';
import { Process, pausable, storeOf } from './process.ts';
import { StartingHandler } from './starting-handler.ts';

const HOST = '127.0.0.1';

/** What the brokers of a cluster share. */
export interface ClusterSurroundings {
  readonly store: MemoryMetadataStore;
  readonly logger: Logger;
  /** Whether requests of one broker reach another. */
  isCut(from: number, to: number): boolean;
  configOf(id: number, port: number): BrokerConfig;
}

/** One life of a broker: what it reaches the world by, until it is killed. */
interface Life {
  readonly process: Process;
  readonly session: ReturnType<MemoryMetadataStore['openSession']>;
  readonly broker: Broker;
  readonly listener: Listener;
}

/** A broker of a test's cluster with its port and its disk, which outlive it. */
export class ClusterNode {
  readonly id: number;
  readonly #surroundings: ClusterSurroundings;
  #disk = new MemoryDisk(() => systemClock.now());
  #port = 0;
  #life: Life | undefined;

  constructor(id: number, surroundings: ClusterSurroundings) {
    this.id = id;
    this.#surroundings = surroundings;
  }

  /** The port that clients reach it on; the same in all its lives. */
  get port(): number {
    return this.#port;
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  /** The running broker; undefined while there is none. */
  get broker(): Broker | undefined {
    return this.#life?.broker;
  }

  async start(): Promise<void> {
    if (this.#life !== undefined) return;
    const { store, logger, configOf } = this.#surroundings;
    const process = new Process();
    const starting = new StartingHandler();
    const handler = pausable(starting, process);
    const listener = new Listener({ handler, name: 'PLAINTEXT', host: HOST, port: this.#port, logger });
    this.#port = (await listener.listen()).port;
    const session = store.openSession();
    const broker = new Broker({
      config: configOf(this.id, this.#port),
      clock: process,
      random: systemRandom,
      disk: this.#disk,
      metadataStore: storeOf(session, process),
      peers: this.#peers(process),
      logger,
    });
    this.#life = { process, session, broker, listener };
    try {
      await broker.start();
      starting.started(broker.requestHandler);
    } catch (error) {
      this.#life = undefined;
      await listener.close(0);
      await session.close();
      throw error;
    }
  }

  /** Hands over what it leads, and stops. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    life.process.resume();
    await life.broker.handOver();
    this.#life = undefined;
    life.broker.finishWaits();
    await life.listener.close(0);
    await life.broker.stop();
    await life.session.close();
    life.process.end();
    this.#disk = this.#disk.crash('all');
  }

  /** Ends as `kill -9` does: connections break, and its session is over at once. What it has written is there. */
  async kill(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    life.process.end();
    this.#disk = this.#disk.crash('all');
    await life.listener.close(0);
    await life.session.expireSession();
  }

  /** From now on it answers nobody and says nothing, as after SIGSTOP; its session goes on. */
  pause(): void {
    this.#life?.process.pause();
  }

  resume(): void {
    this.#life?.process.resume();
  }

  /** The metadata store takes it for gone. */
  async expireSession(): Promise<void> {
    await this.#life?.session.expireSession();
  }

  #peers(process: Process): Peers {
    const { logger, isCut } = this.#surroundings;
    const { id } = this;
    return {
      lane: ({ brokerId, host, port }, clientId): PeerLane => {
        const connection = new ReconnectingConnection({ host, port, clientId, logger, connectTimeoutMs: 2000 });
        let resets = 0;
        return {
          async send(api, version, body, options) {
            const before = resets;
            await process.running;
            if (before !== resets) throw givenUp(brokerId);
            if (isCut(id, brokerId)) throw unreachable(brokerId);
            const answer = await connection.send(api, version, body, options);
            // The way back is a way too, and who was paused meanwhile hears of it later.
            if (isCut(brokerId, id)) throw unreachable(brokerId);
            await process.running;
            return answer;
          },
          reset() {
            resets += 1;
            connection.reset();
          },
          close: () => connection.close(),
        };
      },
    };
  }
}

function givenUp(brokerId: number): ConnectionError {
  return new ConnectionError('NETWORK_CONNECTION_CLOSED', `The way to broker ${brokerId} was given up`);
}

function unreachable(brokerId: number): ConnectionError {
  return new ConnectionError(
    'NETWORK_CONNECTION_LOST',
    `Broker ${brokerId} cannot be reached: the test has cut it off`,
  );
}
