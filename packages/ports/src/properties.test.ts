import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NoPropertiesError, parseProperties, propertiesText } from './properties.ts';

function parsed(text: string): Record<string, string> {
  return Object.fromEntries(parseProperties(text));
}

describe('a properties file', () => {
  it('divides names from values at the first of =, : and white space', () => {
    expect(parsed('a=1\nb: 2\nc 3\nd\t=\t4\ne = x=y:z \n')).toEqual({ a: '1', b: '2', c: '3', d: '4', e: 'x=y:z' });
  });

  it('skips comments and blank lines, wherever they are indented', () => {
    expect(parsed('# one\n  ! two\n\n   \n a=1 # not a comment\r\nb=2')).toEqual({ a: '1 # not a comment', b: '2' });
  });

  it('continues a line after a backslash and drops the next line’s indentation', () => {
    expect(parsed('listeners=PLAINTEXT://:9092,\\\n    SSL://:9093\nnext=1')).toEqual({
      listeners: 'PLAINTEXT://:9092,SSL://:9093',
      next: '1',
    });
  });

  it('takes a comment character in a continued line for content', () => {
    expect(parsed('a=1\\\n#2')).toEqual({ a: '1#2' });
  });

  it('does not continue after an escaped backslash', () => {
    expect(parsed('dir=C:\\\\data\\\\\nb=2')).toEqual({ dir: 'C:\\data\\', b: '2' });
  });

  it('understands escapes in names and values', () => {
    expect(parsed('a\\=b=\\u00e9\\t.\\q\nc\\ d=1')).toEqual({ 'a=b': 'é\t.q', 'c d': '1' });
  });

  it('lets the last of two values win, and allows empty ones', () => {
    expect(parsed('a=1\na=2\nb=\nc')).toEqual({ a: '2', b: '', c: '' });
  });

  it('never throws, whatever the text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseProperties(text) instanceof Map));
  });

  it('reads back what was written with escapes', () => {
    const escaped = (text: string): string => text.replace(/[\\=:#! \t\f\n\r]/g, (c) => `\\u${hex(c)}`);
    const hex = (c: string): string => c.charCodeAt(0).toString(16).padStart(4, '0');
    const name = fc.string({ minLength: 1 });
    fc.assert(
      fc.property(name, fc.string(), (key, value) => {
        expect(parseProperties(`${escaped(key)}=${escaped(value)}`)).toEqual(new Map([[key, value.trim()]]));
      }),
    );
  });
});

describe('a file of settings', () => {
  it('may begin with the mark of UTF-8, and be written as Java reads it', () => {
    expect(parseProperties(propertiesText(Buffer.from('\uFEFFlisteners=x\n')))).toEqual(new Map([['listeners', 'x']]));
    expect(propertiesText(Buffer.from('# caf\xe9', 'latin1'))).toBe('# caf\xe9');
  });

  it('is refused where bytes are drawn at random', () => {
    const bytes = fc.uint8Array({ minLength: 200, maxLength: 2000 });
    fc.assert(
      fc.property(bytes, (content) => {
        expect(() => propertiesText(content)).toThrow(NoPropertiesError);
      }),
      { seed: 1 },
    );
  });

  it('is taken with every white space there is, and with the quotation marks of Windows', () => {
    const text = Buffer.from('# \x93caf\xe9\x94\r\n\ta=1\f\x0b\n', 'latin1');
    expect(parseProperties(propertiesText(text)).get('a')).toBe('1');
  });

  it('is refused where none of its lines would be what it says', () => {
    for (const bytes of [
      Buffer.from('listeners=x', 'utf16le'),
      Buffer.from([0x1f, 0x8b, 0]),
      Buffer.from('  {"a": 1}'),
      Buffer.from([0x30, 0x82, 0x04, 0xa5, 0x02, 0x01]),
      Buffer.from('\x7fELF\x02'),
      Buffer.from('listeners=x\n\x1b[0m'),
    ]) {
      expect(() => propertiesText(bytes)).toThrow(NoPropertiesError);
    }
  });
});
