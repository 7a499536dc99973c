/**
 * Whatever a program in JavaScript hands to any call of the SDKs: it is taken, or refused with a typed error that has a code. Nothing is
 * thrown that tells of our own code instead, and nothing is left behind that ends the process.
 */
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

let broker: TestBroker;
const unhandled = vi.fn();
beforeAll(async () => {
  process.on('unhandledRejection', unhandled);
  broker = await startBroker({ topics: ['t', 'u'] });
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
];

/** How long a call is waited for; one that goes on has been taken. */
const PATIENCE_MS = 50;

function methodsOf(prototype: object): string[] {
  return Object.getOwnPropertyNames(prototype).filter(
    (name) => name !== 'constructor' && typeof Object.getOwnPropertyDescriptor(prototype, name)?.value === 'function',
  );
}

interface Sdk {
  readonly make: (options: object) => { close(): Promise<void> };
  readonly methods: readonly string[];
  readonly more: object;
}

const SDKS: Readonly<Record<string, Sdk>> = {
  Producer: { make: (options) => new Producer(options as never), methods: methodsOf(Producer.prototype), more: {} },
  Consumer: {
    make: (options) => new Consumer(options as never),
    methods: methodsOf(Consumer.prototype),
    more: { groupId: 'g' },
  },
  Admin: { make: (options) => new Admin(options as never), methods: methodsOf(Admin.prototype), more: {} },
  // Its calls are for those who write SDKs, and take what the protocol has.
  KafkaClient: { make: (options) => new KafkaClient(options as never), methods: [], more: {} },
};

/** What a call does: nothing where it is taken or refused well, else what it has thrown. */
async function outcomeOf(call: () => unknown): Promise<string | undefined> {
  try {
    await Promise.race([call(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
    return undefined;
  } catch (error) {
    const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
    return typeof code === 'string' && /^[A-Z]+_[A-Z_]+$/.test(code) ? undefined : `${name}: ${message}`;
  }
}

const all = Object.entries(SDKS);

describe.each(all)('%s', (_name, { make }) => {
  it.each(JUNK)('made with %s says what is wrong with it', async (_what, junk) => {
    expect(await outcomeOf(() => make(junk as object).close())).toBeUndefined();
  });
});

describe.each(all.filter(([, { methods }]) => methods.length > 0))('%s', (_name, { make, methods, more }) => {
  it.each(JUNK)('takes %s in any call, or says what is wrong with it', async (_what, junk) => {
    const faults: string[] = [];
    for (const name of methods) {
      for (const args of [[junk], [['t'], junk]]) {
        const options = { bootstrapServers: broker.bootstrapServers, apiTimeoutMs: 40, ...more };
        const sdk = make(options) as unknown as Record<string, (...given: unknown[]) => unknown>;
        const thrown = await outcomeOf(() => sdk[name]?.(...args));
        const closed = await outcomeOf(() => sdk['close']?.({ timeoutMs: 200 }));
        if (thrown !== undefined) faults.push(`${name}: ${thrown}`);
        if (closed !== undefined) faults.push(`close after ${name}: ${closed}`);
      }
    }
    expect(faults).toEqual([]);
  });
});
