/** Producers in other languages in the load on a cluster, each a process that tells of every acknowledgement in a line of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { within } from '../clients/client.ts';
import { has } from '../needs/index.ts';
import { type Command, javaCommand, librdkafkaCommand, whyNoLibrdkafka } from './copiers/foreign-copiers.ts';
import type { LoadTarget } from './load.ts';
import { AcknowledgementGaps, KcatPaced, PACE_MS, PATIENCE_MS, type PacedProducer } from './paced-producers.ts';

/** Who writes, and by which command. */
export interface ForeignClient {
  readonly name: string;
  /** The producer's number in the values of its records. */
  readonly id: number;
  readonly about: string;
  readonly command: Command;
}

export class ForeignPaced implements PacedProducer {
  readonly name: string;
  readonly id: number;
  readonly about: string;
  readonly gaps: AcknowledgementGaps;
  failedSends = 0;
  readonly #target: LoadTarget;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #sent: number[];
  #retries: Record<string, number> | undefined;
  #said = '';

  private constructor(target: LoadTarget, { name, id, about, command }: ForeignClient) {
    const [program, ...args] = command;
    this.name = name;
    this.id = id;
    this.about = about;
    this.#target = target;
    this.gaps = new AcknowledgementGaps(target.partitions);
    this.#sent = Array.from({ length: target.partitions }, () => 0);
    const own = [target.bootstrapServers, target.topic, target.partitions, id, target.paceMs ?? PACE_MS].map(String);
    this.#process = spawn(program, [...args, ...own], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stdin?.on('error', () => undefined);
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-10_000);
    });
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#heard(line));
    this.#ended = once(this.#process, 'close');
  }

  /** Resolves once a record is acknowledged. */
  static async start(target: LoadTarget, client: ForeignClient): Promise<ForeignPaced> {
    const paced = new ForeignPaced(target, client);
    const first = once(paced.#process.stdout!, 'data');
    const over = paced.#ended.then(() => {
      throw new Error(`the producer of ${client.name} ended with ${paced.#process.exitCode}: ${paced.#said}`);
    });
    over.catch(() => undefined);
    await within(PATIENCE_MS, `the first acknowledgement of ${client.name}`, Promise.race([first, over]));
    return paced;
  }

  /** What it has sent again; known when it has finished. */
  get retries(): Readonly<Record<string, number>> | undefined {
    return this.#retries;
  }

  #heard(line: string): void {
    const [kind, first = '', second = '', third = ''] = line.split(' ');
    if (kind === 'a') {
      const sent = { producer: this.id, partition: Number(first), sequence: Number(second) };
      this.#target.ledger.acknowledged(sent, Number(third));
      this.gaps.acknowledged(sent.partition);
    } else if (kind === 's') {
      this.#sent[Number(first)] = Number(second);
    } else if (kind === 'r') {
      this.#retries = { ...this.#retries, [first]: Number(second) };
    } else {
      this.failedSends += 1;
      this.#target.ledger.violation(`a send of ${this.name} failed: ${line}`);
    }
  }

  async finish(): Promise<readonly number[]> {
    this.#process.stdin?.end('.');
    await within(PATIENCE_MS, `the last sends of ${this.name}`, this.#ended);
    if (this.#process.exitCode === 0) return this.#sent;
    const { exitCode } = this.#process;
    this.#target.ledger.violation(`the producer of ${this.name} ended with ${exitCode}: ${this.#said.slice(-500)}`);
    return [];
  }

  async abort(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

/** Java's producer, of the newest release of kafka-clients that is known here. */
export async function startJava(target: LoadTarget): Promise<PacedProducer> {
  const command = await javaCommand('java', 'PacedProducer');
  return ForeignPaced.start(target, { name: 'java', id: 3, about: 'kafka-clients, as it comes', command });
}

/**
 * librdkafka by a program of its own where it can be built, and by kcat elsewhere, which does not tell of acknowledgements one by one; undefined
 * where neither is here.
 */
export async function startLibrdkafka(target: LoadTarget): Promise<PacedProducer | undefined> {
  const whyNot = whyNoLibrdkafka();
  if (whyNot !== undefined) return has('kcat', import.meta.url) ? new KcatPaced(target, whyNot) : undefined;
  const command = await librdkafkaCommand('paced-producer');
  return ForeignPaced.start(target, { name: 'librdkafka', id: 2, about: 'in C, as it comes', command });
}
