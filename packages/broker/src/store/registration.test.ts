import { MemoryMetadataStore } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import type { LiveBroker } from '../cluster/broker-channel.ts';
import {
  BrokerAddressInUseError,
  BrokerIdInUseError,
  makePersistentNodes,
  type RegistrationOptions,
  registerBroker,
} from './registration.ts';

const WAIT_MS_MAX = 10_000;

async function setUp() {
  const clock = new ManualClock();
  const stores = new MemoryMetadataStore({ clock });
  await makePersistentNodes(stores.openSession());
  return { clock, stores };
}

function brokerAt(id: number, ...addresses: string[]): LiveBroker {
  const endpoints = addresses.map((address, index) => {
    const [host = '', port] = address.split(':');
    return { listener: `L${index}`, securityProtocol: 'PLAINTEXT', host, port: Number(port) };
  });
  return { id, rack: null, endpoints };
}

/** Registers, while time passes. */
async function register(
  clock: ManualClock,
  options: Omit<RegistrationOptions, 'clock' | 'waitMsMax' | 'formerSession'> & Partial<RegistrationOptions>,
) {
  const registered = registerBroker({ clock, waitMsMax: WAIT_MS_MAX, formerSession: undefined, ...options });
  registered.catch(() => {});
  await clock.advanceAsync(WAIT_MS_MAX + 1);
  return registered;
}

describe('the registration of a broker', () => {
  it('waits for that of a former process, and gives up on one that stays', async () => {
    const { clock, stores } = await setUp();
    const former = stores.openSession();
    await register(clock, { store: former, broker: brokerAt(1, 'a:9092') });
    const store = stores.openSession();
    await expect(register(clock, { store, broker: brokerAt(1, 'a:9092') })).rejects.toThrow(BrokerIdInUseError);
    clock.schedule(500, () => void former.close());
    expect(await register(clock, { store, broker: brokerAt(1, 'a:9092') })).toBeGreaterThan(0);
  });

  it('takes away what this process left behind in a session that has ended for it, and waits for nothing', async () => {
    const { clock, stores } = await setUp();
    const former = stores.openSession();
    const before = await register(clock, { store: former, broker: brokerAt(1, 'a:9092') });
    const options = { clock, waitMsMax: WAIT_MS_MAX, store: stores.openSession(), broker: brokerAt(1, 'a:9092') };
    // No time passes.
    expect(await registerBroker({ ...options, formerSession: former.sessionId })).toBeGreaterThan(before);
  });

  it("leaves a node alone that is no session's", async () => {
    const { clock, stores } = await setUp();
    const store = stores.openSession();
    await store.create('/brokers/ids/1', Buffer.from('kept'));
    await expect(register(clock, { store, broker: brokerAt(1, 'a:9092') })).rejects.toThrow(BrokerIdInUseError);
    expect((await store.get('/brokers/ids/1')).data.toString()).toBe('kept');
  });

  it.each([['a:9092'], ['A:9092'], ['b:9093', 'a:9092']])(
    'refuses an address that another broker advertises (%s)',
    async (...addresses) => {
      const { clock, stores } = await setUp();
      const other = stores.openSession();
      await register(clock, { store: other, broker: brokerAt(1, 'a:9091', 'a:9092') });
      const refused = register(clock, { store: stores.openSession(), broker: brokerAt(2, ...addresses) });
      await expect(refused).rejects.toThrow(BrokerAddressInUseError);
      await expect(refused).rejects.toThrow('broker 1 advertises a:9092 too');
      await register(clock, { store: stores.openSession(), broker: brokerAt(3, 'a:9093', 'b:9092') });
    },
  );

  it('waits for a former process that had the address under another id', async () => {
    const { clock, stores } = await setUp();
    const former = stores.openSession();
    await register(clock, { store: former, broker: brokerAt(1, 'a:9092') });
    clock.schedule(500, () => void former.close());
    const store = stores.openSession();
    expect(await register(clock, { store, broker: brokerAt(2, 'a:9092') })).toBeGreaterThan(0);
  });
});
