import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aBoolean,
  anyText,
  faultOf,
  holdsByName,
  milliseconds,
  millisecondsOrInfinity,
  objectWith,
  oneOf,
  orNull,
  required,
  type Shape,
  shown,
  someText,
  valueFault,
  wholeNumber,
} from './checks.ts';

const shape: Shape = {
  noun: 'option of a kettle',
  fields: {
    name: required(someText),
    lingerMs: milliseconds(),
    isOn: aBoolean,
    lid: orNull(objectWith('open', 'close')),
    size: oneOf('small', 'large'),
  },
  foreign: { watts: 'the kettle finds out by itself' },
};

describe('what a program hands over', () => {
  it.each([
    [{ name: 'k' }, undefined],
    [{ name: 'k', lingerMs: undefined, unknown: undefined }, undefined],
    [{ name: 'k', lingerMS: 5 }, 'lingerMS is no option of a kettle; did you mean lingerMs?'],
    [{ name: 'k', watts: 5 }, 'watts is no option of a kettle: the kettle finds out by itself'],
    [{ name: 'k', zzzzzz: 5 }, 'zzzzzz is no option of a kettle (there are name, lingerMs, isOn, lid, size)'],
    [{ name: 'k', toString: 5 }, 'toString is no option of a kettle (there are name, lingerMs, isOn, lid, size)'],
    [{}, 'name must be text that is not empty, not undefined'],
    [{ name: null }, 'name must be text that is not empty, not null'],
    [
      { name: 'k', lingerMs: '5' },
      "lingerMs must be a whole number from 0 to 2147483647 (milliseconds), not '5' (a string): give the number 5",
    ],
    [
      { name: 'k', lingerMs: 5n },
      'lingerMs must be a whole number from 0 to 2147483647 (milliseconds), not 5n (a bigint): give the number 5',
    ],
    [
      { name: 'k', lingerMs: 'soon' },
      "lingerMs must be a whole number from 0 to 2147483647 (milliseconds), not 'soon' (a string)",
    ],
    [
      { name: 'k', lingerMs: Number.NaN },
      'lingerMs must be a whole number from 0 to 2147483647 (milliseconds), not NaN',
    ],
    [{ name: 'k', isOn: 'yes' }, "isOn must be true or false, not 'yes' (a string)"],
    [{ name: 'k', lid: null }, undefined],
    [
      { name: 'k', lid: { open() {} } },
      'lid must be an object with open(), close() or null, not an object of class Object',
    ],
    [{ name: 'k', size: 'medium' }, "size must be 'small', 'large', not 'medium' (a string)"],
    [[], 'the options of a kettle must be an object, not an array of 0'],
    [null, 'the options of a kettle must be an object, not null'],
  ])('%o: %s', (given, fault) => {
    expect(faultOf(given, shape)).toBe(fault);
  });

  it.each(['\ud800', 'tx\ud800', '\udc00\ud800', 'a\udfff!'])(
    'is no text where half of a character is in it: %j',
    (text) => {
      for (const rule of [anyText, someText, required(someText)]) {
        expect(valueFault(text, rule, 'name')).toMatch(/not '.*\\ud[89a-f]../);
        expect(valueFault(text, rule, 'name')).toMatch(
          /: it holds half of a character \(a lone surrogate\), which no encoding carries$/,
        );
        expect(valueFault('\u{1f600}', rule, 'name')).toBeUndefined();
      }
    },
  );

  it('is shown as it can be read, whatever the text is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0xd700, max: 0xe000 }).map((code) => String.fromCharCode(code)) }),
        (text) => shown(text).isWellFormed(),
      ),
    );
  });

  it('is named with its place', () => {
    expect(faultOf({ name: 5 }, shape, 'kettles[1]')).toBe('kettles[1].name must be text that is not empty, not 5');
    expect(faultOf('k', shape, 'kettles[1]')).toBe("kettles[1] must be an object, not 'k' (a string)");
  });

  it.each<[unknown, string]>([
    [new Map([['lingerMs', 5]]), 'an object of class Map'],
    [new Map(), 'an object of class Map'],
    [new URLSearchParams('lingerMs=5'), 'an object of class URLSearchParams'],
    [Promise.resolve({ lingerMs: 5 }), 'a promise (await it first)'],
    [new Date(5), 'a Date (its time is 5)'],
    [new Error('lingerMs'), 'an object of class Error'],
    [Buffer.from('lingerMs'), '8 bytes'],
    [new Headers({ lingerMs: '5' }), 'an object of class Headers'],
  ])('is not taken for an object without fields where it holds them elsewhere: %o', (given, what) => {
    const { name: _required, ...optional } = shape.fields;
    const none = { ...shape, fields: optional };
    expect(faultOf(given, none)).toBe(`the options of a kettle must be an object of names and values, not ${what}`);
    expect(faultOf(given, none, 'kettle')).toBe(`kettle must be an object of names and values, not ${what}`);
  });

  it('may be an object of a class that has getters', () => {
    class Settings {
      get name(): string {
        return 'k';
      }
      get lingerMs(): string {
        return '5';
      }
    }
    expect(faultOf(new Settings(), shape)).toMatch(/^lingerMs must be .* give the number 5$/);
  });

  it.each([-1, 1.5, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY, '5', 5n, null, {}, [], true])(
    'is no number of milliseconds: %s',
    (value) => {
      expect(valueFault(value, milliseconds(), 'ms')).toMatch(/^ms must be a whole number from 0 to 2147483647/);
    },
  );

  it('may wait for ever where that makes sense', () => {
    expect(valueFault(Number.POSITIVE_INFINITY, millisecondsOrInfinity(), 'ms')).toBeUndefined();
    expect(valueFault(Number.NEGATIVE_INFINITY, millisecondsOrInfinity(), 'ms')).toBeDefined();
  });

  it('is no whole number beyond what a number holds exactly', () => {
    const rule = wholeNumber(0, Number.MAX_SAFE_INTEGER);
    expect(valueFault(2 ** 53, rule, 'offset')).toBe(
      'offset must be a whole number of at least 0, not 9007199254740992: it is beyond 2^53 - 1, up to which numbers are exact',
    );
  });
});

describe('a value in a message', () => {
  it.each([
    [new Date(0), 'a Date (its time is 0)'],
    [Promise.resolve(), 'a promise (await it first)'],
    [new Map(), 'an object of class Map'],
    [Object.create(null), 'an object of class Object'],
    ['x'.repeat(100), `'${'x'.repeat(60)}...' (a string)`],
    [() => {}, 'a function'],
    [Symbol('s'), 'a symbol'],
    [Buffer.from('abc'), '3 bytes'],
  ])('is told as what it is: %#', (value, text) => {
    expect(shown(value)).toBe(text);
  });

  it('never throws, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true }), (value) => {
        expect(shown(value).length).toBeLessThan(150);
      }),
    );
    const trap = new Proxy(
      {},
      {
        get: () => {
          throw new Error('trap');
        },
      },
    );
    expect(shown(trap)).toBe('an object that cannot be looked at');
  });
});

describe('an object of names', () => {
  class Own {
    readonly a = 1;
  }
  class Hidden {
    readonly #a = 1;
    get a(): number {
      return this.#a;
    }
  }

  it.each([[{}], [{ a: 1 }], [Object.create(null) as object], [runInNewContext('({})') as object], [new Own()]])(
    'holds what it holds by name: %o',
    (value) => {
      expect(holdsByName(value)).toBe(true);
    },
  );

  it.each([
    [[]],
    [['a']],
    [new Map([['a', 1]])],
    [runInNewContext("new Map([['a', 1]])") as object],
    [new Set(['a'])],
    [new WeakMap()],
    [new Headers({ a: '1' })],
    [new URLSearchParams('a=1')],
    [new Date(5)],
    [new ArrayBuffer(2)],
    [Buffer.from('a')],
    [Object('a') as object],
    [new Hidden()],
  ])('holds it elsewhere: %o', (value) => {
    expect(holdsByName(value)).toBe(false);
  });
});
