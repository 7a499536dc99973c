import type { PeerLane, Peers } from '@millrace/broker';
import {
  AlterPartition,
  type Api,
  Fetch,
  type FetchRequest,
  LeaderAndIsr,
  type LeaderAndIsrRequest,
  Produce,
  StopReplica,
  UpdateMetadata,
} from '@millrace/protocol';
import { BatchOffsets, batchSizeBytes, computeBatchCrc, splitBatches } from '@millrace/records';
import type { Build, BuildTools } from '../build.ts';
import { acknowledgesBeforeSync } from './disk-mutants.ts';
import { meddlingWith } from './request-mutants.ts';

/** A mutant of replication or of the controller needs brokers that replicate. */
const BROKERS = 3;

/** Of a hundred requests, how many a mutant treats badly. */
const BAD_PERCENT = 15;

const acknowledgesAlone: Build = {
  name: 'acknowledges-alone',
  what: 'a leader acknowledges what no follower has, though all in sync were asked for',
  rule: 'unseen',
  brokers: BROKERS,
  handler: meddlingWith(Produce, ({ request, ask }) => ask(request.acks === -1 ? { ...request, acks: 1 } : request)),
};

const countsReadersAsFollowers: Build = {
  name: 'counts-readers-as-followers',
  what: 'what a consumer asks for counts as fetched by a follower, so that the high watermark moves too early',
  rule: 'taken-back',
  brokers: BROKERS,
  handler: meddlingWith(Fetch, ({ request, version, ask, tools }) => {
    const isReader = replicaOf(request, version) < 0;
    return isReader && tools.dice.chance(50) ? ask(asReplica(request, version, tools.dice.between(1, BROKERS))) : ask();
  }),
};

const altersCopies: Build = {
  name: 'alters-copies',
  what: 'now and then a follower gets a record that is not the one that the leader has',
  rule: 'diverged',
  brokers: BROKERS,
  handler: meddlingWith(Fetch, async ({ request, version, ask, tools }) => {
    const answer = await ask();
    if (answer === null || replicaOf(request, version) < 0) return answer;
    for (const { partitions } of answer.responses) {
      for (const { records } of partitions) if (records !== null && tools.dice.chance(BAD_PERCENT)) alter(records);
    }
    return answer;
  }),
};

const dropsOrders: Build = {
  name: 'drops-orders',
  what: 'now and then a broker answers LeaderAndIsr as if it had done what it was told',
  rule: 'command-order',
  brokers: BROKERS,
  seed: 3,
  handler: meddlingWith(LeaderAndIsr, async ({ ask, tools }) =>
    tools.dice.chance(BAD_PERCENT) ? { errorCode: 0, topics: [], partitionErrors: [] } : ask(),
  ),
};

const forgetsTheCluster: Build = {
  name: 'forgets-the-cluster',
  what: 'brokers take no UpdateMetadata of other brokers, so that they know neither leaders nor live brokers',
  rule: 'unavailable',
  brokers: BROKERS,
  handler: meddlingWith(UpdateMetadata, async () => ({ errorCode: 0 })),
};

const skipsTruncation: Build = {
  name: 'skips-truncation',
  what: 'a follower does not say of which epoch its last record is, so that the leader cannot find where they differ',
  rule: 'diverged',
  brokers: BROKERS,
  peers: meddlingPeers(Fetch, async (body, send) => {
    const topics = body.topics?.map((topic) => ({
      ...topic,
      partitions: topic.partitions?.map((each) => ({ ...each, lastFetchedEpoch: -1 })) ?? [],
    }));
    return send({ ...body, ...(topics === undefined ? {} : { topics }) });
  }),
};

const believesItself: Build = {
  name: 'believes-itself',
  what: 'a leader takes its own proposal of in-sync replicas for the answer of the controller',
  rule: 'unavailable',
  brokers: BROKERS,
  seed: 3,
  peers: meddlingPeers(AlterPartition, async (body) => ({
    throttleTimeMs: 0,
    errorCode: 0,
    topics: (body.topics ?? []).map(({ topicName = '', topicId = '', partitions = [] }) => ({
      topicName,
      topicId,
      partitions: partitions.map((each) => ({
        partitionIndex: each.partitionIndex,
        errorCode: 0,
        leaderId: body.brokerId,
        leaderEpoch: each.leaderEpoch,
        isr: each.newIsrWithEpochs?.map(({ brokerId }) => brokerId) ?? [...(each.newIsr ?? [])],
        leaderRecoveryState: 0,
        partitionEpoch: each.partitionEpoch + 1,
      })),
    })),
  })),
};

const commitsEarly: Build = {
  name: 'commits-early',
  what: 'a follower takes all that it has fetched for committed',
  rule: 'taken-back',
  brokers: BROKERS,
  peers: meddlingPeers(Fetch, async (body, send) => {
    const answer = await send(body);
    for (const { partitions } of answer.responses) {
      for (const partition of partitions) partition.highWatermark = Number.MAX_SAFE_INTEGER;
    }
    return answer;
  }),
};

const expandsUnchecked: Build = {
  name: 'expands-unchecked',
  what: 'when one follower has caught up, all of them come into sync',
  rule: 'taken-back',
  brokers: BROKERS,
  seed: 3,
  peers: meddlingPeers(AlterPartition, (body, send) =>
    send({
      ...body,
      topics: body.topics?.map((topic) => ({ ...topic, partitions: topic.partitions?.map(withAllInSync) ?? [] })) ?? [],
    }),
  ),
};

const relabelsEpochs: Build = {
  name: 'relabels-epochs',
  what: 'a follower keeps some records under another leader epoch than the leader does',
  rule: 'diverged',
  brokers: BROKERS,
  peers: meddlingPeers(Fetch, async (body, send, { dice }) => {
    const answer = await send(body);
    for (const { partitions } of answer.responses) {
      for (const { records } of partitions) {
        if (records === null || !dice.chance(BAD_PERCENT)) continue;
        for (const at of splitBatches(records)) records.writeInt32BE(0, at + BatchOffsets.LEADER_EPOCH);
      }
    }
    return answer;
  }),
};

const forgetsSyncs: Build = {
  name: 'forgets-syncs',
  what: 'every replica calls durable what is written and not synced',
  rule: 'taken-back',
  brokers: BROKERS,
  ...(acknowledgesBeforeSync.disk === undefined ? {} : { disk: acknowledgesBeforeSync.disk }),
};

const replaysOrders: Build = {
  name: 'replays-orders',
  what: 'now and then a broker takes the last LeaderAndIsr but one for a new one',
  rule: 'invented-state',
  brokers: BROKERS,
  seed: 3,
  handler(inner, tools) {
    let before: LeaderAndIsrRequest | undefined;
    return meddlingWith(LeaderAndIsr, async ({ request, ask }) => {
      const replayed = before;
      before = request;
      const answer = await ask();
      if (replayed !== undefined && tools.dice.chance(BAD_PERCENT)) await ask(asIfNew(replayed, request));
      return answer;
    })(inner, tools);
  },
};

const swapsOrders: Build = {
  name: 'swaps-orders',
  what: 'a controller sends LeaderAndIsr behind the UpdateMetadata that tells of it',
  rule: 'command-order',
  brokers: BROKERS,
  peers: meddlingPeers(LeaderAndIsr, async (body, send, { dice, clock }) => {
    clock.schedule(dice.time(20, 200), () => void send(body).catch(() => {}));
    return { errorCode: 0, topics: [], partitionErrors: [] };
  }),
};

const ignoresFences: Build = {
  name: 'ignores-fences',
  what: 'a broker takes what a controller says that has been replaced',
  rule: 'zombie-command',
  faults: ['dethrone', 'link'],
  brokers: BROKERS,
  handler(inner, tools) {
    let newest = -1;
    const asNewest = <T extends { controllerEpoch: number; brokerEpoch: number }>(request: T): T => {
      newest = Math.max(newest, request.controllerEpoch);
      return { ...request, controllerEpoch: newest, brokerEpoch: -1 };
    };
    const first = meddlingWith(UpdateMetadata, ({ request, ask }) => ask(asNewest(request)))(inner, tools);
    return meddlingWith(LeaderAndIsr, ({ request, ask }) => ask(asNewest(request)))(first, tools);
  },
};

const forgetsDeletions: Build = {
  name: 'forgets-deletions',
  what: 'every other time a broker answers that it has deleted a replica, and has not',
  rule: 'stray-replica',
  faults: ['cut'],
  brokers: BROKERS,
  handler: meddlingWith(StopReplica, ({ request, ask, tools }) => {
    if (tools.dice.chance(50)) return ask();
    const topicStates = request.topicStates.map((topic) => ({
      ...topic,
      partitionStates: topic.partitionStates.map((each) => ({ ...each, deletePartition: false })),
    }));
    return ask({ ...request, topicStates });
  }),
};

const leadsUninvited: Build = {
  name: 'leads-uninvited',
  what: 'now and then a broker that is told to follow a leader takes itself for it',
  rule: 'two-leaders',
  brokers: BROKERS,
  handler: meddlingWith(LeaderAndIsr, ({ request, ask, tools }) => {
    // Which of them it is itself, a request does not say: one time in three it is right.
    const uninvited = tools.dice.between(1, BROKERS);
    const topicStates = request.topicStates.map((topic) => ({
      ...topic,
      partitionStates: topic.partitionStates.map((each) =>
        each.leader >= 0 && each.isr.includes(uninvited) && tools.dice.chance(BAD_PERCENT)
          ? { ...each, leader: uninvited }
          : each,
      ),
    }));
    return ask({ ...request, topicStates });
  }),
};

const goesBack: Build = {
  name: 'goes-back',
  what: 'now and then a broker forgets in which epoch a replica is, and takes an order of an earlier one',
  rule: 'epoch-back',
  brokers: BROKERS,
  handler: meddlingWith(LeaderAndIsr, async ({ request, ask, beside, tools }) => {
    const answer = await ask();
    if (!tools.dice.chance(BAD_PERCENT)) return answer;
    const { controllerId, controllerEpoch, brokerEpoch } = request;
    const names = new Map(request.topicStates.map(({ topicId, topicName }) => [topicId, topicName]));
    const stopped = request.topicStates.map(({ topicId, partitionStates }) => ({
      topicName: names.get(topicId) ?? '',
      partitionStates: partitionStates.map(({ partitionIndex, leaderEpoch }) => ({
        partitionIndex,
        leaderEpoch,
        deletePartition: false,
      })),
    }));
    await beside(StopReplica, STOP_VERSION, { controllerId, controllerEpoch, brokerEpoch, topicStates: stopped });
    const topicStates = request.topicStates.map((topic) => ({
      ...topic,
      partitionStates: topic.partitionStates.map((each) => ({ ...each, leaderEpoch: each.leaderEpoch - 1 })),
    }));
    return ask({ ...request, topicStates });
  }),
};

const forgetsVersions: Build = {
  name: 'forgets-versions',
  what: 'now and then a broker is told with a new epoch of an earlier version of the state than it knows',
  rule: 'epoch-back',
  brokers: BROKERS,
  handler: meddlingWith(LeaderAndIsr, ({ request, ask, tools }) => {
    if (!tools.dice.chance(BAD_PERCENT)) return ask();
    const topicStates = request.topicStates.map((topic) => ({
      ...topic,
      partitionStates: topic.partitionStates.map((each) => ({ ...each, partitionEpoch: 0 })),
    }));
    return ask({ ...request, topicStates });
  }),
};

const remembersController: Build = {
  name: 'remembers-controller',
  what: 'a broker takes whoever was the controller first for the controller, whoever is it now',
  rule: 'stale-view',
  brokers: BROKERS,
  handler(inner, tools) {
    let first: number | undefined;
    return meddlingWith(UpdateMetadata, ({ request, ask }) => {
      first ??= request.controllerId;
      return ask({ ...request, controllerId: first });
    })(inner, tools);
  },
};

/** Names topics by their names, with an epoch for each partition. */
const STOP_VERSION = 3;

const missesNews: Build = {
  name: 'misses-news',
  what: 'now and then a broker answers UpdateMetadata as if it had taken over what it was told',
  rule: 'stale-view',
  brokers: BROKERS,
  handler: meddlingWith(UpdateMetadata, async ({ ask, tools }) =>
    tools.dice.chance(BAD_PERCENT) ? { errorCode: 0 } : ask(),
  ),
};

const forgetsWhoWaits: Build = {
  name: 'forgets-who-waits',
  what: 'now and then a broker never answers a fetch that finds nothing, though the time is over that it was to wait',
  rule: 'unanswered',
  brokers: BROKERS,
  handler: meddlingWith(Fetch, async ({ ask, tools }) => {
    const answer = await ask();
    const isEmpty = answer?.responses.every(({ partitions }) => partitions.every(({ records }) => !records?.length));
    return isEmpty && tools.dice.chance(1) ? new Promise(() => {}) : answer;
  }),
};

/** Brokers whose replication is broken on purpose. */
export const clusterMutants: readonly Build[] = [
  acknowledgesAlone,
  countsReadersAsFollowers,
  altersCopies,
  dropsOrders,
  forgetsTheCluster,
  skipsTruncation,
  believesItself,
  commitsEarly,
  expandsUnchecked,
  relabelsEpochs,
  forgetsSyncs,
  replaysOrders,
  swapsOrders,
  ignoresFences,
  forgetsDeletions,
  leadsUninvited,
  goesBack,
  forgetsVersions,
  remembersController,
  missesNews,
  forgetsWhoWaits,
];

type AlteredPartition = NonNullable<
  NonNullable<Parameters<typeof AlterPartition.request.encode>[1]['topics']>[number]['partitions']
>[number];

function withAllInSync(partition: AlteredPartition): AlteredPartition {
  const all = [1, 2, BROKERS];
  const { newIsrWithEpochs } = partition;
  return newIsrWithEpochs === undefined
    ? { ...partition, newIsr: all }
    : { ...partition, newIsrWithEpochs: all.map((brokerId) => ({ brokerId, brokerEpoch: -1 })) };
}

/** The orders of one request in an epoch above those of a later one. */
function asIfNew(request: LeaderAndIsrRequest, later: LeaderAndIsrRequest): LeaderAndIsrRequest {
  const { controllerEpoch, brokerEpoch } = later;
  const topicStates = request.topicStates.map((topic) => ({
    ...topic,
    partitionStates: topic.partitionStates.map((each) => ({ ...each, leaderEpoch: each.leaderEpoch + 2 })),
  }));
  return { ...request, controllerEpoch, brokerEpoch, topicStates };
}

/** From this version on a follower says who it is in another place. */
const FIRST_VERSION_WITH_REPLICA_STATE = 15;

function replicaOf({ replicaId, replicaState }: FetchRequest, version: number): number {
  return version >= FIRST_VERSION_WITH_REPLICA_STATE ? replicaState.replicaId : replicaId;
}

function asReplica(request: FetchRequest, version: number, replicaId: number): FetchRequest {
  if (version < FIRST_VERSION_WITH_REPLICA_STATE) return { ...request, replicaId };
  return { ...request, replicaState: { ...request.replicaState, replicaId } };
}

/** Another byte at the end of each batch, under a right CRC. */
function alter(records: Buffer): void {
  for (const at of splitBatches(records)) {
    const end = at + batchSizeBytes(records, at) - 1;
    records[end] = records[end]! ^ 1;
    records.writeUInt32BE(computeBatchCrc(records, at), at + BatchOffsets.CRC);
  }
}

/** Peers to whom `meddle` sends the requests of one API. */
function meddlingPeers<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  meddle: (body: ReqInput, send: (body: ReqInput) => Promise<Res>, tools: BuildTools) => Promise<Res>,
): NonNullable<Build['peers']> {
  return (inner: Peers, tools): Peers => ({
    lane: (address, clientId) => {
      const lane = inner.lane(address, clientId);
      const send: PeerLane['send'] = async (asked, version, body, options) => {
        if ((asked as { key: number }).key !== api.key) return lane.send(asked, version, body, options);
        // The body may depend on the version, which is known when it is asked for: then it is made twice, and is the same.
        const given = typeof body === 'function' ? (body as (version: number) => unknown)(api.maxVersion) : body;
        const resend = (changed: ReqInput): Promise<Res> =>
          lane.send(api, version === 'auto' ? api.maxVersion : version, changed, options);
        return meddle(given as ReqInput, resend, tools) as never;
      };
      return { send, reset: () => lane.reset(), close: () => lane.close() };
    },
  });
}
