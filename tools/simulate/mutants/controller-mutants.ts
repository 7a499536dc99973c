import type { NodeContent, Operation } from '@millrace/metadata';
import type { Build } from '../build.ts';
import type { Dice } from '../world/dice.ts';
import type { SimulatedClock } from '../world/simulated-clock.ts';
import { WrappedStore } from './store-wrapper.ts';

/** A mutant of the controller needs brokers that it can rule. */
const BROKERS = 3;

/** Of a hundred states, how many a mutant spoils. */
const BAD_PERCENT = 20;

const STATE_PATH = /^\/brokers\/topics\/[^/]+\/partitions\/\d+\/state$/;
const BROKER_IDS = '/brokers/ids/';
const CONTROLLER_EPOCH_PATH = '/controller_epoch';

type SetOperation = Extract<Operation, { type: 'set' }>;

/** A partition's state as it is written. */
interface WrittenState {
  readonly leader: number;
  readonly leader_epoch: number;
  readonly isr: readonly number[];
}

const registrations = new WeakMap<SimulatedClock, Map<string, NodeContent>>();

const keepsEpochs: Build = {
  name: 'keeps-epochs',
  what: 'a new leader leads in the epoch of the one before',
  rule: 'bad-state',
  brokers: BROKERS,
  store: (store) => {
    const first = new Map<string, number>();
    return changingStates(store, ({ path }, state) => {
      if (!first.has(path)) first.set(path, state.leader_epoch);
      return { ...state, leader_epoch: first.get(path)! };
    });
  },
};

const lowersEpochs: Build = {
  name: 'lowers-epochs',
  what: 'now and then a state is written with an earlier leader epoch',
  rule: 'bad-state',
  brokers: BROKERS,
  store: (store, { dice }) =>
    changingStates(store, (_, state) =>
      dice.chance(BAD_PERCENT) ? { ...state, leader_epoch: Math.max(0, state.leader_epoch - 2) } : state,
    ),
};

const prefersOutsiders: Build = {
  name: 'prefers-outsiders',
  what: 'now and then the leader that is elected is one that is not in sync',
  rule: 'bad-state',
  brokers: BROKERS,
  seed: 3,
  store: (store, { dice }) => changingStates(store, (_, state) => ledByOutsider(state, dice)),
};

const leavesLeaderless: Build = {
  name: 'leaves-leaderless',
  what: 'a partition whose leader has gone never gets another',
  rule: 'unavailable',
  brokers: BROKERS,
  store: (store) => {
    const leaders = new Map<string, number>();
    return changingStates(store, ({ path }, state) => {
      const before = leaders.get(path);
      const isChanged = before !== undefined && before !== state.leader;
      leaders.set(path, isChanged ? -1 : state.leader);
      return isChanged ? { ...state, leader: -1 } : state;
    });
  },
};

const awaitsReturns: Build = {
  name: 'awaits-returns',
  what: 'a controller hears that a broker has been away when it is back, and elects nobody in its place before',
  rule: 'leaderless',
  faults: ['kill'],
  brokers: BROKERS,
  seed: 6,
  store: (store, { clock }) => {
    const registered = registrationsIn(clock);
    return new WrappedStore(store, {
      // What was registered of a broker that is gone is still read until it registers anew.
      async get(path, read) {
        const known = registered.get(path);
        try {
          const content = await read();
          if (path.startsWith(BROKER_IDS)) registered.set(path, content);
          return content;
        } catch (error) {
          if (known === undefined) throw error;
          return known;
        }
      },
      async children(path, read) {
        const names = await read();
        const all = [...registered.keys()].map((each) => each.slice(BROKER_IDS.length));
        return `${path}/` === BROKER_IDS && all.length === BROKERS ? all : names;
      },
    });
  },
};

const writesUnguarded: Build = {
  name: 'writes-unguarded',
  what: 'a controller writes whether or not another has been elected',
  rule: 'zombie-write',
  faults: ['dethrone', 'link'],
  brokers: BROKERS,
  store: (store) =>
    changing(store, (operation) =>
      operation.type === 'check' && operation.path === CONTROLLER_EPOCH_PATH
        ? { ...operation, expected: 'any' }
        : operation,
    ),
};

const overwritesStates: Build = {
  name: 'overwrites-states',
  what: 'states are overwritten whatever version they are of',
  rule: 'unconditional-write',
  brokers: BROKERS,
  store: (store) =>
    changing(store, (operation) => (isStateChange(operation) ? { ...operation, expected: 'any' } : operation)),
};

const keepsControllerEpoch: Build = {
  name: 'keeps-controller-epoch',
  what: 'the next controller takes office in the epoch of the one before',
  rule: 'two-controllers',
  brokers: BROKERS,
  store: (store) =>
    changing(store, (operation) => {
      if (operation.type !== 'set' || operation.path !== CONTROLLER_EPOCH_PATH) return operation;
      return { ...operation, data: Buffer.from(String(Number(Buffer.from(operation.data)) - 1)) };
    }),
};

const remembersStates: Build = {
  name: 'remembers-states',
  what: 'a broker that becomes the controller believes the states that it has seen first',
  rule: 'unavailable',
  brokers: BROKERS,
  seed: 5,
  store: (store) => {
    const seen = new Map<string, NodeContent>();
    return new WrappedStore(store, {
      get: async (path, read) => {
        const known = seen.get(path);
        if (known !== undefined) return known;
        const node = await read();
        if (STATE_PATH.test(path)) seen.set(path, node);
        return node;
      },
    });
  },
};

const staysRegistered: Build = {
  name: 'stays-registered',
  what: 'the registration of a broker stays when it dies',
  rule: 'unavailable',
  brokers: BROKERS,
  store: (store) => changing(store, persistent('/brokers/ids/')),
};

const staysController: Build = {
  name: 'stays-controller',
  what: 'the office of a controller does not end with it',
  rule: 'unavailable',
  brokers: BROKERS,
  store: (store) => changing(store, persistent('/controller')),
};

const missesItsEnd: Build = {
  name: 'misses-its-end',
  what: 'a broker does not notice that its session has expired',
  rule: 'unavailable',
  brokers: BROKERS,
  seed: 8,
  store: (store) => new WrappedStore(store, { hears: (state) => state !== 'expired' }),
};

const electsUncleanly: Build = {
  name: 'elects-uncleanly',
  what: 'a replica that is not in sync is elected, though nobody has allowed it',
  rule: 'bad-state',
  brokers: BROKERS,
  settings: { 'unclean.leader.election.enable': 'true' },
};

const admitsStrangers: Build = {
  name: 'admits-strangers',
  what: 'now and then a broker is written into sync that has no replica',
  rule: 'bad-state',
  brokers: BROKERS,
  store: (store, { dice }) =>
    changingStates(store, (_, state) =>
      dice.chance(BAD_PERCENT) ? { ...state, isr: [...state.isr, BROKERS + 1] } : state,
    ),
};

const forgetsWhatIsHurt: Build = {
  name: 'forgets-what-is-hurt',
  what: 'what nobody could read is not looked at again when it has been mended',
  rule: 'unavailable',
  faults: ['scribble', 'kill'],
  brokers: BROKERS,
  seed: 73,
  store: (store) => {
    const hurt = new Set<string>();
    return new WrappedStore(store, {
      async get(path, read) {
        const content = await read();
        if (isRecord(content.data)) hurt.delete(path);
        else hurt.add(path);
        return content;
      },
      hearsOf: (path) => !hurt.has(path),
    });
  },
};

function isRecord(data: Buffer): boolean {
  try {
    const json: unknown = JSON.parse(data.toString());
    return typeof json === 'object' && json !== null && !Array.isArray(json);
  } catch {
    return false;
  }
}

/** Brokers whose controller is broken on purpose. */
export const controllerMutants: readonly Build[] = [
  keepsEpochs,
  lowersEpochs,
  prefersOutsiders,
  leavesLeaderless,
  awaitsReturns,
  writesUnguarded,
  overwritesStates,
  keepsControllerEpoch,
  remembersStates,
  staysRegistered,
  staysController,
  missesItsEnd,
  electsUncleanly,
  admitsStrangers,
  forgetsWhatIsHurt,
];

/** How each broker of a world was registered last, which all of them know. */
function registrationsIn(clock: SimulatedClock): Map<string, NodeContent> {
  const registered = registrations.get(clock) ?? new Map<string, NodeContent>();
  registrations.set(clock, registered);
  return registered;
}

function ledByOutsider(state: WrittenState, dice: Dice): WrittenState {
  const outsider = [1, 2, BROKERS].find((id) => !state.isr.includes(id));
  if (outsider === undefined || state.leader < 0 || !dice.chance(BAD_PERCENT)) return state;
  return { ...state, leader: outsider, isr: [...state.isr, outsider] };
}

/** A store into which other operations are written than were given, one for one. */
function changing(
  store: ConstructorParameters<typeof WrappedStore>[0],
  change: (operation: Operation) => Operation,
): WrappedStore {
  return new WrappedStore(store, { multi: (operations, write) => write(operations.map(change)) });
}

function changingStates(
  store: ConstructorParameters<typeof WrappedStore>[0],
  change: (operation: SetOperation, state: WrittenState) => WrittenState,
): WrappedStore {
  return changing(store, (operation) => {
    if (!isStateChange(operation)) return operation;
    const state = JSON.parse(Buffer.from(operation.data).toString()) as WrittenState;
    return { ...operation, data: Buffer.from(JSON.stringify(change(operation, state))) };
  });
}

function isStateChange(operation: Operation): operation is SetOperation {
  return operation.type === 'set' && STATE_PATH.test(operation.path);
}

function persistent(path: string): (operation: Operation) => Operation {
  return (operation) => {
    if (operation.type !== 'create' || !operation.path.startsWith(path)) return operation;
    const { options: _, ...rest } = operation;
    return rest;
  };
}
