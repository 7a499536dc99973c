import { describe, expect, it } from 'vitest';
import { principalMapping } from './principal-mapping.ts';
import { distinguishedName } from './tls-principal.ts';

describe('the name of a certificate', () => {
  it('is printed as Java prints it: the other way round, with every attribute, and identifiers where there are no names', () => {
    // The subject of the certificate in Kafka 3.9.1's recorded login, as Node tells it.
    const subject = 'C=DE\nO=mill\\, race\nOU=a\nOU=b\nCN=alice tls\nemailAddress=a@example.org';
    expect(distinguishedName(subject)).toBe(
      '1.2.840.113549.1.9.1=#160d61406578616d706c652e6f7267,CN=alice tls,OU=b,OU=a,O=mill\\, race,C=DE',
    );
  });

  it('keeps parts with several values together', () => {
    expect(distinguishedName('O=x\nCN=a + UID=b')).toBe('CN=a+UID=b,O=x');
  });
});

describe('ssl.principal.mapping.rules', () => {
  const name = 'CN=kafka1.example.org,OU=Brokers,O=Example';

  it.each<[string, string | undefined]>([
    ['DEFAULT', name],
    ['', name],
    ['RULE:^CN=([^,.]+).*$/$1/', 'kafka1'],
    ['RULE:^CN=([^,.]+).*$/$1/U', 'KAFKA1'],
    ['RULE:^CN=([^,]+),OU=([^,]+),.*$/$2-$1/L', 'brokers-kafka1.example.org'],
    ['RULE:^CN=other.*$/x/, RULE:^.*O=Example$/any/', 'any'],
    ['RULE:CN=kafka1/x/', undefined],
    ['RULE:^OU=.*$/x/,DEFAULT', name],
    ['RULE:^CN=(.*?),OU=.*\\/?.*$/a\\/$1/', 'a/kafka1.example.org'],
  ])('%j make it %j', (rules, expected) => {
    expect(principalMapping(rules)(name)).toBe(expected);
  });

  it.each(['RULE:abc', 'RULE:a/b/X', 'nonsense', 'RULE:\\Qa\\E/b/', 'RULE:a++/b/', 'RULE:(?i)a/b/', 'RULE:(/b/'])(
    'that JavaScript does not read as Java does, or nobody, are refused: %s',
    (rules) => {
      expect(() => principalMapping(rules)).toThrow(SyntaxError);
    },
  );
});
