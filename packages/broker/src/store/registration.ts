import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import type { Clock, Random } from '@millrace/ports';
import type { BrokerEndpoint, LiveBroker } from '../cluster/broker-channel.ts';
import { randomUuid } from '../shared/uuid.ts';
import { untilAnswered } from './lost-answers.ts';
import { decodeBroker, decodeClusterId, encodeBroker, encodeClusterId, paths, persistentPaths } from './znodes.ts';

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

/** Clients that were sent to this broker would reach another one. */
export class BrokerAddressInUseError extends Error {
  override readonly name = 'BrokerAddressInUseError';
  readonly code = 'BROKER_ADDRESS_IN_USE';
  readonly retriable = false;

  constructor(id: number, address: string, other: number) {
    super(
      `Cannot register broker ${id}: broker ${other} advertises ${address} too. Give each its own advertised.listeners, or stop the other.`,
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

/**
 * The cluster's id; the first broker that asks sets it to `wanted`, or to a random one.
 * @param onFounded - told when it is this one
 */
export async function clusterId(
  store: MetadataStore,
  random: Random,
  wanted: string | null,
  onFounded?: (id: string) => void,
): Promise<string> {
  if ((await store.exists(paths.clusterId)) === undefined) {
    const id = wanted ?? randomUuid(random);
    try {
      await untilAnswered(() => store.create(paths.clusterId, encodeClusterId(id)));
      onFounded?.(id);
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
  /** The highest `transaction.version` that the broker knows; 0 where it is to say nothing of it. */
  readonly transactionVersion?: number | undefined;
  /** How long to wait for the registration of a former process to expire. `zookeeper.session.timeout.ms` and a little. */
  readonly waitMsMax: number;
  /** The session in which this process was registered before: what it left behind is its own, and need not be waited for (KAFKA-7165). */
  readonly formerSession?: string | undefined;
}

/**
 * Registers a broker for as long as its session lasts, and resolves with its epoch. A registration that is there already may be
 * that of a process that was killed, so it is given the time to expire; one of this session was made by an attempt whose answer was
 * lost (`KafkaZkClient.CheckedEphemeral`).
 * @throws BrokerIdInUseError when it does not; BrokerAddressInUseError when another broker advertises an address of this one
 */
export async function registerBroker(options: RegistrationOptions): Promise<number> {
  const { store, clock, broker, transactionVersion = 0, waitMsMax, formerSession } = options;
  const path = paths.brokerId(broker.id);
  const deadlineMs = clock.monotonic() + waitMsMax;
  await awaitOwnAddresses(options, deadlineMs);
  for (;;) {
    try {
      return await untilAnswered(() =>
        createRegistration(store, path, encodeBroker(broker, clock.now(), transactionVersion)),
      );
    } catch (error) {
      if (!isMetadataError(error, 'NODE_EXISTS')) throw error;
    }
    const stat = await store.exists(path);
    if (stat?.ephemeralOwner === store.sessionId) return stat.czxid;
    if (stat !== undefined && formerSession !== undefined && stat.ephemeralOwner === formerSession) {
      await removeOwn(store, path, stat.version);
      continue;
    }
    const waitMs = deadlineMs - clock.monotonic();
    if (waitMs <= 0 || !(await becomesFree(store, clock, path, waitMs))) throw new BrokerIdInUseError(broker.id);
  }
}

/** Somebody else may have been quicker: then the next look shows what is there. */
async function removeOwn(store: MetadataStore, path: string, version: number): Promise<void> {
  try {
    await untilAnswered(() => store.delete(path, { exactly: version }));
  } catch (error) {
    if (!isMetadataError(error, 'NO_NODE', 'BAD_VERSION')) throw error;
  }
}

/** Waits for the registration of a former process that had this one's address under another id. */
async function awaitOwnAddresses({ store, clock, broker }: RegistrationOptions, deadlineMs: number): Promise<void> {
  for (;;) {
    const conflict = await conflictWith(broker, store);
    if (conflict === undefined) return;
    const waitMs = deadlineMs - clock.monotonic();
    if (waitMs <= 0 || !(await becomesFree(store, clock, paths.brokerId(conflict.other), waitMs))) {
      throw new BrokerAddressInUseError(broker.id, conflict.address, conflict.other);
    }
  }
}

async function conflictWith(
  { id, endpoints }: LiveBroker,
  store: MetadataStore,
): Promise<{ readonly other: number; readonly address: string } | undefined> {
  const own = new Set(endpoints.map(addressOf));
  for (const name of await store.children(paths.brokerIds)) {
    const other = Number(name);
    if (other === id || !Number.isSafeInteger(other)) continue;
    const address = (await registered(other, store))?.endpoints.map(addressOf).find((each) => own.has(each));
    if (address !== undefined) return { other, address };
  }
  return undefined;
}

/** Undefined where it is gone meanwhile. */
async function registered(id: number, store: MetadataStore): Promise<LiveBroker | undefined> {
  try {
    const { data } = await store.get(paths.brokerId(id));
    // Created, and not yet set.
    return data.length === 0 ? undefined : decodeBroker(id, data);
  } catch (error) {
    if (isMetadataError(error, 'NO_NODE')) return undefined;
    throw error;
  }
}

function addressOf({ host, port }: BrokerEndpoint): string {
  return `${host.toLowerCase()}:${port}`;
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
