import type { Logger } from '@millrace/broker';
import { splitBatches } from '@millrace/records';
import type { Build } from '../build.ts';
import type { Anomaly } from '../checker/violation.ts';
import { Administrator } from '../clients/administrator.ts';
import { Auditor } from '../clients/auditor.ts';
import type { ClientTools, SimulatedClient } from '../clients/client.ts';
import { type PartitionRef, partitionsOf, type Topic } from '../clients/topics.ts';
import { type HistoryEvent, type PartitionName, Recorder } from '../history.ts';
import { isUnclean, rackOf, type SeedPlan } from '../plan.ts';
import { describeEvent, type TraceLine } from '../trace.ts';
import { Dice } from './dice.ts';
import { Ensemble, type EnsembleSession } from './ensemble.ts';
import { Machine } from './machine.ts';
import { Network } from './network.ts';
import { partitionNotInSync, partitionNotLed, type Unrest, unrestOf } from './quiet-check.ts';
import { ReplicaWatch, type WatchedBroker } from './replica-watch.ts';
import { Scribbler } from './scribbler.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { StateWatch } from './state-watch.ts';

/** The brokers' machines, a network, clients, and the record of what they did and saw: all from one seed. */
export class World {
  readonly plan: SeedPlan;
  readonly clock: SimulatedClock;
  readonly dice: Dice;
  readonly history: Recorder;
  readonly network: Network;
  readonly ensemble: Ensemble;
  readonly states = new StateWatch((anomaly, partition, message) => this.protest(anomaly, partition, message));
  readonly #replicas = new ReplicaWatch(this.states, (...protest) => this.protest(...protest));
  /** A session that nothing goes wrong with. */
  readonly #observer: EnsembleSession;
  readonly scribbler: Scribbler;
  readonly machines: readonly Machine[];
  readonly admin: Administrator;
  readonly notes: string[] = [];
  readonly #trace: TraceLine | undefined;
  /** For those whom nothing shall disturb. */
  readonly #backstage: Network;
  /** Partitions of which bits of the log were flipped. */
  readonly #damaged = new Set<string>();
  /** What time ends with when the world sees it. */
  readonly #lookedFor: Anomaly | undefined;
  topics: readonly Topic[] = [];
  partitions: readonly PartitionRef[] = [];
  groups: readonly string[] = [];
  audits = 0;
  #auditing: Promise<string | undefined> = Promise.resolve(undefined);

  constructor(plan: SeedPlan, build: Build, trace: TraceLine | undefined, lookedFor?: Anomaly) {
    this.plan = plan;
    this.#trace = trace;
    this.#lookedFor = lookedFor;
    this.dice = new Dice(plan.seed).for('world');
    this.clock = new SimulatedClock();
    const told = (event: HistoryEvent): void => trace?.(this.clock.monotonic(), ...describeEvent(event));
    this.history = new Recorder(trace === undefined ? undefined : told);
    const note = (message: string): void => this.note(message);
    this.network = new Network(this.clock, this.dice.for('network'), note);
    this.#backstage = new Network(this.clock, this.dice.for('backstage'), () => {});
    this.ensemble = new Ensemble(this.clock);
    this.#observer = this.ensemble.openSession();
    const session = this.#observer;
    this.scribbler = new Scribbler({ clock: this.clock, dice: this.dice.for('scribbler'), session, note });
    this.machines = Array.from({ length: plan.brokers }, (_, index) => this.#machine(index + 1, build));
    for (const topic of plan.topics) if (isUnclean(topic)) this.states.uncleanTopics.add(topic.name);
    this.admin = new Administrator(this.#tools('admin', this.#backstage));
  }

  note(message: string): void {
    this.notes.push(`${this.clock.monotonic().toFixed(3)} ${message}`);
    this.#trace?.(this.clock.monotonic(), 'world', message);
  }

  /** Something is wrong that no client sees. */
  protest(anomaly: Anomaly, partition: PartitionName | null, message: string): void {
    const { history } = this;
    history.add({ kind: 'protest', at: history.tick(), client: 'world', partition, anomaly, message });
    if (anomaly === this.#lookedFor) this.clock.stop();
  }

  /** Lets time pass until a promise settles. @throws what it rejects with; an Error when it never settles */
  async until<T>(promise: Promise<T>, withinMs: number): Promise<T> {
    let outcome: PromiseSettledResult<T> | undefined;
    void Promise.allSettled([promise]).then(([result]) => {
      outcome = result;
    });
    const limitMs = this.clock.monotonic() + withinMs;
    await this.clock.run(() => outcome !== undefined, limitMs);
    if (outcome === undefined) throw new WorldStuck(`nothing came of it within ${withinMs} ms`);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await this.clock.run(() => false, this.clock.monotonic() + ms);
  }

  /** Whether every broker serves. */
  get isServing(): boolean {
    return this.machines.every(({ serving }) => serving !== undefined);
  }

  /** Whether every partition has a leader, and all its replicas in sync, and every broker knows it; says where not. */
  notInSync(): string | undefined {
    const unrest = unrestOf(this.machines, this.states);
    if (unrest?.anomaly === 'stale-view') return unrest.message;
    return partitionNotInSync(
      this.states,
      new Map(this.plan.topics.map(({ name, replicationFactor }) => [name, replicationFactor])),
    );
  }

  /** A partition that nobody leads, though one of the brokers that serve could; says what is known of it. */
  notLed(): string | undefined {
    const live = this.machines.flatMap(({ id, serving }) => {
      if (serving === undefined) return [];
      const { replicas } = serving.broker.services;
      const leads = (topic: string, partition: number): boolean => {
        const found = replicas.find(topic, partition);
        return 'isLeader' in found && found.isLeader;
      };
      return [{ id, leads }];
    });
    return partitionNotLed(live, this.states);
  }

  /** Somebody deletes the office of the controller, who may hear of it later. */
  async dethrone(deafMs: number): Promise<void> {
    const node = await this.#observer.get('/controller').catch(() => undefined);
    if (node === undefined) return;
    const brokerId = Number(/"brokerid":(\d+)/.exec(node.data.toString())?.[1]);
    this.note(`broker ${brokerId} loses its office`);
    if (deafMs > 0) this.machines[brokerId - 1]?.loseStore('now', deafMs);
    await this.#observer.delete('/controller', 'any').catch(() => undefined);
  }

  /** Where a partition's replicas are, as the metadata store has it. */
  async replicasOf(topic: string, partition: number): Promise<readonly number[]> {
    const data = await this.#topicNode(topic);
    const { partitions } = JSON.parse(data?.toString() ?? '{"partitions":{}}') as {
      partitions: Record<string, number[]>;
    };
    return partitions[String(partition)] ?? [];
  }

  /** What is not yet as it must be when nothing goes wrong any more. */
  async unrest(): Promise<Unrest | undefined> {
    const unrest = unrestOf(this.machines, this.states);
    if (unrest !== undefined) return unrest;
    const left = await this.#observer.children('/admin/delete_topics').catch(() => []);
    if (left.length > 0) return { anomaly: 'unavailable', message: `the deletion of ${left} does not end` };
    for (const { name } of this.topics) {
      const data = await this.#topicNode(name);
      // It was deleted.
      if (data === undefined) continue;
      const { adding_replicas: adding, removing_replicas: removing } = JSON.parse(data.toString());
      const isMoving = [adding, removing].some((each: object = {}) => Object.values(each).flat().length > 0);
      if (isMoving) return { anomaly: 'unavailable', message: `the reassignment of ${name} does not end: ${data}` };
    }
    return undefined;
  }

  /** Whether all that has been asked up to now is answered in time; says what is not. */
  async nobodyWaits(withinMs: number): Promise<string | undefined> {
    const asked = this.machines.flatMap((machine) =>
      (machine.serving?.unanswered.requests ?? []).map((request) => ({ machine, by: machine.serving, request })),
    );
    // A process that has been killed since, because it took too long to stop, answers nobody.
    const left = (): typeof asked =>
      asked.filter(({ machine, by, request }) => request.isOpen && machine.serving === by);
    await this.clock.run(() => left().length === 0, this.clock.monotonic() + withinMs);
    const [first] = left();
    if (first === undefined) return undefined;
    const waitsMs = Math.round(this.clock.monotonic() - first.request.sinceMs);
    return `broker ${first.machine.id} has not answered ${first.request.api} for ${waitsMs} ms`;
  }

  /** Holds all that replicas in sync have against each other, when nothing happens any more. */
  compareReplicas(): void {
    this.#replicas.lookAtRest(this.#serving());
  }

  /** Some machine. */
  anyMachine(): Machine {
    return this.machines.length === 1 ? this.machines[0]! : this.dice.pick(this.machines);
  }

  /** The brokers are up, with their topics. */
  async begin(): Promise<void> {
    for (const machine of this.machines) machine.powerOn();
    if (this.plan.brokers > 1) this.#lookAtReplicas();
    await this.clock.run(() => this.isServing, BEGIN_MS_MAX);
    this.topics = await this.#createTopics();
    this.partitions = partitionsOf(this.topics);
    for (const { name, replicationFactor, configs: _, ...rules } of this.plan.topics) {
      this.history.topics.push({ topic: name, isReplicated: replicationFactor > 1, ...rules });
    }
  }

  async #topicNode(name: string): Promise<Buffer | undefined> {
    const path = `/brokers/topics/${name}`;
    if ((await this.#observer.exists(path)) === undefined) return undefined;
    return (await this.#observer.get(path)).data;
  }

  #lookAtReplicas(): void {
    this.#replicas.look(this.#serving());
    this.clock.schedule(LOOK_MS, () => this.#lookAtReplicas());
  }

  #serving(): WatchedBroker[] {
    return this.machines.flatMap(({ id, disk, serving }) => {
      if (serving === undefined) return [];
      return [{ id, process: serving, disk, replicas: serving.broker.services.replicas.partitions }];
    });
  }

  /** Brokers that serve know one another, and who the controller is, a moment later. */
  async #createTopics(): Promise<readonly Topic[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.until(this.admin.createTopics(this.plan.topics), 10_000);
      } catch (error) {
        if (this.plan.brokers === 1 || attempt === CREATE_ATTEMPTS_MAX) throw error;
        await this.pass(100);
      }
    }
  }

  /** What a client works with. */
  toolsFor(client: string): ClientTools {
    return this.#tools(client, this.network);
  }

  /** Reads all that there is; says why not when that cannot be done. */
  audit(isSettled = this.plan.brokers === 1): Promise<string | undefined> {
    this.audits += 1;
    const auditor = new Auditor(this.#tools('auditor', this.#backstage));
    this.#auditing = auditor.audit(this.partitions, this.groups, isSettled);
    return this.#auditing;
  }

  /** Reads all that there is in some partitions. */
  auditOf(partitions: readonly PartitionRef[]): Promise<string | undefined> {
    return new Auditor(this.#tools('auditor', this.#backstage)).audit(partitions, [], true);
  }

  /** Flips one bit in a file of a partition: in its log, its indexes or its producers' state. */
  flipBit(): void {
    const { dice } = this;
    const machine = this.anyMachine();
    const partition = dice.pick(this.partitions);
    const folders = machine.folders.map((folder) => `${folder}/${partition.name}`);
    const files = folders.flatMap((folder) => machine.disk.filesBelow(folder));
    const candidates = files.filter(({ path, sizeBytes }) => sizeBytes > 0 && FLIPPED.test(path));
    if (candidates.length === 0) return;
    const { path, sizeBytes } = dice.pick(candidates);
    const position = dice.nextInt(sizeBytes);
    const bit = dice.nextInt(8);
    const isCompacted = this.history.topics.some(
      ({ topic, isCompacted }) => isCompacted && topic === partition.topic.name,
    );
    if (isCompacted && path.endsWith('.log') && isBaseOffset(machine.disk.peek(path), position)) return;
    machine.disk.flipBit(path, position, bit);
    this.note(`bit ${bit} of byte ${position} flips in ${path}`);
    if (path.endsWith('.log')) this.#damaged.add(partition.name);
    this.history.add({ kind: 'damage', at: this.history.tick(), partition: partition.name, file: path });
  }

  /**
   * Runs clients until the plan's time is over, then lets them finish; those that do not are left as they are. Where a machine is absent it is
   * down until `withoutIt` is over, while nothing else goes wrong any more.
   */
  async run(
    clients: readonly SimulatedClient[],
    withinMs: number,
    finishMs: number,
    timeIsUp: () => void,
    withoutIt: () => Promise<void>,
  ): Promise<void> {
    const running = clients.map((client) => client.run());
    await this.pass(withinMs);
    timeIsUp();
    this.note('the world heals');
    this.network.heal();
    const { absent } = this.plan;
    for (const machine of this.machines) {
      if (machine.id === absent?.brokerId) {
        machine.keepDown(absent.crash);
        continue;
      }
      machine.heal();
      machine.replaceFailedFolders();
    }
    if (this.scribbler.hasDamaged) await this.until(this.scribbler.mendAll(), finishMs);
    if (absent !== undefined) {
      await withoutIt();
      this.machines[absent.brokerId - 1]!.heal();
    }
    for (const client of clients) client.stop();
    await this.until(Promise.all(running), finishMs).catch((error: unknown) => {
      if (!(error instanceof WorldStuck)) throw error;
      this.note('some clients did not finish');
    });
  }

  #machine(id: number, build: Build): Machine {
    const { plan } = this;
    const name = plan.brokers === 1 ? 'broker' : `broker ${id}`;
    return new Machine({
      build,
      id,
      host: `broker-${id}.test`,
      ensemble: plan.ownsMetadata ? undefined : this.ensemble,
      settings: settingsOf(plan, id),
      clock: this.clock,
      dice: this.dice.for(id === 1 ? 'machine' : `machine ${id}`),
      networks: [this.network, this.#backstage],
      mayLosePower: plan.isDurable,
      applied: (operations, results) => this.states.applied(operations, results),
      badCommand: plan.brokers === 1 ? undefined : (...protest) => this.protest(...protest),
      logger: this.#logger(name),
      note: (message) => this.note(plan.brokers === 1 ? message : `${name}: ${message}`),
      metadataLost: (message) => this.protest('metadata-lost', null, message),
      escaped: (message) => this.protest('escaped', null, message),
      started: () => this.#started(),
    });
  }

  #tools(client: string, network: Network): ClientTools {
    const trace = this.#trace;
    return {
      clock: this.clock,
      network,
      hosts: this.machines.map(({ host }) => host),
      history: this.history,
      dice: this.dice.for(`client ${client}`),
      topics: this.topics,
      trace: trace === undefined ? undefined : (who, message) => trace(this.clock.monotonic(), who, message),
    };
  }

  /** Whenever the broker is back: whether all is there. */
  #started(): void {
    if (this.partitions.length > 0) void this.audit();
  }

  /** That recovery cuts a log of which bits were flipped is a loss, and here is the operator who is told. */
  #noteLoss(fields: object): void {
    const { topic, partition, truncatedBytes, logEndOffset } = fields as Partial<Record<string, unknown>>;
    if (typeof truncatedBytes !== 'number' || typeof logEndOffset !== 'number') return;
    const name = `${topic}-${partition}`;
    this.note(`recovery cuts ${truncatedBytes} bytes of ${name}, which ends at ${logEndOffset} then`);
    if (!this.#damaged.has(name)) return;
    this.history.add({ kind: 'loss', at: this.history.tick(), partition: name, offset: logEndOffset });
  }

  /** A follower whose leader had deleted what it had yet to fetch forgets the producers that it knew. */
  #noteRenewal(fields: object, message: string): void {
    if (!message.endsWith('its log begins anew')) return;
    const { topic, partition, to } = fields as Partial<Record<string, unknown>>;
    const { history } = this;
    history.add({ kind: 'renewal', at: history.tick(), partition: `${topic}-${partition}`, offset: Number(to) });
  }

  #logger(name: string): Logger {
    const trace = this.#trace;
    const log =
      (level: string) =>
      (fields: object, message: string): void => {
        this.#noteLoss(fields);
        this.#noteRenewal(fields, message);
        const { err, ...others } = fields as { err?: unknown };
        const details = Object.keys(others).length === 0 ? '' : ` ${JSON.stringify(others)}`;
        const reason = `${details}${err === undefined ? '' : ` (${err instanceof Error ? err.message : String(err)})`}`;
        trace?.(this.clock.monotonic(), name, `${level}: ${message}${reason}`);
      };
    return { debug: () => {}, info: log('info'), warn: log('warn'), error: log('error') };
  }
}

/**
 * Whether a byte of a log file belongs to a batch's base offset. No checksum of Kafka's format covers it, and in a log with the
 * gaps that compaction leaves, nothing else tells that it is wrong.
 */
function isBaseOffset(log: Buffer, position: number): boolean {
  let start = 0;
  for (const at of splitBatches(log)) if (at <= position) start = at;
  return position - start < BASE_OFFSET_BYTES;
}

const BASE_OFFSET_BYTES = 8;

/** How often the brokers' replicas are looked at. */
const LOOK_MS = 5;

/** How often topics are asked for in the beginning. */
const CREATE_ATTEMPTS_MAX = 50;

/** How long the brokers may take to serve in the beginning. */
const BEGIN_MS_MAX = 10_000;

/** Files that are worth a flipped bit. Those without a checksum that a person has to mend are for `simulate corrupt`. */
const FLIPPED = /\.(log|index|timeindex|txnindex|snapshot)$/;

/** Time has passed, and what was waited for has not happened. */
export class WorldStuck extends Error {
  override readonly name = 'WorldStuck';
}

function settingsOf(plan: SeedPlan, brokerId: number): Readonly<Record<string, string>> {
  const rack = rackOf(plan, brokerId);
  return rack === undefined ? plan.settings : { ...plan.settings, 'broker.rack': rack };
}
