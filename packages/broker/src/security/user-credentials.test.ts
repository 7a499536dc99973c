import { MemoryMetadataStore } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../shared/logger.ts';
import { EntityConfigs } from '../store/entity-configs.ts';
import { encodeConfig } from '../store/znodes.ts';
import { inTurns } from '../testing/in-turns.ts';
import { credentialOf, encodeCredential } from './login/scram-credential.ts';
import { UserCredentials } from './user-credentials.ts';

const credential = credentialOf('SCRAM-SHA-256', {
  salt: Buffer.from('salt'),
  saltedPassword: Buffer.alloc(32, 7),
  iterations: 4096,
});
const WHOLE = encodeConfig({ 'SCRAM-SHA-256': encodeCredential(credential) });

async function usersWith(hurt: Buffer) {
  const store = new MemoryMetadataStore({ clock: new ManualClock() }).openSession();
  for (const path of ['/config', '/config/changes', '/config/users']) await store.create(path, Buffer.alloc(0));
  await store.create('/config/users/hurt', hurt);
  await store.create('/config/users/sound', WHOLE);
  const lines: string[] = [];
  const error = (fields: object): void => void lines.push(JSON.stringify(fields));
  const logger = { ...silentLogger, error };
  const entities = new EntityConfigs(store, logger);
  const users = new UserCredentials({ entities, logger });
  await entities.load();
  return { store, users, lines };
}

describe('the credentials of a user that nobody can read', () => {
  it.each([
    ['the half of the node', WHOLE.subarray(0, WHOLE.length / 2)],
    ['bytes that are no text', Buffer.from([0xff, 0, 0xc3, 0x28, 0x7b])],
    ['a version that nobody knows', Buffer.from('{"version":99,"payload":"AAAA"}')],
    ['a list', Buffer.from('[1,2,3]')],
  ])(
    'for %s let nobody in by his name, everybody else by his, and are taken up when they are mended',
    async (_, hurt) => {
      const { store, users, lines } = await usersWith(hurt);
      expect(users.find('hurt', 'SCRAM-SHA-256')).toBeUndefined();
      expect(users.find('sound', 'SCRAM-SHA-256')).toEqual(credential);
      expect(lines.join()).toContain('/config/users/hurt');
      await store.set('/config/users/hurt', WHOLE, 'any');
      await inTurns(() => expect(users.find('hurt', 'SCRAM-SHA-256')).toEqual(credential));
    },
  );

  it.each([
    '',
    'salt=',
    'salt=x,stored_key=!,server_key=,iterations=many',
    'iterations=4096',
    // Kafka's server lets nobody log in with fewer, and with keys that are none nobody has to know a password.
    encodeCredential({ ...credential, iterations: 1 }),
    encodeCredential({ ...credential, iterations: 4095 }),
    encodeCredential({ ...credential, storedKey: Buffer.alloc(0) }),
    encodeCredential({ ...credential, serverKey: Buffer.alloc(0) }),
    encodeCredential({ ...credential, storedKey: credential.storedKey.subarray(1) }),
    encodeCredential({ ...credential, serverKey: Buffer.alloc(64) }),
  ])('for a value like "%s" can be set anew', async (text) => {
    const { users, lines } = await usersWith(encodeConfig({ 'SCRAM-SHA-256': text }));
    expect(users.find('hurt', 'SCRAM-SHA-256')).toBeUndefined();
    expect(users.find('sound', 'SCRAM-SHA-256')).toEqual(credential);
    expect(lines.join()).toContain('/config/users/hurt');
    await users.change('hurt', [{ mechanism: 'SCRAM-SHA-256', credential }]);
    expect(users.find('hurt', 'SCRAM-SHA-256')).toEqual(credential);
  });
});
