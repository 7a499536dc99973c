import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import type { Clock, Random } from '@millrace/ports';
import type { LiveBroker } from '../cluster/broker-channel.ts';
import { randomUuid } from '../shared/uuid.ts';
import { untilAnswered } from './lost-answers.ts';
import { decodeClusterId, encodeBroker, encodeClusterId, paths, persistentPaths } from './znodes.ts';

/** Another broker of the cluster has this one's number. */
export class BrokerIdInUseError extends Error {
  override readonly name = 'BrokerIdInUseError';
  readonly code = 'BROKER_ID_IN_USE';
  readonly retriable = false;

  constructor(id: number) {
    super(
      `Cannot register broker ${id}: a broker with this id is registered. Stop that one, or give this one another broker.id.`,
    );
  }
}

/** Makes the nodes that every cluster has, where they are missing. */
export async function makePersistentNodes(store: MetadataStore): Promise<void> {
  const present = await Promise.all(persistentPaths.map((path) => store.exists(path)));
  const missing = persistentPaths.filter((_, index) => present[index] === undefined);
  // One by one rather than in one transaction: several brokers may start at once.
  const creations = await Promise.allSettled(
    missing.map((path) => untilAnswered(() => store.create(path, Buffer.alloc(0)))),
  );
  for (const creation of creations) {
    if (creation.status === 'rejected' && !isMetadataError(creation.reason, 'NODE_EXISTS')) throw creation.reason;
  }
}

/** The cluster's id; the first broker that asks sets it to `wanted`, or to a random one. */
export async function clusterId(store: MetadataStore, random: Random, wanted: string | null): Promise<string> {
  if ((await store.exists(paths.clusterId)) === undefined) {
    const id = wanted ?? randomUuid(random);
    try {
      await untilAnswered(() => store.create(paths.clusterId, encodeClusterId(id)));
      return id;
    } catch (error) {
      if (!isMetadataError(error, 'NODE_EXISTS')) throw error;
    }
  }
  return decodeClusterId((await store.get(paths.clusterId)).data);
}

/** How {@link registerBroker} registers. */
export interface RegistrationOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  /** Where clients reach the broker, with the ports that it really listens on. */
  readonly broker: LiveBroker;
  /** How long to wait for the registration of a former process to expire. `zookeeper.session.timeout.ms` and a little. */
  readonly waitMsMax: number;
}

/**
 * Registers a broker for as long as its session lasts, and resolves with its epoch. A registration that is there already may be
 * that of a process that was killed, so it is given the time to expire; one of this session was made by an attempt whose answer was
 * lost (`KafkaZkClient.CheckedEphemeral`).
 * @throws BrokerIdInUseError when it does not.
 */
export async function registerBroker(options: RegistrationOptions): Promise<number> {
  const { store, clock, broker, waitMsMax } = options;
  const path = paths.brokerId(broker.id);
  const deadlineMs = clock.monotonic() + waitMsMax;
  for (;;) {
    try {
      return await untilAnswered(() => createRegistration(store, path, encodeBroker(broker, clock.now())));
    } catch (error) {
      if (!isMetadataError(error, 'NODE_EXISTS')) throw error;
    }
    const stat = await store.exists(path);
    if (stat?.ephemeralOwner === store.sessionId) return stat.czxid;
    const waitMs = deadlineMs - clock.monotonic();
    if (waitMs <= 0 || !(await becomesFree(store, clock, path, waitMs))) throw new BrokerIdInUseError(broker.id);
  }
}

/** Created without content and then set, so that the transaction that created it, which is the epoch, comes with the answer. */
async function createRegistration(store: MetadataStore, path: string, data: Buffer): Promise<number> {
  const [, written] = await store.multi([
    { type: 'create', path, data: Buffer.alloc(0), options: { ephemeral: true } },
    { type: 'set', path, data, expected: { exactly: 0 } },
  ]);
  return written?.type === 'set' ? written.stat.czxid : -1;
}

/** Whether a node goes within the time. */
function becomesFree(store: MetadataStore, clock: Clock, path: string, waitMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(waitMs, () => resolve(false));
    const free = (): void => {
      timer.cancel();
      resolve(true);
    };
    // Any event is worth another attempt; only the deletion is likely.
    store.exists(path, { watch: free }).then((stat) => {
      if (stat === undefined) free();
    }, reject);
  });
}
