/**
 * Readers of what is committed, in other languages, that read a topic as it grows: while brokers are killed, and so that little is left to
 * read when the last of them has been.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer } from 'kafkajs';
import { connectKafkaJs } from '../../clients/kafkajs.ts';
import { javaArguments, KAFKA_4 } from '../../kafka/index.ts';

export interface Reading {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
}

const AGAIN_MS = 200;
const SESSION_MS = 6000;
/** One that gets nothing for so long, where there is more, begins anew. */
const STALLED_MS = 30_000;
const LOOK_MS = 50;

/** A record that stands behind all others of its partition: who has read it would have read whatever is there too many. */
export const END = 'end of the partition';

/** What a reader has seen. One that begins again sees what it has seen before, which counts once. */
class Seen {
  /** The values of each partition, in order, but for {@link END}. */
  readonly values: string[][];
  count = 0;
  readonly #next: number[];
  readonly #ended = new Set<number>();

  constructor(partitions: number) {
    this.values = Array.from({ length: partitions }, () => []);
    this.#next = Array.from({ length: partitions }, () => 0);
  }

  add(partition: number, offset: number, value: string): void {
    if (offset < (this.#next[partition] ?? Number.POSITIVE_INFINITY)) return;
    this.#next[partition] = offset + 1;
    this.count += 1;
    if (value === END) this.#ended.add(partition);
    else this.values[partition]!.push(value);
  }

  get isOver(): boolean {
    return this.#ended.size === this.values.length;
  }
}

export interface CommittedReader {
  readonly name: string;
  /** The values of each partition, in order, once there is {@link END} in each, or no more come. */
  read(): Promise<readonly (readonly string[])[]>;
  stop(): Promise<void>;
}

/** Librdkafka's, as kcat. */
export function readByKcat({ bootstrap, topic, partitions }: Reading): CommittedReader {
  // `-E`: it goes on where a broker is away. `-u`: it keeps nothing back.
  const args = ['-C', '-b', bootstrap, '-t', topic, '-o', 'beginning', '-q', '-u', '-E', '-f', '%p %o %s\\n'];
  return new ProgramReader('librdkafka', partitions, /^(\d+) (\d+) (.*)$/, async () => {
    return ['kcat', [...args, '-X', 'isolation.level=read_committed']];
  });
}

/** Java's. */
export function readByJava({ bootstrap, topic, partitions }: Reading): CommittedReader {
  const place = ['--bootstrap-server', bootstrap, '--topic', topic, '--from-beginning'];
  const format = ['--property', 'print.partition=true', '--property', 'print.offset=true'];
  return new ProgramReader("Java's consumer", partitions, /^Partition:(\d+)\tOffset:(\d+)\t(.*)$/, async () => {
    const java = await javaArguments('kafka-console-consumer', KAFKA_4, '128m');
    return ['java', [...java, ...place, ...format, '--isolation-level', 'read_committed']];
  });
}

/** A program that prints what it reads, and is started again when it ends. */
class ProgramReader implements CommittedReader {
  readonly name: string;
  readonly #seen: Seen;
  readonly #pattern: RegExp;
  readonly #command: () => Promise<readonly [string, readonly string[]]>;
  readonly #running: Promise<void>;
  #child: ChildProcess | undefined;
  #isOver = false;

  constructor(
    name: string,
    partitions: number,
    pattern: RegExp,
    command: () => Promise<readonly [string, readonly string[]]>,
  ) {
    this.name = name;
    this.#seen = new Seen(partitions);
    this.#pattern = pattern;
    this.#command = command;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const [program, args] = await this.#command();
    while (!this.#isOver) {
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
      this.#child = child;
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => {
        const [, partition, offset, value = ''] = this.#pattern.exec(line) ?? [];
        if (partition !== undefined) this.#seen.add(Number(partition), Number(offset), value);
      });
      await once(child, 'close');
      await sleep(AGAIN_MS);
    }
  }

  read(): Promise<readonly (readonly string[])[]> {
    return allOf(this.#seen, () => this.#child?.kill('SIGKILL'));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#child?.kill('SIGKILL');
    await this.#running;
  }
}

export function readByKafkaJs(reading: Reading): CommittedReader {
  return new KafkaJsReader(reading);
}

class KafkaJsReader implements CommittedReader {
  readonly name = 'kafkajs';
  readonly #reading: Reading;
  readonly #seen: Seen;
  readonly #running: Promise<void>;
  #consumer: Consumer | undefined;
  #crashed: (() => void) | undefined;
  #isOver = false;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#seen = new Seen(reading.partitions);
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#isOver; attempt += 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#crashed = resolve;
      // A group of its own each time: it begins at the beginning, and waits for no member of before.
      const groupId = `${this.#reading.topic}-read-${attempt}`;
      const consumer = connectKafkaJs(this.#reading.bootstrap).consumer({
        groupId,
        sessionTimeout: SESSION_MS,
        readUncommitted: false,
      });
      this.#consumer = consumer;
      consumer.on('consumer.crash', () => resolve());
      try {
        await consumer.connect();
        await consumer.subscribe({ topic: this.#reading.topic, fromBeginning: true });
        await consumer.run({
          eachMessage: async ({ partition, message }) => {
            this.#seen.add(partition, Number(message.offset), String(message.value));
          },
        });
        await promise;
      } catch {
        // The cluster is not there for a moment.
      }
      await consumer.disconnect().catch(() => undefined);
      await sleep(AGAIN_MS);
    }
  }

  read(): Promise<readonly (readonly string[])[]> {
    return allOf(this.#seen, () => this.#crashed?.());
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#crashed?.();
    await this.#consumer?.disconnect().catch(() => undefined);
    await this.#running;
  }
}

/** One that has stalled is begun anew once; then it has what it has. */
async function allOf(seen: Seen, beginAnew: () => void): Promise<readonly (readonly string[])[]> {
  let [had, hadAt, isAnew] = [seen.count, performance.now(), false];
  while (!seen.isOver) {
    await sleep(LOOK_MS);
    if (seen.count > had) [had, hadAt] = [seen.count, performance.now()];
    if (performance.now() - hadAt < STALLED_MS) continue;
    if (isAnew) break;
    [isAnew, hadAt] = [true, performance.now()];
    beginAnew();
  }
  return seen.values;
}
