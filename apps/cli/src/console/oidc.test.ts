import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOidc } from './oidc.ts';

const WHOLE = `issuer=https://sso.example.com/realms/main
client.id=millrace
public.url=https://console.example.com
role.kafka-admins=admin
role.team-*=viewer,editor@topic/orders-*
`;

describe('the file of a login at a provider', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'console-oidc-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function read(text: string) {
    const path = join(folder, 'oidc.properties');
    await writeFile(path, text);
    return readOidc(path);
  }

  it('is read with a role for each value of the claim', async () => {
    expect(await read(`${WHOLE}client.secret=s\nroles.claim=realm_access.roles\n`)).toMatchObject({
      issuer: 'https://sso.example.com/realms/main',
      clientId: 'millrace',
      clientSecret: 's',
      publicUrl: 'https://console.example.com',
      rolesClaim: 'realm_access.roles',
      roles: [
        { value: 'kafka-admins', role: 'admin', grants: [] },
        { value: 'team-*', role: 'viewer', grants: [{ role: 'editor', on: 'topic', pattern: 'orders-*' }] },
      ],
    });
  });

  it.each(['issuer', 'client.id', 'public.url'])('is refused without %s', async (name) => {
    const lines = WHOLE.split('\n').filter((line) => !line.startsWith(`${name}=`));
    await expect(read(lines.join('\n'))).rejects.toMatchObject({
      code: 'CLI_CONFIG_INVALID',
      message: expect.stringContaining(`has no ${name}`),
    });
  });

  it.each([
    [WHOLE.replaceAll(/role\..*\n/g, ''), 'has no role.VALUE'],
    [`${WHOLE}client.secrt=s\n`, 'is it client.secret?'],
    [`${WHOLE}role.a=boss\n`, 'role.a is none of the roles'],
  ])('is refused where it says something that is none', async (text, why) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'CLI_CONFIG_INVALID',
      message: expect.stringContaining(why),
    });
  });
});
