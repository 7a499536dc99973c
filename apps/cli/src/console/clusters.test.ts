import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandContext, type GlobalOptions } from '../context.ts';
import { millrace } from '../testing/test-cli.ts';
import { type ClustersGiven, clustersOf } from './clusters.ts';

describe('the logins of a console', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'console-clusters-'));
    for (const name of ['live', 'others']) {
      const login = `security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=${name}\nsasl.password=pw\n`;
      await writeFile(at(`${name}.properties`), login);
    }
    const [env, profile] = [{ XDG_CONFIG_HOME: folder }, ['bootstrap.servers=mine:9092', 'sasl.mechanism=PLAIN']];
    const login = ['security.protocol=SASL_PLAINTEXT', 'sasl.username=in-use', 'sasl.password=pw'];
    expect(await millrace(undefined, ['config', 'set', 'mine', ...profile, ...login], { env })).toMatchObject({
      exitCode: 0,
    });
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Who logs in where. */
  async function logins(given: ClustersGiven, options: GlobalOptions = {}): Promise<Record<string, string>> {
    const nowhere = new PassThrough();
    const io = { stdin: nowhere, stdout: nowhere, stderr: nowhere, env: { XDG_CONFIG_HOME: folder } };
    const context = new CommandContext({ ...io, onInterrupt: () => () => undefined }, options);
    const clusters = await clustersOf(context, given);
    return Object.fromEntries(
      Object.values(clusters).map(({ bootstrapServers, sasl }) => [
        String(bootstrapServers),
        sasl !== undefined && 'username' in sasl ? String(sasl.username) : 'nobody',
      ]),
    );
  }

  const cluster = [
    ['live', 'a:1,b:1'],
    ['test', 'c:1'],
    ['old', 'd:1'],
  ] as const;

  it('go to the clusters that they are given for, and that for all to those without one', async () => {
    const clusterConfig = [['live', at('live.properties')]] as const;
    expect(await logins({ cluster, clusterConfig })).toEqual({ 'a:1,b:1': 'live', 'c:1': 'nobody', 'd:1': 'nobody' });
    expect(await logins({ cluster, clusterConfig }, { commandConfig: at('others.properties') })).toEqual({
      ...{ 'a:1,b:1': 'live', 'c:1': 'others', 'd:1': 'others' },
    });
    expect(await logins({ cluster, clusterConfig }, { profile: 'mine' })).toMatchObject({
      ...{ 'a:1,b:1': 'live', 'c:1': 'in-use' },
    });
  });

  it('are not offered to clusters that are named beside the profile in use, and are its own where none is', async () => {
    expect(new Set(Object.values(await logins({ cluster })))).toEqual(new Set(['nobody']));
    expect(await logins({})).toEqual({ 'mine:9092': 'in-use' });
  });

  it.each([
    [['--cluster-config', 'live=x'], 'Add --cluster live=HOST:PORT'],
    [['--cluster', 'a=b:1', '--cluster-config', 'a='], '`--cluster-config` takes NAME=FILE'],
    [['--cluster', 'a=b:1', '--cluster-config', 'a=x', '--cluster-config', 'a=y'], 'two files for a'],
  ])('are refused in words where they are for nobody: %j', async (given, why) => {
    const { exitCode, stderr } = await millrace(undefined, ['console', '--port', '0', ...given]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(why)]);
  });
});
