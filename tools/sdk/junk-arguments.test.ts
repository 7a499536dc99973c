/**
 * Whatever a program in JavaScript hands to any call of the SDKs, in any place: it is taken, or refused with a typed error that has a code.
 * Nothing is thrown that tells of our own code instead, and nothing is left behind that ends the process.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as adminSdk from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import * as consumerSdk from '@millrace/consumer';
import * as producerSdk from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { isElsewhere } from './suite-cluster.ts';

const { Admin } = adminSdk;
const { Consumer } = consumerSdk;
const { Producer } = producerSdk;

let broker: TestBroker;
const unhandled = vi.fn();
beforeAll(async () => {
  process.on('unhandledRejection', unhandled);
  broker = await startBroker({ topics: ['t', 'u'] });
  await closing(new Producer({ bootstrapServers: broker.bootstrapServers }), async (producer) => {
    await producer.sendBatch(['a', 'b'].map((value) => ({ topic: 'u', partition: 0, value })));
  });
});
afterAll(async () => {
  process.off('unhandledRejection', unhandled);
  await broker.close();
});
afterEach(() => expect(unhandled).not.toHaveBeenCalled());

const JUNK: readonly (readonly [string, unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['5', 5],
  ['text', 'x'],
  ['empty text', ''],
  ['[]', []],
  ['{}', {}],
  ['[null]', [null]],
  ['[5]', [5]],
  ['[{}]', [{}]],
  ['a function', () => {}],
  ['a symbol', Symbol('s')],
  ['a Map', new Map()],
  ['a Map of options', new Map([['timeoutMs', 5]])],
  ['a partition that is text', [{ topic: 't', partition: 'x', offset: 'y' }]],
];

/** How long a call is waited for; one that goes on has been taken. */
const PATIENCE_MS = 50;

/** Objects that are tried at the same time, since most of the time is waiting. */
const AT_ONCE = 16;

/** What the calls are made on: an object of each class, and of each kind that another's calls give. */
type Subject = Record<string | symbol, (...given: unknown[]) => unknown>;
interface Kind {
  /** Has `use` do something with one that is fresh, and clears up. */
  with(use: (subject: Subject) => Promise<void>): Promise<void>;
  /** Values of the right kind before the junk, where the method takes more than one. Others take whatever stands in their first place. */
  readonly before?: Readonly<Record<string, readonly unknown[]>>;
  /** What the types keep from programs. */
  readonly hidden?: readonly string[];
  /** It is handed out: what looks at it is called by `map` and `forEach` as well, which hand over more. */
  readonly isHandedOut?: true;
}

const connection = (): object => ({ bootstrapServers: broker.bootstrapServers, apiTimeoutMs: 40, blockMsMax: 1_000 });
const lone = (): object => ({ bootstrapServers: broker.bootstrapServers, apiTimeoutMs: 40 });

async function closing<T extends { close(options: object): Promise<void> }>(
  sdk: T,
  use: (sdk: T) => Promise<void>,
): Promise<void> {
  try {
    await use(sdk);
  } finally {
    await sdk.close({ timeoutMs: 200 });
  }
}

const asSubject = (object: object): Subject => object as Subject;

let transactionalIds = 0;
function transactional(use: (producer: InstanceType<typeof Producer>) => Promise<void>): Promise<void> {
  transactionalIds += 1;
  return closing(new Producer({ ...connection(), transactionalId: `x-${transactionalIds}` } as never), use);
}

function reader(use: (consumer: InstanceType<typeof Consumer>) => Promise<void>): Promise<void> {
  return closing(new Consumer({ ...lone(), autoOffsetReset: 'earliest' } as never), async (consumer) => {
    consumer.assign([{ topic: 'u', partition: 0, offset: 0 }]);
    await use(consumer);
  });
}

async function first<T>(values: AsyncIterableIterator<T, undefined>, use: (value: T) => Promise<void>): Promise<void> {
  const { value } = await values.next();
  if (value === undefined) throw new Error('Nothing was read');
  await use(value);
  await values.return?.();
}

const KINDS: Readonly<Record<string, Kind>> = {
  Producer: { with: (use) => closing(new Producer(connection() as never), (sdk) => use(asSubject(sdk))) },
  'Producer with a transactionalId': { with: (use) => transactional((sdk) => use(asSubject(sdk))) },
  Transaction: {
    with: (use) => transactional(async (producer) => use(asSubject(await producer.begin()))),
    before: { sendOffsets: ['g'] },
  },
  Consumer: {
    with: (use) => closing(new Consumer({ ...lone(), groupId: 'g' } as never), (sdk) => use(asSubject(sdk))),
    before: { seekToTimestamp: [5] },
  },
  'Consumer that reads': { with: (use) => reader((sdk) => use(asSubject(sdk))), before: { seekToTimestamp: [5] } },
  'an iterator of records': {
    with: (use) => reader((consumer) => use(asSubject(consumer[Symbol.asyncIterator]()))),
    hidden: ['read'],
  },
  'an iterator of batches': {
    with: (use) => reader((consumer) => use(asSubject(consumer.batches()))),
    hidden: ['read'],
  },
  'an iterator of a scan': {
    with: (use) => reader((consumer) => use(asSubject(consumer.scan(() => true)))),
    hidden: ['read'],
  },
  ConsumerBatch: {
    with: (use) => reader((consumer) => first(consumer.batches(), (batch) => use(asSubject(batch)))),
    isHandedOut: true,
  },
  ConsumerRecord: {
    with: (use) => reader((consumer) => first(consumer[Symbol.asyncIterator](), (record) => use(asSubject(record)))),
    isHandedOut: true,
  },
  Admin: { with: (use) => closing(new Admin(lone() as never), (sdk) => use(asSubject(sdk))) },
};

/** The classes that programs make objects of; options in the first place. */
const MADE: Readonly<Record<string, new (options: never) => { close(): Promise<void> }>> = {
  Producer,
  Consumer,
  Admin,
  KafkaClient,
};

/** Plain functions, with what stands before each place. */
const FUNCTIONS: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  partitionForKey: [[], ['key']],
  defaultPartitioner: [[]],
  roundRobinPartitioner: [[]],
};

/** Why nobody calls what these export or declare: programs get it, or hand it over for the SDKs to call. */
const NOT_CALLED: Readonly<Record<string, string>> = {
  Assignor: 'handed over',
  DeadLetterSender: 'handed over',
  Partitioner: 'handed over',
  TransactionalProducer: 'handed over',
  ConsumerTransaction: 'a Transaction',
};

const isErrorClass = (value: unknown): boolean => typeof value === 'function' && value.prototype instanceof Error;

/** Everything on an object that can be called: its own, and what its classes have. Those of every object are left out. */
function methodsOf(subject: object): (string | symbol)[] {
  const names = new Set<string | symbol>();
  for (let at: object = subject; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object) {
    for (const name of Reflect.ownKeys(at)) {
      const isMethod = typeof Object.getOwnPropertyDescriptor(at, name)?.value === 'function';
      if (isMethod && name !== 'constructor' && name !== Symbol.for('nodejs.util.inspect.custom')) names.add(name);
    }
  }
  return [...names];
}

/** What has been thrown that is no error of ours; nothing otherwise. */
async function thrownBy(attempt: () => unknown): Promise<string | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
    return typeof code === 'string' && /^[A-Z]+_[A-Z_]+$/.test(code) ? undefined : `${name}: ${message}`;
  }
}

/** The same of a call that is given up after a while: then it has been taken. */
async function outcomeOf(call: () => unknown): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  try {
    return await thrownBy(() => Promise.race([call(), patience]));
  } finally {
    clearTimeout(timer);
  }
}

const PACKAGES = Object.entries({ admin: adminSdk, consumer: consumerSdk, producer: producerSdk } as const);

it('covers all that the packages export and that can be called', () => {
  const exported = PACKAGES.flatMap(([, all]) => Object.entries(all)).filter(([, value]) => !isErrorClass(value));
  const known = new Set([...Object.keys(KINDS), ...Object.keys(MADE), ...Object.keys(FUNCTIONS)]);
  const unknown = exported.filter(([name, value]) => typeof value === 'function' && !known.has(name));
  expect(unknown.map(([name]) => name)).toEqual([]);
});

it.each(PACKAGES.map(([name]) => name))('covers what %s declares with methods', (name) => {
  const index = join(import.meta.dirname, `../../packages/${name}/src/index.ts`);
  const missing: string[] = [];
  for (const [, names = '', file = ''] of readFileSync(index, 'utf8').matchAll(
    /export (?:type )?\{([^}]*)\} from '(.*)'/g,
  )) {
    const source = readFileSync(join(dirname(index), file), 'utf8');
    for (const declared of names.split(',').map((each) => each.replace('type ', '').trim())) {
      const [body = ''] = new RegExp(`(?:interface|class) ${declared}[<\\s][^]*?\\n}`).exec(source) ?? [];
      const hasMethods = /^ {2}(?:async )?[a-z]\w*\??[<(]/m.test(body.replace(/^ {2}constructor.*$/m, ''));
      if (hasMethods && KINDS[declared] === undefined && NOT_CALLED[declared] === undefined) missing.push(declared);
    }
  }
  expect(missing).toEqual([]);
});

describe.each(Object.entries(MADE))('%s', (_name, Made) => {
  it.each(JUNK)('made with %s says what is wrong with it', async (_what, junk) => {
    expect(await outcomeOf(() => new Made(junk as never).close())).toBeUndefined();
  });
});

describe.each(Object.entries(FUNCTIONS))('%s', (name, places) => {
  it.each(JUNK)('takes %s, or says what is wrong with it', async (_what, junk) => {
    const call = { ...producerSdk, ...consumerSdk, ...adminSdk }[name as never] as (...given: unknown[]) => unknown;
    for (const before of places) expect(await outcomeOf(() => call(...before, junk))).toBeUndefined();
  });
});

/** What the protocols of the language and of JSON hand over is for nobody to refuse. */
const CALLED_BY_OTHERS = new Set<string | symbol>(['next', 'return', 'throw', 'toJSON']);

it.each(Object.entries(KINDS).filter(([, kind]) => kind.isHandedOut !== true))(
  '%s refuses what is more than a call takes',
  async (_name, kind) => {
    await kind.with(async (subject) => {
      const callback = vi.fn();
      const taken: (string | symbol)[] = [];
      for (const method of methodsOf(subject)) {
        if (typeof method === 'symbol' || CALLED_BY_OTHERS.has(method) || kind.hidden?.includes(method)) continue;
        try {
          await subject[method]?.(undefined, undefined, undefined, undefined, callback);
          taken.push(method);
        } catch (error) {
          if (!/takes .* callbacks are not called/.test((error as Error).message)) taken.push(method);
        }
      }
      expect(taken).toEqual([]);
      expect(callback).not.toHaveBeenCalled();
    });
  },
);

describe.runIf(!isElsewhere).each(Object.entries(KINDS))('%s', (_name, kind) => {
  it('is called with junk in every place', async () => {
    const faults: string[] = [];
    let methods: (string | symbol)[] = [];
    await kind.with(async (subject) => {
      methods = methodsOf(subject).filter((name) => kind.hidden?.includes(String(name)) !== true);
    });
    expect(methods).not.toEqual([]);
    const tries = JUNK.flatMap(([what, junk]) => methods.map((method) => ({ what, junk, method })));
    const goOn = async (): Promise<void> => {
      for (let next = tries.pop(); next !== undefined; next = tries.pop()) {
        const { what, junk, method } = next;
        const places = [[junk], [...(kind.before?.[String(method)] ?? [['t']]), junk], [{}, {}, junk]];
        const inAll = async (subject: Subject): Promise<void> => {
          for (const given of places) {
            const thrown = await outcomeOf(() => subject[method]?.(...given));
            if (thrown !== undefined) faults.push(`${String(method)} with ${what}: ${thrown}`);
          }
        };
        const after = await thrownBy(() => kind.with(inAll));
        if (after !== undefined) faults.push(`after ${String(method)} with ${what}: ${after}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, goOn));
    expect(faults).toEqual([]);
  });
});
