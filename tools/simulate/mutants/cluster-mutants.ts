import type { PeerLine, Peers } from '@millrace/broker';
import type { Operation } from '@millrace/metadata';
import {
  AlterPartition,
  type Api,
  Fetch,
  type FetchRequest,
  LeaderAndIsr,
  Produce,
  UpdateMetadata,
} from '@millrace/protocol';
import { BatchOffsets, batchSizeBytes, computeBatchCrc, splitBatches } from '@millrace/records';
import type { Build } from '../build.ts';
import type { Dice } from '../world/dice.ts';
import { meddlingWith } from './request-mutants.ts';
import { WrappedStore } from './store-wrapper.ts';

/** A mutant of replication or of the controller needs brokers that replicate. */
const BROKERS = 3;

/** Of a hundred requests, how many a mutant treats badly. */
const BAD_PERCENT = 15;

const STATE_PATH = /^\/brokers\/topics\/[^/]+\/partitions\/\d+\/state$/;

const acknowledgesAlone: Build = {
  name: 'acknowledges-alone',
  what: 'a leader acknowledges what no follower has, though all in sync were asked for',
  brokers: BROKERS,
  handler: meddlingWith(Produce, ({ request, ask }) => ask(request.acks === -1 ? { ...request, acks: 1 } : request)),
};

const countsReadersAsFollowers: Build = {
  name: 'counts-readers-as-followers',
  what: 'what a consumer asks for counts as fetched by a follower, so that the high watermark moves too early',
  brokers: BROKERS,
  handler: meddlingWith(Fetch, ({ request, version, ask, tools }) => {
    const isReader = replicaOf(request, version) < 0;
    return isReader && tools.dice.chance(50) ? ask(asReplica(request, version, tools.dice.between(1, BROKERS))) : ask();
  }),
};

const altersCopies: Build = {
  name: 'alters-copies',
  what: 'now and then a follower gets a record that is not the one that the leader has',
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
  brokers: BROKERS,
  handler: meddlingWith(LeaderAndIsr, async ({ ask, tools }) =>
    tools.dice.chance(BAD_PERCENT) ? { errorCode: 0, topics: [], partitionErrors: [] } : ask(),
  ),
};

const forgetsTheCluster: Build = {
  name: 'forgets-the-cluster',
  what: 'brokers take no UpdateMetadata of other brokers, so that they know neither leaders nor live brokers',
  brokers: BROKERS,
  handler: meddlingWith(UpdateMetadata, async () => ({ errorCode: 0 })),
};

const skipsTruncation: Build = {
  name: 'skips-truncation',
  what: 'a follower does not say of which epoch its last record is, so that the leader cannot find where they differ',
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
  brokers: BROKERS,
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

const electsUncleanly: Build = {
  name: 'elects-uncleanly',
  what: 'a replica that is not in sync is elected, though nobody has allowed it',
  brokers: BROKERS,
  settings: { 'unclean.leader.election.enable': 'true' },
};

const keepsEpochs: Build = {
  name: 'keeps-epochs',
  what: 'a new leader leads in the epoch of the one before',
  brokers: BROKERS,
  store: (store) => {
    const epochs = new Map<string, number>();
    return new WrappedStore(store, {
      multi: (operations, write) =>
        write(operations.map((each) => (isStateChange(each) ? inFirstEpoch(each, epochs) : each))),
    });
  },
};

const staysRegistered: Build = {
  name: 'stays-registered',
  what: 'the registration of a broker stays when it dies',
  brokers: BROKERS,
  store: (store) =>
    new WrappedStore(store, { multi: (operations, write) => write(operations.map(persistent('/brokers/ids/'))) }),
};

const staysController: Build = {
  name: 'stays-controller',
  what: 'the office of a controller does not end with it',
  brokers: BROKERS,
  store: (store) =>
    new WrappedStore(store, { multi: (operations, write) => write(operations.map(persistent('/controller'))) }),
};

const missesItsEnd: Build = {
  name: 'misses-its-end',
  what: 'a broker does not notice that its session has expired',
  brokers: BROKERS,
  store: (store) => new WrappedStore(store, { hears: (state) => state !== 'expired' }),
};

/** Brokers whose replication, or whose controller, is broken on purpose. */
export const clusterMutants: readonly Build[] = [
  acknowledgesAlone,
  countsReadersAsFollowers,
  altersCopies,
  dropsOrders,
  forgetsTheCluster,
  skipsTruncation,
  believesItself,
  electsUncleanly,
  keepsEpochs,
  staysRegistered,
  staysController,
  missesItsEnd,
];

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

function isStateChange(operation: Operation): operation is Extract<Operation, { type: 'set' }> {
  return operation.type === 'set' && STATE_PATH.test(operation.path);
}

function inFirstEpoch(
  operation: Extract<Operation, { type: 'set' }>,
  epochs: Map<string, number>,
): Extract<Operation, { type: 'set' }> {
  const state = JSON.parse(Buffer.from(operation.data).toString()) as { leader_epoch: number };
  const first = epochs.get(operation.path) ?? state.leader_epoch;
  epochs.set(operation.path, first);
  return { ...operation, data: Buffer.from(JSON.stringify({ ...state, leader_epoch: first })) };
}

function persistent(path: string): (operation: Operation) => Operation {
  return (operation) => {
    if (operation.type !== 'create' || !operation.path.startsWith(path)) return operation;
    const { options: _, ...rest } = operation;
    return rest;
  };
}

/** Peers to whom `meddle` sends the requests of one API. */
function meddlingPeers<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  meddle: (body: ReqInput, send: (body: ReqInput) => Promise<Res>, dice: Dice) => Promise<Res>,
): NonNullable<Build['peers']> {
  return (inner: Peers, { dice }): Peers => ({
    line: (address, clientId) => {
      const line = inner.line(address, clientId);
      const send: PeerLine['send'] = async (asked, version, body, options) => {
        if ((asked as { key: number }).key !== api.key) return line.send(asked, version, body, options);
        // The body may depend on the version, which is known when it is asked for: then it is made twice, and is the same.
        const given = typeof body === 'function' ? (body as (version: number) => unknown)(api.maxVersion) : body;
        const resend = (changed: ReqInput): Promise<Res> =>
          line.send(api, version === 'auto' ? api.maxVersion : version, changed, options);
        return meddle(given as ReqInput, resend, dice) as never;
      };
      return { send, reset: () => line.reset(), close: () => line.close() };
    },
  });
}
