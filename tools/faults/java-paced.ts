/** Java's producer (kafka-clients) in the load on a cluster, as a process that tells of each acknowledgement. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { within } from '../clients/client.ts';
import { javaCommand } from './copiers/foreign-copiers.ts';
import type { LoadTarget } from './load.ts';
import { AcknowledgementGaps, PACE_MS, PATIENCE_MS, type PacedProducer } from './paced-producers.ts';

export class JavaPaced implements PacedProducer {
  readonly name = 'java';
  readonly id = 3;
  readonly gaps: AcknowledgementGaps;
  failedSends = 0;
  readonly #target: LoadTarget;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #sent: number[];
  #said = '';

  private constructor(target: LoadTarget, [program, ...args]: readonly [string, ...string[]]) {
    this.#target = target;
    this.gaps = new AcknowledgementGaps(target.partitions);
    this.#sent = Array.from({ length: target.partitions }, () => 0);
    const own = [target.bootstrapServers, target.topic, target.partitions, this.id, target.paceMs ?? PACE_MS].map(
      String,
    );
    this.#process = spawn(program, [...args, ...own], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stdin?.on('error', () => undefined);
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-10_000);
    });
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#heard(line));
    this.#ended = once(this.#process, 'close');
  }

  /** Of the newest release of kafka-clients that is known here. Resolves once a record is acknowledged. */
  static async start(target: LoadTarget): Promise<JavaPaced> {
    const paced = new JavaPaced(target, await javaCommand('java', 'PacedProducer'));
    const first = once(paced.#process.stdout!, 'data');
    const over = paced.#ended.then(() => {
      throw new Error(`Java's producer ended with ${paced.#process.exitCode}: ${paced.#said}`);
    });
    over.catch(() => undefined);
    await within(PATIENCE_MS, "the first acknowledgement of Java's producer", Promise.race([first, over]));
    return paced;
  }

  #heard(line: string): void {
    const [kind, partition = -1, sequence = -1, offset = -1] = line
      .split(' ')
      .map((each, at) => (at === 0 ? each : Number(each)));
    if (kind === 'a') {
      const sent = { producer: this.id, partition: Number(partition), sequence: Number(sequence) };
      this.#target.ledger.acknowledged(sent, Number(offset));
      this.gaps.acknowledged(sent.partition);
    } else if (kind === 's') {
      this.#sent[Number(partition)] = Number(sequence);
    } else {
      this.failedSends += 1;
      this.#target.ledger.violation(`a send of Java's failed: ${line}`);
    }
  }

  async finish(): Promise<readonly number[]> {
    this.#process.stdin?.end('.');
    await within(PATIENCE_MS, 'the last sends of Java', this.#ended);
    if (this.#process.exitCode === 0) return this.#sent;
    this.#target.ledger.violation(`Java's producer ended with ${this.#process.exitCode}: ${this.#said.slice(-500)}`);
    return [];
  }

  async abort(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}
