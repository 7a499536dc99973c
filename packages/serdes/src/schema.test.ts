import { describe, expect, it } from 'vitest';
import { asyncSchemaSerde, type SchemaIssue, type SchemaResult, type StandardSchema, schemaSerde } from './schema.ts';
import { stringSerde } from './text.ts';

interface Wire {
  readonly total: number;
  readonly at: string;
}

interface Order {
  readonly total: number;
  readonly at: Date;
}

/** What a schema library makes of `z.object({ total: z.number(), at: z.iso.datetime().transform((at) => new Date(at)) })`. */
function validate(value: unknown): SchemaResult<Order> {
  const issues: SchemaIssue[] = [];
  const { total, at } = (value ?? {}) as Partial<Wire>;
  if (typeof total !== 'number') issues.push({ message: 'not a number', path: ['total'] });
  if (typeof at !== 'string') issues.push({ message: 'not a date', path: [{ key: 'at' }] });
  if (issues.length > 0) return { issues };
  return { value: { total: total as number, at: new Date(at as string) } };
}

const orders: StandardSchema<Wire, Order> = { '~standard': { version: 1, vendor: 'test', validate } };
const later: StandardSchema<Wire, Order> = {
  '~standard': { version: 1, vendor: 'test', validate: async (value) => validate(value) },
};
const order = { total: 5, at: '2020-01-01T00:00:00.000Z' };

describe('a serde with a schema', () => {
  it('writes what was given and reads what the schema makes of it', () => {
    const serde = schemaSerde(orders);
    const bytes = Buffer.from(serde.serialize(order, 'orders', 'value'));
    expect(JSON.parse(bytes.toString())).toEqual(order);
    const read: Order = serde.deserialize(bytes, 'orders', 'value');
    expect(read).toEqual({ total: 5, at: new Date(order.at) });
  });

  it('refuses what does not fit, and tells where', () => {
    const serde = schemaSerde(orders);
    expect(() => serde.serialize({} as Wire, 'orders', 'value')).toThrow(
      expect.objectContaining({
        code: 'SERDE_VALUE_UNSUPPORTED',
        message:
          "Cannot write the value of a record for topic 'orders' as what its schema takes: total: not a number; at: not a date",
      }),
    );
    expect(() => serde.deserialize(Buffer.from('{"total":1}'), 'orders', 'value')).toThrow(
      expect.objectContaining({ code: 'SERDE_BYTES_MALFORMED', message: expect.stringContaining('at: not a date') }),
    );
  });

  it('takes any other serde for the bytes', () => {
    const text: StandardSchema<string> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => (value === '' ? { issues: [{ message: 'is empty' }] } : { value: value as string }),
      },
    };
    const serde = schemaSerde(text, stringSerde as never);
    expect(serde.serialize('x', 't', 'key')).toBe('x');
    expect(() => serde.serialize('', 't', 'key')).toThrow('as what its schema takes: is empty');
  });

  it('refuses a schema that has to be waited for, and says what to take', () => {
    expect(() => schemaSerde(later).serialize(order, 'orders', 'value')).toThrow(
      expect.objectContaining({ code: 'SERDE_SCHEMA_ASYNC' }),
    );
  });

  it('waits for such a schema where it says so', async () => {
    const serde = asyncSchemaSerde(later);
    expect(serde.async).toBe(true);
    const bytes = Buffer.from((await serde.serialize(order, 'orders', 'value')) as string);
    expect(await serde.deserialize(bytes, 'orders', 'value')).toEqual({ total: 5, at: new Date(order.at) });
    await expect(serde.serialize({} as Wire, 'orders', 'value')).rejects.toMatchObject({
      code: 'SERDE_VALUE_UNSUPPORTED',
    });
    await expect(serde.deserialize(Buffer.from('{}'), 'orders', 'value')).rejects.toMatchObject({
      code: 'SERDE_BYTES_MALFORMED',
    });
  });
});
