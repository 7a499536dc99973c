import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { principalMapping } from './principal-mapping.ts';
import { certificateName, subjectName } from './tls-principal.ts';

interface Named {
  readonly bytes: string;
  readonly name: string;
}
interface Mapped {
  readonly rules: string;
  readonly name: string;
  readonly principal: string | null;
}

/** What Java 17 and Apache Kafka 3.9.1 answered; see `tools/principals`. */
const java = JSON.parse(readFileSync(new URL('../fixtures/java-principals.json', import.meta.url), 'utf8')) as Readonly<
  Record<'subjects' | 'certificates', Named[]> & Record<'rules' | 'refusedRules', Mapped[]>
>;

describe('the name of a certificate', () => {
  it.each(java.subjects)('is as Java prints the subject: $name', ({ bytes, name }) => {
    expect(subjectName(Buffer.from(bytes, 'base64'))).toBe(name);
  });

  it.each(java.certificates)('is found in a certificate of openssl: $name', ({ bytes, name }) => {
    expect(certificateName(Buffer.from(bytes, 'base64'))).toBe(name);
  });

  it('is what Kafka 3.9.1 was seen to give a principal', () => {
    const seen = '1.2.840.113549.1.9.1=#160d61406578616d706c652e6f7267,CN=alice tls,OU=b,OU=a,O=mill\\, race,C=DE';
    expect(java.subjects.map(({ name }) => name)).toContain(seen);
  });

  it('is none where the bytes are damaged, whatever they are, and nothing is read beyond them', () => {
    const whole = Buffer.from(java.certificates[0]?.bytes ?? '', 'base64');
    expect(certificateName(whole.subarray(0, 100))).toBeUndefined();
    const flip = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255), length: fc.nat(whole.length) });
    fc.assert(
      fc.property(flip, ({ at, to, length }) => {
        const damaged = Buffer.from(whole.subarray(0, length));
        damaged[at % Math.max(length, 1)] = to;
        expect(['string', 'undefined']).toContain(typeof certificateName(damaged));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('ssl.principal.mapping.rules', () => {
  it.each(java.rules)('$rules make $name $principal, as with Kafka', ({ rules, name, principal }) => {
    expect(principalMapping(rules)(name) ?? null).toBe(principal);
  });

  it.each(java.refusedRules)(
    'that JavaScript does not read as Java does, or nobody, are refused: $rules',
    ({ rules }) => {
      expect(() => principalMapping(rules)).toThrow(SyntaxError);
    },
  );

  it('names what it refuses', () => {
    expect(() => principalMapping('RULE:^CN=(\\p{L}+)$/$1/')).toThrow('the pattern ^CN=(\\p{L}+)$ has \\p, which');
    expect(() => principalMapping('RULE:CN=([a-z&&[^b]]+)/$1/')).toThrow('has && in a class, which');
    expect(() => principalMapping('RULE:a*+b/x/')).toThrow('has *+, which');
    expect(() => principalMapping('RULE:(?i)cn=a/x/')).toThrow('has (?i, which');
  });

  it.each([
    // Where the name fits no rule, where a later one fits, and where a part of it is replaced that is found by trying.
    'RULE:CN=((?:x+x+)+)y/$1/',
    'RULE:CN=((?:x+x+)+)y/$1/,DEFAULT',
    'RULE:(?:x+x+)+y|CN=x+?y?/$0/',
    'RULE:(.*)(.*)(.*)(.*)(.*)y/$1/',
  ])('take no longer than they may with a name that was made for them: %s', (rules) => {
    const mapping = principalMapping(rules);
    const begunMs = performance.now();
    expect(mapping(`CN=${'x'.repeat(rules.includes('(.*)') ? 4000 : 31)}`)).toBeUndefined();
    expect(performance.now() - begunMs).toBeLessThan(2_500);
    // And are there for the next.
    expect(mapping('CN=xxxy')).toBeDefined();
  });

  it('remember who somebody is, and not more than a thousand', () => {
    const mapping = principalMapping('RULE:CN=(.*?),.*/$1/L,RULE:CN=(.*)/$1/');
    for (let round = 0; round < 2; round += 1) {
      expect([mapping('CN=Alice,O=x'), mapping('CN=Bob'), mapping('O=x')]).toEqual(['alice', 'Bob', undefined]);
    }
  });

  it('give nobody a name by a rule where lines end in it, for they end otherwise in Java', () => {
    const mapping = principalMapping('RULE:CN=(.*)[^x]*/$1/,DEFAULT');
    expect(mapping('CN=a')).toBe('a');
    for (const end of ['\n', '\r', '\u0085', '\u2028']) expect(mapping(`CN=a${end}`)).toBeUndefined();
  });

  it('are blank where they are DEFAULT, may have blanks between, and hold for no name of absurd length', () => {
    expect(principalMapping(' ')('CN=a')).toBe('CN=a');
    expect(principalMapping('RULE:x/y/ , DEFAULT')('CN=a')).toBe('CN=a');
    expect(principalMapping('DEFAULT')('x'.repeat(4097))).toBeUndefined();
  });
});
