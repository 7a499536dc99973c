/** Kills a broker again and again under load, and holds what is there in the end against what it had acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { type Random, seededRandom } from '@millrace/ports';
import { within } from '../clients/client.ts';
import { freePort } from '../kafka/broker.ts';
import { BrokerProcess, type BrokerProcessOptions, type Ending } from './broker-process.ts';
import { Ledger, PartitionCheck } from './ledger.ts';
import { CommittingReader, fetchAll, GroupMember, LoadProducer, type LoadTarget } from './load.ts';

export interface KillNineOptions {
  /** Where the broker's data goes. */
  readonly folder: string;
  /** Kills. Default 20. */
  readonly rounds?: number;
  /** Decides when kills come. Default 1. */
  readonly seed?: number;
  /** Default 6. */
  readonly partitions?: number;
  /** Default 2. */
  readonly producers?: number;
  /** Longest time under load before a kill. Default 1,500 ms. */
  readonly loadMsMax?: number;
  /** Another program than the broker's source. */
  readonly program?: readonly string[];
  /** Told of each round. */
  readonly onRound?: (line: string) => void;
}

export interface KillNineReport {
  readonly kills: number;
  /** Kills that came before the broker was ready. */
  readonly killsWhileStarting: number;
  readonly recordsAcknowledged: number;
  readonly recordsRead: number;
  readonly commitsAcknowledged: number;
  /** From the start of a process after a kill to its word that it is ready. */
  readonly recoveryMs: readonly number[];
  /** From the same to the first record acknowledged after it. */
  readonly serviceMs: readonly number[];
  /** How the last process ended on SIGTERM. */
  readonly lastEnding: Ending;
  readonly violations: readonly string[];
  readonly violationCount: number;
}

const TOPIC = 'kill-nine';
/** Every n-th kill comes while the broker starts. */
const EARLY_KILL_EVERY = 4;
const CATCH_UP_MS_MAX = 120_000;

/** Small segments and frequent checkpoints, so that kills meet rolls, snapshots and half-written checkpoints. */
const SETTINGS = {
  'log.segment.bytes': 200_000,
  'log.flush.offset.checkpoint.interval.ms': 300,
  'replica.high.watermark.checkpoint.interval.ms': 150,
  'offsets.topic.num.partitions': 4,
  'offsets.topic.segment.bytes': 100_000,
};

/** @throws Error when something hangs; what the broker broke of its promises is in the report. */
export async function killNine(options: KillNineOptions): Promise<KillNineReport> {
  return new KillNine(options, await freePort()).run();
}

type CommittedOffset = readonly [group: string, partition: number, offset: number | undefined];

class KillNine {
  readonly #options: KillNineOptions;
  readonly #process: BrokerProcessOptions;
  readonly #random: Random;
  readonly #target: LoadTarget;
  readonly #ledger = new Ledger();
  readonly #recoveryMs: number[] = [];
  readonly #serviceMs: number[] = [];
  #killsWhileStarting = 0;
  #producers: LoadProducer[] = [];
  #readers: CommittingReader[] = [];
  #members: GroupMember[] = [];
  #broker: BrokerProcess | undefined;

  constructor(options: KillNineOptions, port: number) {
    const { folder, program, partitions = 6, seed = 1 } = options;
    this.#options = options;
    this.#process = { folder, port, settings: SETTINGS, ...(program === undefined ? {} : { program }) };
    this.#random = seededRandom(seed);
    this.#target = { bootstrapServers: `127.0.0.1:${port}`, topic: TOPIC, partitions, ledger: this.#ledger };
  }

  async run(): Promise<KillNineReport> {
    const { rounds = 20 } = this.#options;
    try {
      this.#broker = await BrokerProcess.start(this.#process);
      await this.#startLoad();
      for (let round = 1; round <= rounds; round++) await this.#round(round);
      const recordsRead = await this.#finish();
      const lastEnding = await this.#broker.stop();
      return this.#report(rounds, recordsRead, lastEnding);
    } finally {
      await this.#abort();
    }
  }

  async #startLoad(): Promise<void> {
    const { producers = 2, partitions = this.#target.partitions } = this.#options;
    await this.#withAdmin((admin) => admin.createTopics([{ topic: TOPIC, partitions }]));
    this.#producers = Array.from({ length: producers }, (_, id) => new LoadProducer(this.#target, id));
    this.#readers = [new CommittingReader(this.#target, 'reader')];
    this.#members = [new GroupMember(this.#target, 'member')];
    await Promise.all(this.#members.map((member) => member.start()));
    await this.#nextAcknowledged();
  }

  async #round(round: number): Promise<void> {
    if (round % EARLY_KILL_EVERY === 0) {
      await this.#killStarting();
    } else {
      await sleep(this.#random.nextInt(this.#options.loadMsMax ?? 1500));
      await this.#broker!.kill();
    }
    const underWay = this.#producers.reduce((sum, producer) => sum + producer.unacknowledged, 0);
    const committed = this.#committed();
    const recordsBefore = this.#ledger.recordsAcknowledged;
    this.#broker = await BrokerProcess.start(this.#process);
    this.#recoveryMs.push(this.#broker.readyMs);
    await this.#nextAcknowledged(recordsBefore);
    this.#serviceMs.push(performance.now() - this.#broker.startedAt);
    await this.#checkGroups(committed);
    this.#options.onRound?.(
      `kill ${round}: ${this.#ledger.recordsAcknowledged} records acknowledged, ${underWay} were under way, ` +
        `ready again after ${Math.round(this.#broker.readyMs)} ms, ${this.#ledger.violationCount} violations`,
    );
  }

  /** Stops the broker that runs, and kills the next one on its way up: while it recovers, elects, or opens its port. */
  async #killStarting(): Promise<void> {
    await this.#broker!.kill();
    this.#broker = new BrokerProcess(this.#process);
    const usual = this.#recoveryMs.at(-1) ?? 300;
    await sleep(usual * 0.3 + this.#random.nextInt(Math.ceil(usual)));
    await this.#broker.kill();
    this.#killsWhileStarting++;
  }

  #committed(): readonly CommittedOffset[] {
    const partitions = Array.from({ length: this.#target.partitions }, (_, partition) => partition);
    return [...this.#readers, ...this.#members].flatMap(({ group }) =>
      partitions.map((partition) => [group, partition, this.#ledger.committedOffset(group, partition)] as const),
    );
  }

  /** Asks the broker what the groups have committed. */
  async #checkGroups(expected: readonly CommittedOffset[]): Promise<void> {
    await this.#withAdmin(async (admin) => {
      for (const group of new Set(expected.map(([each]) => each))) {
        const found = await admin.listGroupOffsets(group);
        for (const [of, partition, offset] of expected) {
          if (of !== group) continue;
          const now = found.find((each) => each.topic === TOPIC && each.partition === partition)?.offset;
          this.#ledger.checkCommitted(group, partition, offset, now);
        }
      }
    });
  }

  /** Lets the load come to its end, kills once more, and reads everything. */
  async #finish(): Promise<number> {
    await within(CATCH_UP_MS_MAX, 'acknowledging what was sent', Promise.all(this.#producers.map((p) => p.finish())));
    await this.#catchUp();
    await Promise.all([...this.#readers, ...this.#members].map((each) => each.stop()));
    const committed = this.#committed();
    await this.#broker!.kill();
    this.#broker = await BrokerProcess.start(this.#process);
    await this.#checkGroups(committed);
    await using client = new KafkaClient({ bootstrapServers: this.#target.bootstrapServers });
    let recordsRead = 0;
    for (let partition = 0; partition < this.#target.partitions; partition++) {
      const check = new PartitionCheck(this.#ledger, partition);
      for await (const { offset, value } of fetchAll(client, TOPIC, partition)) {
        check.record(offset, value);
        recordsRead++;
      }
      check.end(this.#producers.length);
    }
    return recordsRead;
  }

  /** Waits until the groups have committed everything: whoever survives the kills must also get to the end. */
  async #catchUp(): Promise<void> {
    const ends = await this.#withAdmin((admin) =>
      admin.listOffsets(
        Array.from({ length: this.#target.partitions }, (_, partition) => ({ topic: TOPIC, partition, at: 'latest' })),
      ),
    );
    const deadline = performance.now() + CATCH_UP_MS_MAX;
    const isBehind = () =>
      [...this.#readers, ...this.#members].find(({ group }) =>
        ends.some(({ partition, offset }) => (this.#ledger.committedOffset(group, partition) ?? 0) < offset),
      );
    for (let behind = isBehind(); behind !== undefined; behind = isBehind()) {
      if (performance.now() > deadline) {
        this.#ledger.violation(`group ${behind.group} did not get to the end within ${CATCH_UP_MS_MAX} ms`);
        return;
      }
      await sleep(20);
    }
  }

  /** Waits until more records are acknowledged than were. */
  async #nextAcknowledged(before = this.#ledger.recordsAcknowledged): Promise<void> {
    const deadline = performance.now() + CATCH_UP_MS_MAX;
    while (this.#ledger.recordsAcknowledged === before) {
      if (performance.now() > deadline) throw new Error(`nothing was acknowledged for ${CATCH_UP_MS_MAX} ms`);
      await sleep(2);
    }
  }

  async #withAdmin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
    await using admin = new Admin({ bootstrapServers: this.#target.bootstrapServers });
    return await use(admin);
  }

  async #abort(): Promise<void> {
    await Promise.allSettled([
      ...this.#producers.map((producer) => producer.abort()),
      ...this.#readers.map((reader) => reader.close()),
      ...this.#members.map((member) => member.stop()),
    ]);
    await this.#broker?.kill();
  }

  #report(rounds: number, recordsRead: number, lastEnding: Ending): KillNineReport {
    const { recordsAcknowledged, commitsAcknowledged, violations, violationCount } = this.#ledger;
    return {
      kills: rounds + 1,
      killsWhileStarting: this.#killsWhileStarting,
      recordsAcknowledged,
      recordsRead,
      commitsAcknowledged,
      recoveryMs: this.#recoveryMs,
      serviceMs: this.#serviceMs,
      lastEnding,
      violations,
      violationCount,
    };
  }
}
