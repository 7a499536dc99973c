import { describe, expect, it } from 'vitest';
import { parseConnectString } from './connect-string.ts';

describe('zookeeper.connect', () => {
  it.each([
    ['zk', [{ host: 'zk', port: 2181 }], ''],
    [
      'zk1:2181,zk2:2182/kafka',
      [
        { host: 'zk1', port: 2181 },
        { host: 'zk2', port: 2182 },
      ],
      '/kafka',
    ],
    [
      'zk1, zk2:99 /a/b/',
      [
        { host: 'zk1', port: 2181 },
        { host: 'zk2', port: 99 },
      ],
      '/a/b',
    ],
    [
      '[::1]:2181,[fe80::2]',
      [
        { host: '::1', port: 2181 },
        { host: 'fe80::2', port: 2181 },
      ],
      '',
    ],
    ['zk/', [{ host: 'zk', port: 2181 }], ''],
  ])('%s is read', (text, servers, chroot) => {
    expect(parseConnectString(text)).toEqual({ servers, chroot });
  });

  it.each(['', ',', '/kafka', 'zk:0', 'zk:port', 'zk:1:2', 'zk1/a,zk2/b', 'zk/a//b', 'zk/../a'])(
    '%s is refused',
    (text) => {
      expect(() => parseConnectString(text)).toThrow(expect.objectContaining({ code: 'ZOOKEEPER_CONNECT_STRING' }));
    },
  );
});
