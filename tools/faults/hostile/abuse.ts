import { createConnection, type Socket } from 'node:net';
import { RawClient } from '../raw-client.ts';
import type { SpawnedBroker } from '../spawned-broker.ts';

/** Something that no decent client does. */
export interface Abuse {
  readonly name: string;
  /** About what is sent; the measure is stricter with little. */
  readonly mebibytes: number;
  /** Does it, and says in a few words what came of it. @throws Error where the broker did what it must not. */
  run(place: Place): Promise<string>;
}

/** Where an abuse happens: a broker with a topic called `innocent`, and what has to be closed afterwards. */
export class Place implements Disposable {
  readonly broker: SpawnedBroker;
  readonly #sockets: { destroy(): unknown }[] = [];

  constructor(broker: SpawnedBroker) {
    this.broker = broker;
  }

  async client(): Promise<RawClient> {
    const client = await RawClient.connect(this.broker.port);
    this.#sockets.push(client.socket);
    return client;
  }

  /** A socket that never reads. */
  deafSocket(): Socket {
    const socket = createConnection({ port: this.broker.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.pause();
    this.#sockets.push(socket);
    return socket;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

const ANSWER_MS_MAX = 60_000;

/** Sends one frame, size included, and waits for an answer's size or the end of the connection. */
export async function sendFrame(place: Place, frame: Buffer): Promise<string> {
  const socket = createConnection({ port: place.broker.port, host: '127.0.0.1', noDelay: true });
  return new Promise((resolve) => {
    let taken = 0;
    let announced = Number.POSITIVE_INFINITY;
    const end = (outcome: string): void => {
      clearTimeout(late);
      socket.destroy();
      resolve(outcome);
    };
    const late = setTimeout(() => end('no answer'), ANSWER_MS_MAX);
    socket.on('connect', () => socket.write(frame));
    socket.on('error', () => undefined);
    socket.on('close', () => end('closed'));
    socket.on('data', (chunk: Buffer) => {
      if (taken === 0 && chunk.length >= 4) announced = chunk.readInt32BE(0) + 4;
      taken += chunk.length;
      if (taken >= announced) end(`${taken} bytes`);
    });
  });
}
