/**
 * What a controller told its brokers and what it wrote, as lines that compare: out of a captured cluster of Apache Kafka 3.9.1, and out of
 * a cluster of our own that goes through the same.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import {
  apiByKey,
  decodeRequestFrame,
  LeaderAndIsr,
  type LeaderAndIsrRequest,
  StopReplica,
  type StopReplicaRequest,
  UpdateMetadata,
  type UpdateMetadataRequest,
} from '@millrace/protocol';
import {
  type CommandHeader,
  LEADER_OF_DELETED,
  type PartitionState,
  type ReplicaState,
  type StoppedReplica,
} from '../cluster/broker-channel.ts';
import { leaderAndIsrCommand, stopReplicaCommand, updateMetadataCommand } from '../commands/wire.ts';

const fixtures = join(import.meta.dirname, '../../fixtures');
const frames = join(import.meta.dirname, '../../../protocol/fixtures/inter-broker.jsonl.br');

/** A request of a controller to a broker. */
export interface Command {
  readonly api: string;
  readonly version: number;
  readonly from: number;
  readonly to: number;
  readonly body: unknown;
}

/** A write as it stands in the log of the ensemble: `guard` is the node whose version it depends on. */
export interface Write {
  readonly guard: string | undefined;
  readonly type: 'create' | 'set' | 'delete';
  readonly path: string;
  readonly data: string;
}

const COMMANDS: ReadonlySet<number> = new Set([LeaderAndIsr, UpdateMetadata, StopReplica].map(({ key }) => key));

function linesOf<T>(file: string): T[] {
  const text = brotliDecompressSync(readFileSync(file)).toString().trimEnd();
  return text.split('\n').map((line) => JSON.parse(line) as T);
}

/** What Kafka's brokers asked one another in scenarios, controllers included: APIs with their versions. */
export function capturedApis(scenarios: readonly string[]): ReadonlySet<string> {
  const asked = linesOf<[string, number, number]>(frames).filter(([name]) => scenarios.includes(name));
  return new Set(asked.map(([, key, version]) => `${apiByKey.get(key)?.name} ${version}`));
}

/** What Kafka's controllers said in a scenario. */
export function capturedCommands(scenario: string): Command[] {
  return capturedRequests(scenario, (key) => COMMANDS.has(key));
}

/** What Kafka's brokers asked one another in a scenario, their controllers' commands included. */
export function capturedRequests(scenario: string, wants: (key: number) => boolean = () => true): Command[] {
  // What brokers said while they were probed by hand has a name of its own.
  const wanted = scenario === '14-probes' ? '14-around-probes' : scenario;
  return linesOf<[string, number, number, number, number, string]>(frames)
    .filter(([name, key]) => name === wanted && wants(key))
    .map(([, key, version, from, to, request]) => ({
      api: apiByKey.get(key)?.name ?? '',
      version,
      from,
      to,
      body: decodeRequestFrame(Buffer.from(request, 'hex'))?.body,
    }));
}

/** What Kafka's brokers wrote in a scenario. */
export function capturedWrites(scenario: string): Write[] {
  return linesOf<[string, number, string]>(join(fixtures, 'controller-writes.jsonl.br'))
    .filter(([name]) => name === scenario)
    .flatMap(([, , text]) => writesOf(text));
}

/** `multi check: /controller_epoch ;setData: /path {...}`, or `create /path,{...},,false,1`. */
function writesOf(text: string): Write[] {
  const isMulti = text.startsWith('multi ');
  const operations = isMulti ? text.slice('multi '.length).split(' ;') : [text];
  let guard: string | undefined;
  const writes: Write[] = [];
  for (const operation of operations) {
    // In the log a path's length stands before it, as a byte that may look like anything.
    const [, kind, path = ''] = /^(\w+):? .?(\/\w[^ ,]*)/.exec(operation) ?? [];
    if (kind === 'check') guard = path;
    if (kind !== 'create' && kind !== 'setData' && kind !== 'delete') continue;
    const data = /\{.*\}/.exec(operation)?.[0] ?? '';
    writes.push({ guard, type: kind === 'setData' ? 'set' : kind, path, data });
  }
  return writes;
}

/** Leader epochs and versions of partitions: what is told of them is told by how much they have risen since a scenario began. */
export class Epochs {
  #base = new Map<string, readonly [number, number]>();
  readonly #now = new Map<string, readonly [number, number]>();

  begin(): void {
    this.#base = new Map(this.#now);
  }

  note(name: string, epoch: number, version: number): void {
    this.#now.set(name, [epoch, version]);
  }

  epoch(name: string, epoch: number): string {
    return epoch < 0 ? `${epoch}` : `+${epoch - (this.#base.get(name)?.[0] ?? 0)}`;
  }

  version(name: string, version: number): string {
    return `+${version - (this.#base.get(name)?.[1] ?? 0)}`;
  }
}

/** A command without its header: what it is about, partition by partition. */
export interface Line {
  /** The API with its version, and the live brokers of an UpdateMetadata. */
  readonly what: string;
  /** Who says it, in which epoch of his, and for which of the receiver's lives it is meant. */
  readonly header: string;
  readonly states: readonly State[];
}

/** What is said of one partition. */
export interface State {
  readonly text: string;
  /** Whether this controller has ordered the same leader epoch of the same broker before, in the same life of both. */
  readonly isRepeated: boolean;
}

/** What was told in one scenario. */
export interface Told {
  /** By receiver, in order. */
  readonly inOrder: ReadonlyMap<number, readonly Line[]>;
  /** By receiver, what only tells of in-sync replicas that were asked for: when a leader asks is a matter of chance. */
  readonly isrs: ReadonlyMap<number, readonly string[]>;
}

/** Follows what controllers tell through all scenarios of one cluster. */
export class Listener {
  readonly #epochs = new Epochs();
  /** The leader epoch that a controller has ordered last, by the lives of controller and broker, and by partition. */
  readonly #ordered = new Map<string, number>();
  /** The leader epoch and version that each broker knows of each partition. */
  readonly #known = new Map<string, readonly [number, number]>();
  /** By receiver, the broker epochs that commands for it have named in this scenario. */
  readonly #lives = new Map<number, number[]>();

  /** The commands of the next scenario. */
  told(commands: readonly Command[]): Told {
    this.#epochs.begin();
    this.#lives.clear();
    const inOrder = new Map<number, Line[]>();
    const isrs = new Map<number, Set<string>>();
    for (const command of commands) {
      const { to } = command;
      if (!inOrder.has(to)) inOrder.set(to, []);
      if (!isrs.has(to)) isrs.set(to, new Set());
      const line = this.#lineOf(command);
      if (this.#isIsrChange(command)) for (const { text } of line.states) isrs.get(to)?.add(text);
      else inOrder.get(to)?.push(line);
    }
    return { inOrder, isrs: new Map([...isrs].map(([to, lines]) => [to, [...lines].sort()])) };
  }

  /** Whether all that is told are new versions under leader epochs that this broker knows. */
  #isIsrChange({ api, body, to }: Command): boolean {
    if (api === 'StopReplica') return false;
    const partitions =
      api === 'UpdateMetadata'
        ? updateMetadataCommand(body as UpdateMetadataRequest).partitions
        : leaderAndIsrCommand(body as LeaderAndIsrRequest).partitions;
    let isChange = partitions.length > 0;
    for (const { topic, partition, leader, leaderEpoch, partitionEpoch } of partitions) {
      const key = `${to} ${topic}-${partition}`;
      const [epoch, version] = this.#known.get(key) ?? [-1, -1];
      isChange &&= leader !== LEADER_OF_DELETED && leaderEpoch === epoch && partitionEpoch > version;
      if (leaderEpoch >= epoch && partitionEpoch > version) this.#known.set(key, [leaderEpoch, partitionEpoch]);
    }
    return isChange && api === 'UpdateMetadata';
  }

  #lineOf({ api, version, to, body }: Command): Line {
    const what = `${api} ${version}`;
    const header = this.#headerOf(to, body as CommandHeader);
    if (api === 'StopReplica') {
      const { partitions } = stopReplicaCommand(body as StopReplicaRequest, version);
      return { what, header, states: sorted(partitions.map((each) => this.#stopped(each))) };
    }
    if (api === 'LeaderAndIsr') {
      const { controllerEpoch, brokerEpoch, partitions } = leaderAndIsrCommand(body as LeaderAndIsrRequest);
      const lives = `${controllerEpoch} ${to} ${brokerEpoch}`;
      const repeated = partitions.map((each) => this.#isRepeated(lives, each));
      const texts = partitions.map((each) => `${this.#state(each)}${rolesOf(each)}`);
      return { what, header, states: sorted(texts, repeated) };
    }
    const { partitions, liveBrokers } = updateMetadataCommand(body as UpdateMetadataRequest);
    const states = partitions.map((each) => `${this.#state(each)}${list(' offline', each.offlineReplicas)}`);
    const live = liveBrokers.map(({ id }) => id).sort();
    return { what: `${what} live [${live}]`, header, states: sorted(states) };
  }

  #headerOf(to: number, { controllerId, controllerEpoch, brokerEpoch }: CommandHeader): string {
    const lives = this.#lives.get(to) ?? [];
    this.#lives.set(to, lives);
    if (!lives.includes(brokerEpoch)) lives.push(brokerEpoch);
    return `by ${controllerId} in ${controllerEpoch} to life ${lives.indexOf(brokerEpoch) + 1}`;
  }

  #isRepeated(lives: string, { topic, partition, leaderEpoch }: ReplicaState): boolean {
    const key = `${lives} ${topic}-${partition}`;
    const before = this.#ordered.get(key) ?? -1;
    this.#ordered.set(key, leaderEpoch);
    return before >= leaderEpoch;
  }

  #state(state: Omit<PartitionState, 'offlineReplicas'>): string {
    const { topic, partition, leader, leaderEpoch, partitionEpoch, isr, replicas } = state;
    const name = `${topic}-${partition}`;
    if (leader === LEADER_OF_DELETED) return `${name} is deleted, epoch ${leaderEpoch} of [${replicas}]`;
    this.#epochs.note(name, leaderEpoch, partitionEpoch);
    const epoch = this.#epochs.epoch(name, leaderEpoch);
    const version = this.#epochs.version(name, partitionEpoch);
    return `${name} led by ${leader} in ${epoch}, isr [${isr}] in ${version} of [${replicas}]`;
  }

  #stopped({ topic, partition, leaderEpoch, deletePartition }: StoppedReplica): string {
    const name = `${topic}-${partition}`;
    return `${name} in ${this.#epochs.epoch(name, leaderEpoch)}${deletePartition ? ' with its files' : ''}`;
  }
}

function rolesOf({ isNew, addingReplicas, removingReplicas, leaderRecoveryState }: ReplicaState): string {
  const roles = `${list(' adding', addingReplicas)}${list(' removing', removingReplicas)}`;
  return `${roles}${isNew ? ' new' : ''}${leaderRecoveryState === 0 ? '' : ' recovering'}`;
}

function list(name: string, ids: readonly number[]): string {
  return ids.length === 0 ? '' : `${name} [${ids}]`;
}

function sorted(texts: readonly string[], repeated: readonly boolean[] = []): State[] {
  const states = texts.map((text, index) => ({ text, isRepeated: repeated[index] ?? false }));
  return states.sort((one, other) => (one.text < other.text ? -1 : 1));
}

/** Follows what is written through all scenarios of one cluster. */
export class Reader {
  readonly #epochs = new Epochs();

  /** The writes of the next scenario; what is written side by side stands in the order of its names. */
  written(writes: readonly Write[]): string[] {
    this.#epochs.begin();
    const runs: { kind: string; lines: string[] }[] = [];
    for (const write of writes) {
      const kind = kindOf(write);
      const line = this.#lineOf(write);
      const run = runs.at(-1);
      if (run?.kind === kind) run.lines.push(line);
      else runs.push({ kind, lines: [line] });
    }
    return runs.flatMap(({ lines }) => lines.sort());
  }

  #lineOf({ guard, type, path, data }: Write): string {
    const short = path.replace(/config_change_\d+$/, 'config_change_');
    return `${type} ${short}${this.#dataOf(path, data)}${guard === undefined ? '' : ` under ${guard}`}`;
  }

  #dataOf(path: string, data: string): string {
    if (!data.startsWith('{') || path.startsWith('/brokers/ids/') || path === '/controller') return '';
    const [, topic, partition] = /^\/brokers\/topics\/([^/]+)\/partitions\/(\d+)\/state$/.exec(path) ?? [];
    if (topic === undefined) return ` ${canonical(data.replace(/"topic_id":"[^"]*"/, '"topic_id":"ID"'))}`;
    const name = `${topic}-${partition}`;
    const state = JSON.parse(data) as { leader: number; leader_epoch: number; isr: number[]; controller_epoch: number };
    this.#epochs.note(name, state.leader_epoch, 0);
    const epoch = this.#epochs.epoch(name, state.leader_epoch);
    return ` led by ${state.leader} in ${epoch}, isr [${state.isr}], by ${state.controller_epoch}`;
  }
}

/** JSON whose members stand in the order of their names. */
function canonical(json: string): string {
  const byName = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value;
  return JSON.stringify(JSON.parse(json), byName);
}

/** What is written side by side, in no order that means anything. */
function kindOf({ type, path }: Write): string {
  if (path.startsWith('/config/topics/') && type === 'create') {
    return `/brokers/topics/${path.slice('/config/topics/'.length)}`;
  }
  if (path.startsWith('/config/')) return 'config';
  // A topic and its config are made in one transaction here.
  const [, partitions] = /^\/brokers\/topics\/[^/]+(\/partitions)?/.exec(path) ?? [];
  return partitions === undefined ? path : `${type} partitions`;
}
