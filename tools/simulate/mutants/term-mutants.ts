import type { PeerLane, Peers } from '@millrace/broker';
import {
  type Api,
  DescribeTransactions,
  EndTxn,
  ErrorCode,
  InitProducerId,
  WriteTxnMarkers,
  type WriteTxnMarkersRequestInput,
} from '@millrace/protocol';
import type { Build } from '../build.ts';
import { meddlingWith } from './request-mutants.ts';
import { WrappedStore } from './store-wrapper.ts';

/** Longer than a transaction takes. */
const LATE_MS = 1000;

/** How far apart the epochs are that two producers of one id get, where ends raise epochs in the cluster. */
const STEP = 2;

/** Brokers that are broken where one term of a coordinator follows another; for `scenarios/moved-coordinator.ts`. */
export const keepsMemory: Build = {
  name: 'keeps-memory',
  what: 'a coordinator that is elected again goes on from what it knew in its earlier term',
  handler(inner, tools) {
    const known = new Map<string, { readonly errorCode: number; readonly producerId: number; producerEpoch: number }>();
    return meddlingWith(InitProducerId, async ({ request, ask }) => {
      const answer = await ask();
      if (answer?.errorCode !== ErrorCode.NONE) return answer;
      const id = request.transactionalId ?? '';
      const { producerId, producerEpoch } = known.get(id) ?? answer;
      const given = known.has(id)
        ? { errorCode: ErrorCode.NONE, producerId, producerEpoch: producerEpoch + STEP }
        : answer;
      known.set(id, given);
      return given;
    })(inner, tools);
  },
};

const STATE = '/brokers/topics/__transaction_state/partitions/0/state';

/** For each world one of its own: its brokers know what each of them writes. */
export function readsAnew(): Build {
  let isChanged = false;
  return {
    name: 'reads-anew',
    what: 'a coordinator reads all anew when nothing but the in-sync replicas have changed',
    store: (store) =>
      new WrappedStore(store, {
        multi: (operations, write) => {
          isChanged ||= operations.some(({ type, path }) => type === 'set' && path === STATE);
          return write(operations);
        },
      }),
    handler: meddlingWith(DescribeTransactions, async ({ ask }) => {
      const answer = await ask();
      if (!isChanged || answer === null) return answer;
      isChanged = false;
      const errorCode = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
      const transactionStates = answer.transactionStates.map((each) => ({ ...each, errorCode, transactionState: '' }));
      return { ...answer, transactionStates };
    }),
  };
}

export const takesOldTerms: Build = {
  name: 'takes-old-terms',
  what: 'a leader takes markers of a coordinator whose term is over for markers of the present one',
  handler(inner, tools) {
    let present = 0;
    return meddlingWith(WriteTxnMarkers, ({ request, ask }) => {
      for (const { coordinatorEpoch } of request.markers) present = Math.max(present, coordinatorEpoch);
      return ask({ markers: request.markers.map((each) => ({ ...each, coordinatorEpoch: present })) });
    })(inner, tools);
  },
};

export const endsTheNext: Build = {
  name: 'ends-the-next',
  what: 'a leader does not look at whether the epoch was raised for a marker, which may then end the transaction behind its own',
  handler: meddlingWith(WriteTxnMarkers, ({ request, ask }) =>
    ask({ markers: request.markers.map((each) => ({ ...each, transactionVersion: 0 })) }),
  ),
};

export const answersEarly: Build = {
  name: 'answers-early',
  what: 'a leader answers for a marker before it writes it, so that the next transaction begins behind the one that is still open',
  handler: meddlingWith(WriteTxnMarkers, async ({ request, ask, tools }) => {
    tools.clock.schedule(LATE_MS, () => void ask());
    return {
      markers: request.markers.map(({ producerId, topics }) => ({
        producerId,
        topics: topics.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, errorCode: ErrorCode.NONE })),
        })),
      })),
    };
  }),
};

export const keepsExhausted: Build = {
  name: 'keeps-exhausted',
  what: 'a coordinator gives the last epoch again and again instead of another producer id',
  handler(inner, tools) {
    return meddlingWith(EndTxn, async ({ request, ask }) => {
      const answer = await ask();
      if (answer === null || answer.errorCode !== ErrorCode.NONE || answer.producerId === request.producerId) {
        return answer;
      }
      const { producerId, producerEpoch } = request;
      return { ...answer, producerId, producerEpoch };
    })(inner, tools);
  },
};

export const linesUpByProducer: Build = {
  name: 'lines-up-by-producer',
  what: 'markers that were sent for a producer in an earlier term are taken for those of this one, which nobody hears of any more',
  peers: (peers) => ({ lane: (address, clientId) => new ForgetfulLane(peers, address, clientId) }),
};

class ForgetfulLane implements PeerLane {
  readonly #lane: PeerLane;
  /** By producer and epoch, in which term of their coordinator markers were sent. */
  readonly #terms = new Map<string, number>();

  constructor(peers: Peers, ...[address, clientId]: Parameters<Peers['lane']>) {
    this.#lane = peers.lane(address, clientId);
  }

  send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
    options: { readonly timeoutMs: number },
  ): Promise<Res> {
    // The key says whose body it is; the sender gives it as it is.
    if (api.key === WriteTxnMarkers.key && this.#isKnown(body as WriteTxnMarkersRequestInput)) {
      return new Promise(() => {});
    }
    return this.#lane.send(api, version, body, options);
  }

  reset(): void {
    this.#lane.reset();
  }

  close(): void {
    this.#lane.close();
  }

  #isKnown({ markers = [] }: WriteTxnMarkersRequestInput): boolean {
    return markers.some(({ producerId, producerEpoch, coordinatorEpoch = 0 }) => {
      const key = `${producerId} ${producerEpoch}`;
      const term = this.#terms.get(key) ?? coordinatorEpoch;
      this.#terms.set(key, Math.max(term, coordinatorEpoch));
      return term < coordinatorEpoch;
    });
  }
}
