import { MemoryMetadataStore } from '@millrace/metadata';
import { seededRandom } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { loginSecret } from './login-secret.ts';
import { paths } from './znodes.ts';

describe('the secret of logins', () => {
  it('is the same for all brokers of a cluster, whichever made it, and after a restart', async () => {
    const store = new MemoryMetadataStore();
    await store.create('/cluster', Buffer.alloc(0));
    const secrets = await Promise.all([1, 2, 3].map((seed) => loginSecret(store, seededRandom(seed))));
    expect(secrets[0]).toHaveLength(32);
    expect([...secrets, await loginSecret(store, seededRandom(4))]).toEqual(Array(4).fill(secrets[0]));
  });

  it('that is damaged is not taken for one', async () => {
    const store = new MemoryMetadataStore();
    await store.create('/cluster', Buffer.alloc(0));
    await store.create(paths.loginSecret, Buffer.from('short'));
    await expect(loginSecret(store, seededRandom(1))).rejects.toThrow(paths.loginSecret);
  });
});
