/** The broker of a soak: a child process on a folder that stays, so that it can be killed, stopped and started again. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ErrorName } from '@millrace/protocol';
import { within } from '../clients/client.ts';

/** What the child is asked to do. */
export type BrokerOrder =
  | { readonly kind: 'stop' }
  | { readonly kind: 'moveLeader'; readonly topic: string; readonly partition: number }
  | { readonly kind: 'expireMember'; readonly groupId: string; readonly which: number }
  | { readonly kind: 'fail'; readonly api: string; readonly error: ErrorName; readonly times: number }
  | { readonly kind: 'delay'; readonly api: string; readonly ms: number; readonly times: number }
  | { readonly kind: 'drop'; readonly api: string; readonly when: 'before' | 'after'; readonly times: number };

/** What the child says. */
export type BrokerWord = { readonly kind: 'ready'; readonly port: number } | { readonly kind: 'done' };

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
const ORDER_MS_MAX = 10_000;

export class SoakBroker {
  readonly #folder: string;
  readonly #advertisedPort: number;
  #child: ChildProcess | undefined;
  #onWord: ((word: BrokerWord) => void) | undefined;

  constructor(folder: string, advertisedPort: number) {
    this.#folder = folder;
    this.#advertisedPort = advertisedPort;
  }

  /** Starts the process; returns the port it listens on, which is another each time. */
  async start(topics: readonly { topic: string; partitions: number }[] = []): Promise<number> {
    const args = JSON.stringify({ folder: this.#folder, advertisedPort: this.#advertisedPort, topics });
    const program = fileURLToPath(new URL('./broker-child.ts', import.meta.url));
    const child = fork(program, [args], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
    this.#child = child;
    child.on('message', (word) => this.#onWord?.(word as BrokerWord));
    const ready = new Promise<number>((resolve, reject) => {
      this.#onWord = (word) => {
        if (word.kind === 'ready') resolve(word.port);
      };
      child.once('exit', (code, signal) => reject(new Error(`the broker ended with ${code ?? signal} while starting`)));
    });
    return await within(START_MS_MAX, 'starting the broker', ready);
  }

  /** Resolves when the order is carried out. */
  async order(order: BrokerOrder): Promise<void> {
    const done = new Promise<void>((resolve) => {
      this.#onWord = (word) => {
        if (word.kind === 'done') resolve();
      };
    });
    this.#child?.send(order);
    await within(ORDER_MS_MAX, `ordering ${order.kind}`, done);
  }

  /** As `kill -9`. */
  kill(): Promise<void> {
    return this.#end((child) => child.kill('SIGKILL'));
  }

  /** As one stops a broker. */
  stop(): Promise<void> {
    return this.#end((child) => child.send({ kind: 'stop' } satisfies BrokerOrder));
  }

  async #end(how: (child: ChildProcess) => void): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    how(child);
    await within(STOP_MS_MAX, 'ending the broker', ended);
  }
}
