/** Producers that send a record to every partition again and again at a steady pace, and note how long a partition gave no acknowledgement. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Producer, type ProducerOptions } from '@millrace/producer';
import kafkajsModule, { type Producer as KafkaJsProducer, type LogEntry } from 'kafkajs';
import { within } from '../clients/client.ts';
import { connectKafkaJs } from '../clients/kafkajs.ts';
import { loadValue } from './ledger.ts';
import { type LoadTarget, loadMessage } from './load.ts';

const { logLevel } = kafkajsModule;

/** A record for each partition so often, where a target says nothing else. */
export const PACE_MS = 10;
/** Long enough for every outage of a run: nothing may fail for want of patience. */
export const PATIENCE_MS = 300_000;
/** Records that wait for an acknowledgement; a producer that has so many sends nothing more. */
const UNACKNOWLEDGED_MAX = 20_000;

/** How long each partition went without an acknowledgement, since it was last asked. */
export class AcknowledgementGaps {
  readonly #last: number[];
  readonly #longest: number[];

  constructor(partitions: number) {
    const now = performance.now();
    this.#last = Array.from({ length: partitions }, () => now);
    this.#longest = Array.from({ length: partitions }, () => 0);
  }

  acknowledged(partition: number): void {
    const now = performance.now();
    this.#longest[partition] = Math.max(this.#longest[partition]!, now - this.#last[partition]!);
    this.#last[partition] = now;
  }

  begin(): void {
    this.#longest.fill(0);
  }

  /** The longest gap of these partitions since {@link begin}, the one that goes on included. */
  longestOf(partitions: readonly number[]): number {
    const now = performance.now();
    return Math.max(0, ...partitions.map((each) => Math.max(this.#longest[each]!, now - this.#last[each]!)));
  }

  /** Whether each of these partitions has acknowledged something since a moment. */
  haveAcknowledgedSince(moment: number, partitions: readonly number[]): boolean {
    return partitions.every((each) => this.#last[each]! > moment);
  }
}

export interface PacedProducer {
  readonly name: string;
  /** The producer's number in the values of its records. */
  readonly id: number;
  /** What of the client it is: its settings, and what it does not tell. */
  readonly about: string;
  /** Undefined where the client does not tell when a record is acknowledged. */
  readonly gaps: AcknowledgementGaps | undefined;
  /** Promises of the client's own that were rejected. */
  readonly failedSends: number;
  /** What the client has sent again, by its own count and in its own units; undefined where it does not tell, or has not finished. */
  readonly retries: Readonly<Record<string, number>> | undefined;
  /** Sends nothing more, waits for what was sent, and tells how many records each partition must have now. */
  finish(): Promise<readonly number[]>;
  abort(): Promise<void>;
}

/** Our SDK as it comes: idempotent, acks=all, its own back-off. */
export class SdkPaced implements PacedProducer {
  readonly name = 'millrace';
  readonly id = 0;
  readonly about = 'as it comes';
  readonly gaps: AcknowledgementGaps;
  failedSends = 0;
  readonly #target: LoadTarget;
  readonly #producer: Producer;
  readonly #sent: number[];
  #unacknowledged = 0;
  #isStopping = false;
  readonly #run: Promise<void>;

  /** With other settings than its defaults, where any are given. */
  constructor(target: LoadTarget, settings: Pick<ProducerOptions, 'batchBytes'> = {}) {
    this.#target = target;
    this.gaps = new AcknowledgementGaps(target.partitions);
    this.#sent = Array.from({ length: target.partitions }, () => 0);
    this.#producer = new Producer({ bootstrapServers: target.bootstrapServers, ...settings });
    this.#run = this.#sendAll();
  }

  get retries(): Readonly<Record<string, number>> {
    return { batches: this.#producer.metrics().batchesRetried };
  }

  async #sendAll(): Promise<void> {
    while (!this.#isStopping) {
      if (this.#unacknowledged < UNACKNOWLEDGED_MAX) for (const partition of this.#sent.keys()) this.#send(partition);
      await sleep(this.#target.paceMs ?? PACE_MS);
    }
  }

  #send(partition: number): void {
    const { ledger } = this.#target;
    const sent = { producer: this.id, partition, sequence: this.#sent[partition]! };
    this.#sent[partition] = sent.sequence + 1;
    this.#unacknowledged += 1;
    this.#producer.send(loadMessage(this.#target, sent)).then(
      ({ offset }) => {
        this.#unacknowledged -= 1;
        ledger.acknowledged(sent, offset);
        this.gaps.acknowledged(partition);
      },
      (error: unknown) => {
        this.#unacknowledged -= 1;
        if (this.#isStopping) return;
        this.failedSends += 1;
        ledger.violation(`a send of ours failed: ${String(error)}`);
      },
    );
  }

  async finish(): Promise<readonly number[]> {
    this.#isStopping = true;
    await this.#run;
    await this.#producer.flush();
    await this.#producer.close();
    return this.#sent;
  }

  async abort(): Promise<void> {
    this.#isStopping = true;
    await this.#producer.close({ timeoutMs: 0 }).catch(() => undefined);
  }
}

/** For outages that its defaults do not wait for. */
const PATIENT_RETRY = { initialRetryTime: 50, maxRetryTime: 300, retries: 2000 };

/** kafkajs tells of a send that it tries again in its log only: an entry of its producer with the number of the try. */
export class RetryCount {
  count = 0;

  readonly heard = ({ namespace, log }: LogEntry): void => {
    if (namespace === 'Producer' && log['retryCount'] !== undefined) this.count += 1;
  };
}

/**
 * kafkajs, idempotent, one record of a partition after the other, and a client for each partition: kafkajs 2.2.4 may take one broker for
 * another when a send learns that a broker is gone while another send of the same client is renewing the metadata. `removeBroker` of its
 * pool puts another broker into the seed's place, and `refreshMetadata` then writes the old seed's id on that one. From then on sends to
 * it resolve with an empty list and nothing sent, or are refused for ever.
 */
export class KafkaJsPaced implements PacedProducer {
  readonly name = 'kafkajs';
  readonly id = 1;
  readonly about: string;
  readonly gaps: AcknowledgementGaps;
  failedSends = 0;
  readonly #target: LoadTarget;
  readonly #producers: readonly KafkaJsProducer[];
  readonly #acknowledged: number[];
  readonly #retries: RetryCount;
  #isStopping = false;
  #runs: Promise<void>[] = [];

  private constructor(target: LoadTarget, producers: readonly KafkaJsProducer[], retries: RetryCount, about: string) {
    this.about = about;
    this.#retries = retries;
    this.#target = target;
    this.#producers = producers;
    this.gaps = new AcknowledgementGaps(target.partitions);
    this.#acknowledged = producers.map(() => 0);
  }

  /**
   * With its default settings: five retries, about 9 s in all. A load during which a partition may be without a leader for longer asks for a
   * patient one.
   */
  static async start(target: LoadTarget, isPatient = false): Promise<KafkaJsPaced> {
    const retries = new RetryCount();
    const patience = isPatient ? { retry: PATIENT_RETRY } : {};
    const how = { ...patience, logLevel: logLevel.DEBUG, logCreator: () => retries.heard };
    const producers = Array.from({ length: target.partitions }, () =>
      connectKafkaJs(target.bootstrapServers, how).producer({
        idempotent: true,
        allowAutoTopicCreation: false,
        ...patience,
      }),
    );
    await Promise.all(producers.map((producer) => producer.connect()));
    const { retries: times, initialRetryTime, maxRetryTime } = PATIENT_RETRY;
    const about = isPatient ? `${times} retries, ${initialRetryTime} to ${maxRetryTime} ms apart` : 'as it comes';
    const paced = new KafkaJsPaced(target, producers, retries, about);
    paced.#runs = producers.map((producer, partition) => paced.#sendTo(partition, producer));
    return paced;
  }

  get retries(): Readonly<Record<string, number>> {
    return { sends: this.#retries.count };
  }

  async #sendTo(partition: number, producer: KafkaJsProducer): Promise<void> {
    const { topic, ledger } = this.#target;
    for (let sequence = 0; !this.#isStopping; sequence += 1) {
      const sent = { producer: this.id, partition, sequence };
      try {
        const [told] = await producer.send({ topic, acks: -1, messages: [{ partition, value: loadValue(sent) }] });
        if (told?.baseOffset === undefined) throw new Error('kafkajs resolved a send without an offset');
        ledger.acknowledged(sent, Number(told.baseOffset));
      } catch {
        // What became of the record is not known, so this partition gets no more of this producer.
        if (!this.#isStopping) this.failedSends += 1;
        return;
      }
      this.#acknowledged[partition] = sequence + 1;
      this.gaps.acknowledged(partition);
      await sleep(this.#target.paceMs ?? PACE_MS);
    }
  }

  async finish(): Promise<readonly number[]> {
    this.#isStopping = true;
    await within(PATIENCE_MS, 'the last sends of kafkajs', Promise.all(this.#runs));
    await this.#disconnect();
    return this.#acknowledged;
  }

  async abort(): Promise<void> {
    this.#isStopping = true;
    await this.#disconnect().catch(() => undefined);
  }

  async #disconnect(): Promise<void> {
    await Promise.all(this.#producers.map((producer) => producer.disconnect()));
  }
}

/** librdkafka, idempotent, by kcat: it says in the end whether everything was acknowledged. It writes to the first partition. */
export class KcatPaced implements PacedProducer {
  readonly name = 'librdkafka';
  readonly id = 2;
  readonly about: string;
  readonly gaps = undefined;
  readonly failedSends = 0;
  readonly retries = undefined;
  readonly #target: LoadTarget;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said = '';
  #sent = 0;
  #isStopping = false;
  readonly #run: Promise<void>;

  /** @param whyKcat Why it is not a program of its own, which would tell of each acknowledgement. */
  constructor(target: LoadTarget, whyKcat: string) {
    this.about = `kcat, to one partition; gaps and retries are not measured: ${whyKcat}`;
    this.#target = target;
    const properties = { acks: 'all', 'enable.idempotence': 'true', 'message.timeout.ms': String(PATIENCE_MS) };
    const settings = Object.entries(properties).flatMap(([name, value]) => ['-X', `${name}=${value}`]);
    // Without -E kcat ends when no broker that it knows is connected to, for however short a time.
    const args = ['-P', '-E', '-b', target.bootstrapServers, '-t', target.topic, '-p', '0', ...settings];
    this.#process = spawn('kcat', args, { stdio: ['pipe', 'ignore', 'pipe'] });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-10_000);
    });
    this.#process.stdin?.on('error', () => undefined);
    this.#ended = once(this.#process, 'close');
    this.#run = this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    for (; !this.#isStopping; this.#sent += 1) {
      this.#process.stdin?.write(`${loadValue({ producer: this.id, partition: 0, sequence: this.#sent })}\n`);
      await sleep(this.#target.paceMs ?? PACE_MS);
    }
  }

  async finish(): Promise<readonly number[]> {
    this.#isStopping = true;
    await this.#run;
    this.#process.stdin?.end();
    await within(PATIENCE_MS, 'the last sends of librdkafka', this.#ended);
    if (this.#process.exitCode === 0) return [this.#sent];
    this.#target.ledger.violation(`kcat ended with ${this.#process.exitCode}: ${this.#said.slice(-500)}`);
    return [];
  }

  async abort(): Promise<void> {
    this.#isStopping = true;
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}
