import {
  ignoreNoNode,
  isMetadataError,
  type MetadataError,
  type MetadataStore,
  type NodeContent,
  type Operation,
} from '@millrace/metadata';
import type { Logger } from '../../shared/logger.ts';
import {
  decodePartitionState,
  encodePartitionState,
  type LeaderAndIsr,
  MalformedNodeError,
  paths,
} from '../../store/znodes.ts';
import type { PartitionContext, StoredState, TopicContext } from '../controller-context.ts';
import {
  type ControllerGuard,
  ControllerMovedError,
  isRefusedGroup,
  type OperationGroup,
  writeAll,
  writeGroups,
} from '../guarded-writes.ts';
import type { ElectedState } from '../leader-election.ts';

/** How often a change is decided anew because somebody else has changed the same state in between. */
const ATTEMPTS_MAX = 10;

/** How often the first state of a partition is tried to be written, some of whose nodes somebody else has created. */
const CREATE_ATTEMPTS_MAX = 3;

/** The nodes of a partition, those above first. The first is of all partitions of the topic. */
const NODES_OF_PARTITION = ['partitions', 'partition', 'state'] as const;
type NodeOfPartition = (typeof NODES_OF_PARTITION)[number];

/** The first state of a partition, and the nodes that are to be created for it. */
interface StateCreation {
  readonly partition: PartitionContext;
  readonly state: LeaderAndIsr;
  readonly lacks: readonly NodeOfPartition[];
}

/** What states shall be; undefined for a partition whose state stays as it is. */
export type Decision = (partition: PartitionContext, state: StoredState) => ElectedState | undefined;

/** What a writer of states works with. */
export interface StateWriterOptions {
  readonly store: MetadataStore;
  readonly guard: ControllerGuard;
  readonly controllerEpoch: number;
  readonly logger: Logger;
  /** The node of a state that nobody could read has changed. */
  readonly stateMended: (partition: PartitionContext) => void;
}

/** Reads and writes partitions' states for one controller, and keeps what it knows of them true. */
export class StateWriter {
  readonly #options: StateWriterOptions;
  /** States as they were found in the store, which this controller has not written since. */
  readonly #found = new WeakSet<StoredState>();

  constructor(options: StateWriterOptions) {
    this.#options = options;
  }

  /** Whether the present state of a partition was written by somebody else: its leader may not know of it. */
  isFound({ state }: PartitionContext): boolean {
    return state !== undefined && this.#found.has(state);
  }

  /** @throws as {@link writeAll} */
  async writeAll(groups: readonly OperationGroup[]): Promise<void> {
    await writeAll(this.#options.store, this.#options.guard, groups);
  }

  /** Writes the first states of partitions; resolves with those that have one now. */
  async create(
    states: readonly (readonly [PartitionContext, ElectedState])[],
    newestZxid: number,
  ): Promise<PartitionContext[]> {
    const { store, guard, controllerEpoch } = this.#options;
    const online: PartitionContext[] = [];
    const firstOf = new Set<TopicContext>();
    for (const [{ topic }] of states) {
      // The node above the partitions' own exists as soon as one of them has a state.
      if (topic.partitions.every(({ state }) => state === undefined)) firstOf.add(topic);
    }
    let creations = states.map(([partition, elected]): StateCreation => {
      const state = { ...elected, leaderEpoch: 0, controllerEpoch };
      const lacks = firstOf.delete(partition.topic) ? NODES_OF_PARTITION : NODES_OF_PARTITION.slice(1);
      return { partition, state, lacks };
    });
    for (let attempt = 1; creations.length > 0; attempt += 1) {
      const outcomes = await writeGroups(store, guard, creations.map(operationsOf));
      const again: StateCreation[] = [];
      for (const [index, creation] of creations.entries()) {
        const outcome = outcomes[index]!;
        const { partition, state } = creation;
        if (!isRefusedGroup(outcome)) {
          partition.state = { ...state, version: 0, zxid: newestZxid };
          online.push(partition);
        } else if (await this.#isThereAlready(partition)) {
          online.push(partition);
        } else {
          const lacks = attempt < CREATE_ATTEMPTS_MAX ? await this.#lacking(partition, outcome) : undefined;
          if (lacks !== undefined) again.push({ ...creation, lacks });
        }
      }
      creations = again;
    }
    return online;
  }

  /**
   * The nodes that a partition lacks, where others of them are there: Kafka's controller creates them one by one, and the last one may have
   * died in between. Undefined where that is not why its first state was refused.
   */
  async #lacking(partition: PartitionContext, refusal: MetadataError): Promise<NodeOfPartition[] | undefined> {
    const { store, logger } = this.#options;
    const lacks: NodeOfPartition[] = [];
    if (isMetadataError(refusal, 'NODE_EXISTS', 'NO_NODE')) {
      for (const node of NODES_OF_PARTITION) {
        if ((await store.exists(pathOf(partition, node))) === undefined) lacks.push(node);
      }
    }
    if (lacks.includes('state')) return lacks;
    logger.error({ err: refusal, partition: partition.name }, 'The first state of a partition could not be written');
    return undefined;
  }

  /**
   * Changes states: what `decide` makes of the present one is written with the next leader epoch, and decided again where somebody else
   * was faster; `prepare` is awaited before that. Resolves with the partitions that were changed.
   */
  async change(
    partitions: Iterable<PartitionContext>,
    decide: Decision,
    prepare?: (open: readonly PartitionContext[]) => Promise<void>,
  ): Promise<PartitionContext[]> {
    const changed: PartitionContext[] = [];
    let open = [...partitions];
    for (let attempt = 1; open.length > 0; attempt += 1) {
      await prepare?.(open);
      const decisions = open.flatMap((partition): [PartitionContext, LeaderAndIsr, StoredState][] => {
        const { state } = partition;
        const elected = state === undefined ? undefined : decide(partition, state);
        return state === undefined || elected === undefined ? [] : [[partition, this.#next(state, elected), state]];
      });
      const { written, stale } = await this.write(decisions);
      changed.push(...written);
      if (stale.length > 0 && attempt >= ATTEMPTS_MAX) {
        const names = stale.map(({ name }) => name);
        this.#options.logger.error(
          { partitions: names },
          'States of partitions are changed by somebody else all the time',
        );
        break;
      }
      await this.read(stale);
      open = stale;
    }
    return changed;
  }

  /** Writes states where they are what they are believed to be; those that are not are stale. */
  async write(
    states: readonly (readonly [PartitionContext, LeaderAndIsr, StoredState])[],
  ): Promise<{ written: PartitionContext[]; stale: PartitionContext[] }> {
    const { store, guard, logger } = this.#options;
    const groups = states.map(([{ topic, index }, next, before]): Operation[] => [
      {
        type: 'set',
        path: paths.partitionState(topic.name, index),
        data: encodePartitionState(next),
        expected: { exactly: before.version },
      },
    ]);
    const outcomes = await writeGroups(store, guard, groups);
    const written: PartitionContext[] = [];
    const stale: PartitionContext[] = [];
    for (const [index, [partition, next]] of states.entries()) {
      const outcome = outcomes[index]!;
      if (isRefusedGroup(outcome)) {
        if (!isMetadataError(outcome, 'BAD_VERSION')) {
          logger.error({ err: outcome, partition: partition.name }, 'The state of a partition could not be written');
        }
        stale.push(partition);
        continue;
      }
      const [result] = outcome;
      if (result?.type !== 'set') continue;
      const { version, mzxid } = result.stat;
      partition.state = { ...next, version, zxid: mzxid };
      written.push(partition);
    }
    return { written, stale };
  }

  /**
   * Reads states anew.
   * @throws ControllerMovedError when one was written by a later controller
   */
  async read(partitions: Iterable<PartitionContext>): Promise<void> {
    await Promise.all(Array.from(partitions, (partition) => this.#read(partition)));
  }

  async #read(partition: PartitionContext): Promise<void> {
    const { controllerEpoch } = this.#options;
    partition.state = await this.#stateOf(partition);
    if (partition.state === undefined) return;
    this.#found.add(partition.state);
    if (partition.state.controllerEpoch > controllerEpoch) {
      throw new ControllerMovedError(
        `The state of ${partition.name} was written in controller epoch ${partition.state.controllerEpoch}, which is later than ${controllerEpoch}.`,
      );
    }
  }

  /** Undefined where there is none, or one that nobody can read: it costs its partition, not the controller, until it is mended. */
  async #stateOf(partition: PartitionContext): Promise<StoredState | undefined> {
    const { store, logger, stateMended } = this.#options;
    const path = paths.partitionState(partition.topic.name, partition.index);
    const node = await store.get(path).catch(ignoreNoNode);
    try {
      return node && storedState(path, node);
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      logger.error(
        { err, partition: partition.name },
        'The state of a partition cannot be read; nobody will lead it anew until that is mended',
      );
    }
    // States are many, and only such a one is watched. It may have been mended by now.
    const again = await store.get(path, { watch: () => stateMended(partition) }).catch(ignoreNoNode);
    try {
      return again && storedState(path, again);
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      return undefined;
    }
  }

  async #isThereAlready(partition: PartitionContext): Promise<boolean> {
    await this.#read(partition);
    return partition.state !== undefined;
  }

  #next({ leaderEpoch }: StoredState, elected: ElectedState): LeaderAndIsr {
    return { ...elected, leaderEpoch: leaderEpoch + 1, controllerEpoch: this.#options.controllerEpoch };
  }
}

function storedState(path: string, { data, stat }: NodeContent): StoredState {
  return { ...decodePartitionState(path, data), version: stat.version, zxid: stat.mzxid };
}

function pathOf({ topic, index }: PartitionContext, node: NodeOfPartition): string {
  if (node === 'partitions') return paths.partitions(topic.name);
  return node === 'partition' ? paths.partition(topic.name, index) : paths.partitionState(topic.name, index);
}

function operationsOf({ partition, state, lacks }: StateCreation): Operation[] {
  return lacks.map((node) => ({
    type: 'create',
    path: pathOf(partition, node),
    data: node === 'state' ? encodePartitionState(state) : Buffer.alloc(0),
  }));
}
