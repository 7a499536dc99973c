import { describe, expect, it } from 'vitest';
import { clientLogin } from './jaas.ts';

const MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule';

describe('the login for ZooKeeper in a file of Java', () => {
  it.each([
    [`Client { ${MODULE} required username="broker" password="secret"; };`, 'broker', 'secret'],
    [
      `KafkaServer { x.Y required a="}"; };\nClient{\n ${MODULE} required\n  username=broker\n  password="a\\"b;c";\n};`,
      'broker',
      'a"b;c',
    ],
    [
      `// Client { no };\n/* Client { no }; */ Client { ${MODULE} required password="//no" username="u"; };`,
      'u',
      '//no',
    ],
  ])('is read: %s', (text, username, password) => {
    expect(clientLogin('f', text)).toEqual({ username, password });
  });

  it.each([
    ['', /no section Client/],
    [`MyClient { ${MODULE} required username="a" password="b"; };`, /no section Client/],
    ['Client { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true; };', /Krb5LoginModule, and only/],
    [`Client { ${MODULE} required username="a"; };`, /lacks username or password/],
  ])('is refused with what it should be: %s', (text, message) => {
    const read = (): unknown => clientLogin('jaas.conf', text);
    expect(read).toThrow(message);
    expect(read).toThrow(/login\.config=jaas\.conf.*It should have Client/);
  });
});
