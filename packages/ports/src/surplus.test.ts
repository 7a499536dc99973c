import { describe, expect, it, vi } from 'vitest';
import { takeNoMore } from './surplus.ts';

class Kettle {
  readonly #boiled: unknown[] = [];
  boil(water: string, hot?: boolean): number {
    this.#boiled.push([water, hot]);
    return this.#boiled.length;
  }
  async pour(): Promise<unknown> {
    return this.#boiled;
  }
  static {
    takeNoMore(Kettle.prototype, { boil: 2 }, (fault) => {
      throw new TypeError(`Cannot heat: ${fault}`);
    });
    takeNoMore(Kettle.prototype, { pour: 0 }, (fault) => Promise.reject(new TypeError(`Cannot serve: ${fault}`)));
  }
}

// What programs in JavaScript may call it with.
type Loose = Record<'boil' | 'pour', (...given: unknown[]) => unknown>;
const kettle = (): Loose => new Kettle() as unknown as Loose;

describe('a call', () => {
  it('is carried out as before with what it takes, undefined beyond that included', async () => {
    const one = kettle();
    expect([one.boil('a'), one.boil('b', true), one.boil('c', false, undefined)]).toEqual([1, 2, 3]);
    expect(await one.pour(undefined, undefined)).toEqual([
      ['a', undefined],
      ['b', true],
      ['c', false],
    ]);
    expect([one.boil.name, Object.keys(one)]).toEqual(['boil', []]);
  });

  it.each([
    [['a', true, 5], 'Cannot heat: boil() takes two arguments, and there is 5 beside'],
    [['a', undefined, undefined, null], 'Cannot heat: boil() takes two arguments, and there is null beside'],
    [
      ['a', true, {}, () => {}],
      'Cannot heat: boil() takes two arguments, and there is an object of class Object beside: callbacks are not called, await what it returns',
    ],
  ])('is refused with more, and nothing is done: %#', async (given, message) => {
    const one = kettle();
    expect(() => one.boil(...given)).toThrow(message);
    expect(await one.pour()).toEqual([]);
  });

  it('that returns promises rejects with more, and calls no callback', async () => {
    const callback = vi.fn();
    await expect(kettle().pour(callback)).rejects.toThrow(
      'Cannot serve: pour() takes no argument, and there is a function beside: callbacks are not called, await what it returns',
    );
    expect(callback).not.toHaveBeenCalled();
  });
});
