/** What a controller of four brokers is asked to do while it, or whoever writes for it, is interrupted at each write. */
import type { MetadataStore } from '@millrace/metadata';
import {
  AlterPartitionReassignments,
  CreatePartitions,
  CreateTopics,
  DeleteTopics,
  ElectLeaders,
  ErrorCode,
} from '@millrace/protocol';
import type { Requester } from '../clients/requester.ts';
import type { World } from '../world/world.ts';

export const REPLICAS = 3;
export const TIMEOUT_MS = 1000;
/** How long a broker is down whom the others do without: it comes back before a verb is over. */
const DOWN_MS = 2500;
const SHORT_DOWN_MS = 100;
const OLD_MOVES = '/admin/reassign_partitions';
const OLD_ELECTIONS = '/admin/preferred_replica_election';

/** The topic that nothing may be lost of, with one partition. */
export const KEPT = 'kept';
/** Another one, with two partitions, which is extended, moved and deleted. */
export const EXTRA = 'extra';

/** What is there when a verb begins. */
export interface Stage {
  readonly world: World;
  /** A session with the store that nothing happens to. */
  readonly session: MetadataStore;
  /** Where the replicas of the kept partition are. */
  readonly replicas: readonly number[];
  /** The broker that has none of them. */
  readonly other: number;
  /** The id of the other topic, as it was made first. */
  readonly extraId: string | undefined;
  /** Told when what is to be changed, or called back, was found under way. */
  met(): void;
}

/** What is asked of a controller. */
export interface Verb {
  /** What comes before, and is not interrupted. */
  prepare?(controller: Requester, stage: Stage): Promise<boolean>;
  /** Says whether it is taken up, so that it need not be asked again. */
  ask(controller: Requester, stage: Stage): Promise<boolean>;
  /** Why it is not done in the end; undefined when it is. */
  left(stage: Stage): Promise<string | undefined>;
  /** Whether it changes what must be under way: in some attempt at least it was. */
  readonly meets?: boolean;
}

const remove: Verb = {
  ask: (controller) => deleteExtra(controller),
  left: async ({ world }) => (world.states.topics.has(EXTRA) ? 'the topic is still there' : undefined),
};

/** A broker with one of its replicas is down, and comes back. */
const removeWithout: Verb = {
  ...remove,
  prepare: async (_, stage) => {
    const controllerId = await controllerOf(stage);
    const replicas = await stage.world.replicasOf(EXTRA, 0);
    const absent = replicas.find((id) => id !== controllerId);
    crash(stage, absent!, DOWN_MS);
    return true;
  },
};

const removeMoving: Verb = {
  ...remove,
  meets: true,
  ask: async (controller, stage) => {
    await reassign(controller, EXTRA, 0, await elsewhere(stage, EXTRA, 0));
    if ((await addingOf(stage, EXTRA)) > 0) stage.met();
    return deleteExtra(controller);
  },
};

/** A topic of the same name follows at once: it is another one, and empty. */
const removeAndMake: Verb = {
  ask: async (controller, stage) => {
    if ((await idOf(stage, EXTRA)) === stage.extraId) await deleteExtra(controller);
    const isMade = await make(controller, EXTRA);
    return isMade && (await idOf(stage, EXTRA)) !== stage.extraId;
  },
  left: async (stage) => {
    const id = await idOf(stage, EXTRA);
    return id === stage.extraId ? `the topic still has the id ${id}` : leaderless(stage, EXTRA, 2);
  },
};

const create: Verb = {
  ask: (controller) => make(controller, 'made'),
  left: async (stage) => leaderless(stage, 'made', 2),
};

const extend: Verb = {
  ask: async (controller) => {
    const topics = [{ name: EXTRA, count: 3, assignments: null }];
    const body = { topics, timeoutMs: TIMEOUT_MS, validateOnly: false };
    const answer = await controller.ask(CreatePartitions, 1, body, TIMEOUT_MS);
    const code = answer.results[0]?.errorCode;
    return code === ErrorCode.NONE || code === ErrorCode.INVALID_PARTITIONS;
  },
  left: async (stage) => leaderless(stage, EXTRA, 3),
};

const elect: Verb = {
  prepare: (controller, { replicas }) => reassign(controller, KEPT, 0, replicas.toReversed()),
  ask: async (controller) => {
    const body = { electionType: 0, topicPartitions: null, timeoutMs: TIMEOUT_MS };
    return (await controller.ask(ElectLeaders, 2, body, TIMEOUT_MS)).errorCode === ErrorCode.NONE;
  },
  left: async ({ world, replicas }) => {
    const leader = world.states.stateOf(`${KEPT}-0`)?.leader;
    return leader === replicas.at(-1) ? undefined : `it is led by ${leader}`;
  },
};

const electByNode: Verb = {
  ...elect,
  ask: (_, { session }) => write(session, OLD_ELECTIONS, { version: 1, partitions: [{ topic: KEPT, partition: 0 }] }),
};

type Target = (stage: Stage) => readonly number[];

const moveOne: Target = ({ replicas, other }) => [other, ...replicas.slice(1)];

/** The replicas of the kept partition to other brokers. */
function move(target: Target): Verb {
  return {
    ask: (controller, stage) => reassign(controller, KEPT, 0, target(stage)),
    left: (stage) => misplaced(stage, target(stage)),
  };
}

const moveByNode: Verb = {
  ...move(moveOne),
  ask: (_, stage) => {
    const replicas = moveOne(stage);
    return write(stage.session, OLD_MOVES, { version: 1, partitions: [{ topic: KEPT, partition: 0, replicas }] });
  },
};

/** A move that is given another target as soon as it is taken up: what the first was to add is not wanted any more. */
const moveAgain: Verb = {
  meets: true,
  ask: async (controller, stage) => {
    await reassign(controller, KEPT, 0, moveOne(stage));
    if ((await addingOf(stage, KEPT)) > 0) stage.met();
    return reassign(controller, KEPT, 0, stage.replicas.toReversed());
  },
  left: (stage) => misplaced(stage, stage.replicas.toReversed()),
};

/** A move that is cancelled as soon as it is taken up: the same brokers in the end, in any order. */
const cancel: Verb = {
  meets: true,
  ask: async (controller, stage) => {
    await reassign(controller, KEPT, 0, moveOne(stage));
    if ((await addingOf(stage, KEPT)) > 0) stage.met();
    return reassign(controller, KEPT, 0, null);
  },
  left: async (stage) => {
    const now = (await stage.world.replicasOf(KEPT, 0)).toSorted();
    // Done before it could be cancelled, it is done.
    const places = [stage.replicas, moveOne(stage)].map((each) => each.toSorted().join());
    return places.includes(now.join()) ? undefined : `its replicas are on ${now}`;
  },
};

/** All partitions of both topics in one request. */
const moveAll: Verb = {
  ask: async (controller, stage) => {
    const { replicas, other } = stage;
    const partitions = [0, 1].map((partitionIndex) => ({ partitionIndex, replicas: [other, replicas[0]!] }));
    const topics = [
      { name: EXTRA, partitions },
      { name: KEPT, partitions: [{ partitionIndex: 0, replicas: [...moveOne(stage)] }] },
    ];
    const body = { timeoutMs: TIMEOUT_MS, topics };
    const answer = await controller.ask(AlterPartitionReassignments, 0, body, TIMEOUT_MS);
    const codes = answer.responses.flatMap((topic) => topic.partitions.map(({ errorCode }) => errorCode));
    return [answer.errorCode, ...codes].every((code) => code === ErrorCode.NONE);
  },
  left: async (stage) => {
    const { world, replicas, other } = stage;
    const places = await Promise.all([0, 1].map((index) => world.replicasOf(EXTRA, index)));
    const isPlaced = places.every((each) => each.join() === `${other},${replicas[0]}`);
    return isPlaced ? misplaced(stage, moveOne(stage)) : `the replicas of ${EXTRA} are on ${JSON.stringify(places)}`;
  },
};

/** Somebody takes the office away: who is elected next does all that a controller begins with. */
const dethrone: Verb = {
  ask: async (_, { session }) => {
    await session.delete('/controller', 'any').catch(() => undefined);
    return true;
  },
  left: async ({ session }) => ((await session.exists('/controller')) ? undefined : 'nobody is the controller'),
};

const stopLeader: Verb = {
  ask: async (_, { world }) => {
    const leader = world.states.stateOf(`${KEPT}-0`)?.leader ?? -1;
    void world.machines[leader - 1]?.restart(SHORT_DOWN_MS);
    return true;
  },
  left: async (stage) => leaderless(stage, KEPT, 1),
};

const killLeader: Verb = {
  ...stopLeader,
  ask: async (_, stage) => {
    const leader = stage.world.states.stateOf(`${KEPT}-0`)?.leader ?? -1;
    crash(stage, leader, SHORT_DOWN_MS);
    return true;
  },
};

/** What controllers are interrupted in. */
export const verbs: Readonly<Record<string, Verb>> = {
  'creation of a topic': create,
  'expansion of a topic': extend,
  'deletion of a topic': remove,
  'deletion of a topic while a broker of it is down': removeWithout,
  'deletion of a topic that is moved': removeMoving,
  'deletion of a topic that is made anew': removeAndMake,
  'election of preferred leaders': elect,
  'election of preferred leaders, as older tools order it': electByNode,
  'move of one replica': move(moveOne),
  'move of one replica, as older tools order it': moveByNode,
  'move of a leader and another order': move(({ replicas: [first, ...rest], other }) =>
    [...rest, other, first!].slice(0, REPLICAS),
  ),
  'loss of a replica': move(({ replicas }) => replicas.slice(1)),
  'gain of a replica': move(({ replicas, other }) => [...replicas, other]),
  'moves of all partitions at once': moveAll,
  'move that is given another target': moveAgain,
  'move that is cancelled': cancel,
  'change of controllers': dethrone,
  'ordered stop of a leader': stopLeader,
  'death of a leader': killLeader,
};

function crash({ world }: Stage, id: number, downMs: number): void {
  world.machines[id - 1]?.crash({ keeps: 'all', downMs, tellsClients: true, sessionMs: 0 });
}

async function deleteExtra(controller: Requester): Promise<boolean> {
  const answer = await controller.ask(DeleteTopics, 5, { topicNames: [EXTRA], timeoutMs: TIMEOUT_MS }, TIMEOUT_MS);
  const code = answer.responses[0]?.errorCode;
  return code === ErrorCode.NONE || code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

async function make(controller: Requester, name: string): Promise<boolean> {
  const topic = { name, numPartitions: 2, replicationFactor: REPLICAS, assignments: [], configs: [] };
  const body = { topics: [topic], timeoutMs: TIMEOUT_MS, validateOnly: false };
  const answer = await controller.ask(CreateTopics, 5, body, TIMEOUT_MS);
  const code = answer.topics[0]?.errorCode;
  return code === ErrorCode.NONE || code === ErrorCode.TOPIC_ALREADY_EXISTS;
}

async function reassign(
  controller: Requester,
  name: string,
  partitionIndex: number,
  replicas: readonly number[] | null,
): Promise<boolean> {
  const partitions = [{ partitionIndex, replicas: replicas && [...replicas] }];
  const body = { timeoutMs: TIMEOUT_MS, topics: [{ name, partitions }] };
  const answer = await controller.ask(AlterPartitionReassignments, 0, body, TIMEOUT_MS);
  const code = answer.errorCode || answer.responses[0]?.partitions[0]?.errorCode;
  return code === ErrorCode.NONE || code === ErrorCode.NO_REASSIGNMENT_IN_PROGRESS;
}

async function write(session: MetadataStore, path: string, content: unknown): Promise<boolean> {
  await session.create(path, Buffer.from(JSON.stringify(content))).catch(() => undefined);
  return true;
}

interface TopicNode {
  readonly topic_id?: string;
  readonly adding_replicas?: Readonly<Record<string, readonly number[]>>;
}

async function nodeOf({ session }: Stage, topic: string): Promise<TopicNode> {
  const node = await session.get(`/brokers/topics/${topic}`).catch(() => undefined);
  return node === undefined ? {} : (JSON.parse(node.data.toString()) as TopicNode);
}

export async function idOf(stage: Stage, topic: string): Promise<string | undefined> {
  return (await nodeOf(stage, topic)).topic_id;
}

async function addingOf(stage: Stage, topic: string): Promise<number> {
  return Object.values((await nodeOf(stage, topic)).adding_replicas ?? {}).flat().length;
}

async function controllerOf({ session }: Stage): Promise<number> {
  const { data } = await session.get('/controller');
  return Number(/"brokerid":(\d+)/.exec(data.toString())?.[1]);
}

/** The replicas of a partition with one of them on the broker that has none. */
async function elsewhere({ world }: Stage, topic: string, partition: number): Promise<readonly number[]> {
  const replicas = await world.replicasOf(topic, partition);
  const other = world.machines.map(({ id }) => id).find((id) => !replicas.includes(id));
  return [other!, ...replicas.slice(1)];
}

async function misplaced({ world }: Stage, wanted: readonly number[]): Promise<string | undefined> {
  const replicas = await world.replicasOf(KEPT, 0);
  return replicas.join() === wanted.join() ? undefined : `its replicas are on ${replicas}, and shall be on ${wanted}`;
}

function leaderless({ world }: Stage, topic: string, partitions: number): string | undefined {
  for (let index = 0; index < partitions; index += 1) {
    const leader = world.states.stateOf(`${topic}-${index}`)?.leader ?? -1;
    if (leader < 0) return `${topic}-${index} has no leader`;
  }
  return undefined;
}
