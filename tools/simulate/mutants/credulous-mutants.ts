import {
  ControlledShutdown,
  decodeResponseFrame,
  encodeRequest,
  Fetch,
  LeaderAndIsr,
  OffsetForLeaderEpoch,
  StopReplica,
  UpdateMetadata,
} from '@millrace/protocol';
import type { Build } from '../build.ts';
import { meddlingWith } from './request-mutants.ts';

/** Brokers that believe what somebody says who is none of them; it takes a cluster in which somebody lies to find out. */
const BROKERS = 3;

/** Stands for a request that says nothing of the registration that it was meant for. */
const ANY_EPOCH = -1;

const believesAnyCommander: Build = {
  name: 'believes-any-commander',
  what: 'a broker does what it is told, though it was meant for it before it registered anew',
  rule: 'invented-state',
  faults: ['link'],
  brokers: BROKERS,
  handler(inner, tools) {
    const asOfNow = <T extends object>(request: T): T => ({ ...request, brokerEpoch: ANY_EPOCH });
    const first = meddlingWith(UpdateMetadata, ({ request, ask }) => ask(asOfNow(request)))(inner, tools);
    const second = meddlingWith(StopReplica, ({ request, ask }) => ask(asOfNow(request)))(first, tools);
    return meddlingWith(LeaderAndIsr, ({ request, ask }) => ask(asOfNow(request)))(second, tools);
  },
};

const relievesAnybody: Build = {
  name: 'relieves-anybody',
  what: 'a controller takes the leaderships of a broker away, though it was another registration of it that wished to stop',
  rule: 'unavailable',
  faults: ['link'],
  brokers: BROKERS,
  handler: meddlingWith(ControlledShutdown, ({ request, ask }) => ask({ ...request, brokerEpoch: ANY_EPOCH })),
};

/** Whatever lies behind this offset is behind the end of every log. */
const NOWHERE = 2 ** 39;
/** Asked for the ends of all these, a leader tells among them where its log ends. */
const EPOCHS = Array.from({ length: 30 }, (_, leaderEpoch) => ({ currentLeaderEpoch: -1, leaderEpoch }));
const END_VERSION = 3;

const countsWhatIsNowhere: Build = {
  name: 'counts-what-is-nowhere',
  what: 'a follower that asks from behind the end counts as one that has everything',
  rule: 'taken-back',
  faults: ['link', 'kill'],
  brokers: BROKERS,
  seed: 23,
  handler: (inner, tools) => ({
    async handle(frame, connection, admission) {
      const endOf = (topic: string, partition: number): Promise<number> => {
        const body = { replicaId: 1, topics: [{ topic, partitions: EPOCHS.map((each) => ({ partition, ...each })) }] };
        const asked = encodeRequest(OffsetForLeaderEpoch, END_VERSION, { correlationId: 1, clientId: '' }, body);
        return Promise.resolve(inner.handle(Buffer.concat(asked).subarray(4), connection, admission)).then((answer) => {
          const told = decodeResponseFrame(OffsetForLeaderEpoch, END_VERSION, Buffer.concat(answer ?? []).subarray(4));
          return Math.max(
            ...told.body.topics.flatMap(({ partitions }) => partitions.map(({ endOffset }) => endOffset)),
          );
        });
      };
      const believing = meddlingWith(Fetch, async ({ request, ask }) => {
        for (const { topic, partitions } of request.topics) {
          for (const each of partitions) {
            if (each.fetchOffset >= NOWHERE) each.fetchOffset = await endOf(topic, each.partition);
          }
        }
        return ask(request);
      })(inner, tools);
      return believing.handle(frame, connection, admission);
    },
    connectionClosed: (connection) => inner.connectionClosed?.(connection),
  }),
};

/** See {@link BROKERS}. */
export const credulousMutants: readonly Build[] = [believesAnyCommander, relievesAnybody, countsWhatIsNowhere];
