import { describe, expect, it } from 'vitest';
import { parseJaas } from './jaas.ts';

describe('a login in the format of JAAS', () => {
  it('has one module and its options, in quotes or without, with comments anywhere', () => {
    const { module, options } = parseJaas(
      'a.b.PlainLoginModule /* one */ required // two\n username="alice" password="p\\"w;=" user_bob=\'x y\' serviceName=kafka ;',
    );
    expect(module).toBe('a.b.PlainLoginModule');
    expect(Object.fromEntries(options)).toEqual({
      username: 'alice',
      password: 'p"w;=',
      user_bob: 'x y',
      serviceName: 'kafka',
    });
  });

  it.each([
    '',
    'a.Module',
    'a.Module required',
    'a.Module maybe;',
    'a.Module required key;',
    'a.Module required key=;',
    'a.Module required key="x"',
    'a.Module required key="secret;',
    'a.Module required; b.Module required;',
    'a.Module required key="x" ; more',
  ])('is refused where it is something else, without a word of what is in it: %s', (text) => {
    expect(() => parseJaas(text)).toThrow(SyntaxError);
    expect(() => parseJaas(text)).not.toThrow(/secret/);
  });
});
