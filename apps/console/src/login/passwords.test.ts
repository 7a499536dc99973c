import { describe, expect, it } from 'vitest';
import { hashPassword, isHashedPassword, Passwords } from './passwords.ts';

/** Cheap, so that the cost is not what is tried: of RFC 7914, password "password", salt "NaCl", N 1024, r 8, p 16. */
const NACL = '$scrypt$ln=10,r=8,p=16$TmFDbA';
const OF_PASSWORD = '/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA';

describe('a hash of a password', () => {
  it('is another each time, fits the password and no other', async () => {
    const [hash, again] = await Promise.all([hashPassword('looks'), hashPassword('looks')]);
    expect(hash).not.toBe(again);
    expect(hash).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    const passwords = new Passwords([{ name: 'eve', password: hash }]);
    expect(await passwords.find('eve', 'looks')).toMatchObject({ name: 'eve' });
    for (const [name, password] of [
      ['eve', 'Looks'],
      ['eve', hash],
      ['ann', 'looks'],
      ['', 'looks'],
    ] as const) {
      expect(await passwords.find(name, password)).toBeUndefined();
    }
  });

  it('is read as the specification of scrypt has it', async () => {
    expect(isHashedPassword(`${NACL}$${OF_PASSWORD}`)).toBe(true);
    const passwords = new Passwords([{ name: 'eve', password: `${NACL}$${OF_PASSWORD}` }]);
    expect(await passwords.find('eve', 'password')).toMatchObject({ name: 'eve' });
  });

  it.each([
    '$scrypt$',
    `$scrypt$ln=30,r=8,p=1$TmFDbE5hQ2w$${OF_PASSWORD}`,
    `$scrypt$ln=18,r=99,p=1$TmFDbE5hQ2w$${OF_PASSWORD}`,
    `$scrypt$ln=14,r=8,p=99$TmFDbE5hQ2w$${OF_PASSWORD}`,
    `$scrypt$ln=0,r=8,p=1$TmFDbE5hQ2w$${OF_PASSWORD}`,
    '$scrypt$ln=14,r=8,p=1$TmFDbE5hQ2w$short',
  ])("that cannot be used is nobody's password: %s", (password) => {
    expect(() => new Passwords([{ name: 'eve', password }])).toThrow(
      expect.objectContaining({ code: 'CONSOLE_PASSWORD_INVALID' }),
    );
  });

  it('stands beside passwords in the clear, which may begin with anything else', async () => {
    const users = [
      { name: 'eve', password: `${NACL}$${OF_PASSWORD}` },
      { name: 'ann', password: '$2b$10$abc' },
    ];
    const passwords = new Passwords(users);
    expect(await passwords.find('ann', '$2b$10$abc')).toBe(users[1]);
    expect(await passwords.find('eve', 'password')).toBe(users[0]);
    expect(await passwords.find('ann', 'password')).toBeUndefined();
  });

  it('is looked at for few at a time, and those who are known do not wait', async () => {
    const passwords = new Passwords([{ name: 'eve', password: `${NACL}$${OF_PASSWORD}` }]);
    expect(await passwords.find('eve', 'password')).toBeDefined();
    const guesses = Array.from({ length: 40 }, (_, n) => passwords.find('eve', `guess ${n}`));
    const settled = Promise.allSettled(guesses);
    expect(await passwords.find('eve', 'password')).toBeDefined();
    const refused = (await settled).flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    expect(refused).toHaveLength(8);
    expect(refused[0]).toMatchObject({ code: 'CONSOLE_BUSY' });
    expect(await passwords.find('eve', 'guess 1')).toBeUndefined();
  });
});
