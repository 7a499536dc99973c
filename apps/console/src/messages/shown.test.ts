/** What is shown of bytes, found by looking at them and, where there is one, at a registry. */
import { describe, expect, it } from 'vitest';
import { SchemaRegistry } from '../schemas/registry.ts';
import { registered, startRegistry } from '../testing/registry-stub.ts';
import { showBytes } from './shown.ts';

function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

describe('eight bytes', () => {
  // From 2^24 to 10,000,000 times as much they begin as what names a schema does.
  it.each([0n, -1n, 2n ** 24n, 1_764_547_200_000n, 10_000_000n * 2n ** 24n, 2n ** 62n])(
    'are the number %s, of which a console without a registry has nothing else to say',
    (value) => {
      expect(showBytes(long(value), 1000)).toEqual({ shape: 'number', text: String(value), bytes: 8, isCut: false });
    },
  );

  it('are what a registry reads them as, and else a number', async () => {
    const stub = await startRegistry({
      '/schemas/ids/4': { schema: '"string"' },
      '/schemas/ids/5': { schema: '"string"' },
    });
    const registry = new SchemaRegistry({ url: stub.url });
    const text = registered(4, Buffer.from([0x04, 0x68, 0x69]));
    const misfit = registered(5, Buffer.from([0x7f, 0x68, 0x69]));
    const time = long(1_764_547_200_000n);
    await registry.prepare([text, misfit, time]);
    expect(showBytes(text, 1000, registry)).toMatchObject({ shape: 'avro', text: '"hi"', schema: 4 });
    // The registry knows of no such schema: there is no more to be said.
    expect(showBytes(time, 1000, registry)).toEqual({ shape: 'number', text: '1764547200000', bytes: 8, isCut: false });
    const note = expect.stringContaining('it does not fit schema 5');
    expect(showBytes(misfit, 1000, registry)).toMatchObject({ shape: 'number', note });
    await stub.close();
    const silent = new SchemaRegistry({ url: stub.url });
    await silent.prepare([time]);
    const unread = { shape: 'number', note: expect.stringContaining('the registry does not answer') };
    expect(showBytes(time, 1000, silent)).toMatchObject(unread);
  });
});

it('bytes that begin as what names a schema are bytes where there is no registry, and where there is one name it', async () => {
  const bytes = registered(7, Buffer.from([0xff, 0xfe]));
  expect(showBytes(bytes, 1000)).toMatchObject({ shape: 'hex', text: '0000000007fffe' });
  const stub = await startRegistry({});
  const registry = new SchemaRegistry({ url: stub.url });
  await registry.prepare([bytes]);
  const note = 'schema 7 cannot be had: the registry answers 404';
  expect(showBytes(bytes, 1000, registry)).toMatchObject({ shape: 'schema', text: 'schema 7: fffe', note });
  await stub.close();
});
