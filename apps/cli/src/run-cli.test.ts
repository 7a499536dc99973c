import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { millrace } from './testing/test-cli.ts';

describe('millrace', () => {
  it('shows what it can do', async () => {
    const { exitCode, stdout } = await millrace(undefined, ['--help']);
    expect(exitCode).toBe(0);
    for (const command of [
      'start',
      'topics',
      'partitions',
      'produce',
      'consume',
      'groups',
      'configs',
      'offsets',
      'records',
      'cluster',
      'log-dirs',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    }
  });

  it('shows global options with the commands that take them', async () => {
    expect((await millrace(undefined, ['topics', 'create', '--help'])).stdout).toContain('--bootstrap-server');
    expect((await millrace(undefined, ['start', '--help'])).stdout).not.toContain('--bootstrap-server');
  });

  it('says where the console of several brokers is', async () => {
    const help = (await millrace(undefined, ['start', '--help'])).stdout.replace(/\s+/g, ' ');
    expect(help).toContain('with --brokers N of the first broker, and this port + N has the console');
  });

  it.each([
    [[], 'Usage: millrace [options] [command]\n'],
    [['topics'], 'Usage: millrace topics [options] [command]\n'],
    [['topics', 'create', 'mine'], 'Usage: millrace topics create [options] <name...>\n'],
    [['kafka-console-consumer.sh'], 'Usage: millrace consume [options] <topic...>\n'],
    [['kafka-dump-log'], 'Usage: millrace log dump [options] <file...>\n'],
  ])('helps with %j', async (names, usage) => {
    const { exitCode, stdout, stderr } = await millrace(undefined, ['help', ...names]);
    expect([exitCode, stdout, stderr]).toEqual([0, expect.stringContaining(usage), '']);
  });

  it.each([
    [['topics', 'list', '--json', '--nosuch'], "unknown option '--nosuch'", 'shows what can be given'],
    [['topics', 'create', '--json'], "missing required argument 'name'", 'shows what can be given'],
    [['topics', 'lst', '--json'], "unknown command 'lst'", 'Did you mean list?'],
    [['groups', 'list', '--json', 'one'], 'too many arguments', 'shows what can be given'],
    [['topics', '--json'], 'The command is not complete.', 'Usage: millrace topics'],
    [['topics', 'list', '--json', '--timeout', 'soon'], 'soon', undefined],
  ])('tells scripts what is wrong with %j as JSON', async (args, message, hint) => {
    const { exitCode, stdout, stderr } = await millrace('127.0.0.1:1', args);
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string; hint: string } };
    expect([exitCode, stdout, error.code]).toEqual([2, '', 'CLI_USAGE']);
    expect(error.message).toContain(message);
    if (hint !== undefined) expect(error.hint).toContain(hint);
  });

  it('takes --json behind -- for a word like others', async () => {
    const { stderr } = await millrace('127.0.0.1:1', ['topics', 'create', '--nosuch', '--', '--json']);
    expect(stderr).toMatch(/^error: unknown option/);
  });

  it('lets a key, what stands for null and what stands between be empty', async () => {
    for (const args of [
      ['produce', 't', '--key', '', '--null-marker', ''],
      ['consume', 't', '--separator', ''],
    ]) {
      expect((await millrace('127.0.0.1:1', args)).stderr).toContain('nothing listens there');
    }
  });

  it.each([
    [['-b', 'localhost:9092', 'metadata', 'ls', '/brokers/topics'], '`millrace metadata ls` asks no broker', '--data'],
    [['metadata', 'check', '--profile', 'p'], 'does not take --profile.\n', '--override zookeeper.connect='],
    [['log', 'verify', 'f', '--command-config', 'f'], '`millrace log verify` asks no broker', 'the files'],
    [['start', '-b', '3'], 'does not take -b, --bootstrap-server.\n', '--brokers'],
  ])('refuses to name a cluster to what asks none: %j', async (args, said, hint) => {
    const { exitCode, stdout, stderr } = await millrace(undefined, args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(said);
    expect(stderr.split('\n')[1]).toContain(hint);
  });

  it.each([
    [['start', '--data', 'e2', '-o', 'log.dirs=e3'], '--data e2 and --override log.dirs=e3 are two answers'],
    [['start', '--data', 'e2', '-o', 'log.dir=e3'], '--data e2 and --override log.dir=e3 are'],
    [
      ['start', '--http-port', '1', '-o', 'millrace.http.port='],
      '--http-port 1 and --override millrace.http.port= are',
    ],
    [['start', '-p', '1', '-o', 'listeners=PLAINTEXT://:2'], '--port 1 and --override listeners=PLAINTEXT://:2 are'],
    [['metadata', 'ls', '-d', 'e2', '-o', 'log.dirs=e3'], '--data e2 and --override log.dirs=e3 are'],
  ])('refuses two answers to one question: %j', async (args, said) => {
    const { exitCode, stderr } = await millrace(undefined, args);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(said)]);
  });

  it.each([
    [[], 'by the first of its replicas again'],
    [['--preferred'], 'by the first of its replicas again'],
    [['--unclean'], 'they are lost'],
  ])('holds no election of which nobody says whose it is: %j', async (args, hint) => {
    const { exitCode, stderr } = await millrace('127.0.0.1:1', ['partitions', 'elect', ...args]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('Say whose leaders are to be elected: `--topic')]);
    expect(stderr).toContain(hint);
  });

  it('tells its version', async () => {
    expect((await millrace(undefined, ['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['topcs', 'list'], "error: unknown command 'topcs'\n(Did you mean topics?)"],
    [['topics', 'list', '--intern'], "error: unknown option '--intern'\n(Did you mean --internal?)"],
    [['topics', 'delete', '--topc', 't'], "error: unknown option '--topc'\n(Did you mean --topic?)"],
    [['topics', 'alter', 't'], "error: unknown command 'alter'\n(Here: `millrace topics add-partitions NAME"],
    [['topics', '--zookeeper', 'h:2181', '--list'], '(Here: brokers are asked: `--bootstrap-server'],
    [['consume', 't', '--formatter', 'x'], "error: unknown option '--formatter'\n(Here: `--format`"],
    [['create', 't'], '(Here: `millrace topics create NAME`)'],
    [
      ['users', 'add', 'bob'],
      "error: unknown command 'add'\n(Here: `millrace users set-password USER`: add a user, or change a password)",
    ],
    [['users', 'passwd', 'bob'], '(Here: `millrace users set-password USER`'],
    [['configs', 'list', 'topics', 'a'], '(Here: `millrace configs describe TYPE NAME`'],
    [['acls', 'create'], '(Here: `millrace acls add`'],
    [['groups', 'lag', 'g'], '(Here: `millrace groups describe GROUP`'],
    [['quotas', 'delete'], '(Here: `millrace quotas unset NAME`'],
    [['partitions', 'reassign', 'status'], '(Here: `millrace partitions reassign verify`'],
    [['partitions', 'list'], '(Here: `millrace topics list`'],
    [['log-dirs', '--topic', 'a'], '(Here: topics are named without it'],
    [['log-dirs', '--topics', 'a'], "error: unknown option '--topics'\n("],
    [['topics', 'lst'], '(Did you mean list?)'],
    [['kafka-delete-records.sh', '--offset-json-file', 'f'], '(Here: `millrace records delete TOPIC'],
    [['configs', 'describe', 'users', 'u'], '(Here: `millrace users set-password NAME'],
    [['topics', 'create'], "error: missing required argument 'name'"],
    [['topics', 'create', 'a', '-p', '0'], "argument '0' is invalid. It is a whole number from 1 to 2147483647."],
    [['records', 'delete', 'a'], "error: required option '--before <offset>' not specified"],
    [['start', '--override', 'a'], "argument 'a' is invalid. It is given as name=value."],
    [['start', '--override', '=a'], "argument '=a' is invalid. It is given as name=value."],
    [['start', '--brokers', '33'], "argument '33' is invalid. At most 32 run on one machine"],
    [['console', '--port', '99999'], 'It is a number from 0 to 65535.'],
    [['topics', 'list', '--timeout', 'soon'], "argument 'soon' is invalid. It is given as 500ms, 30s"],
    [['produce', 't', '--key-separator', ''], "argument '' is invalid. It is empty."],
    [['consume', 't', '-g', ''], "argument '' is invalid. It is empty."],
    [['topics', 'create', 'a'.repeat(250)], "for argument 'name'. Names of topics have at most 249 characters."],
    [['consume', 'a'.repeat(250)], "for argument 'topic'. Names of topics have at most 249 characters."],
    [['transactions', 'find-hanging', '--topic', 'a'.repeat(250)], "option '-t, --topic <name>' argument"],
    [
      ['topics', 'create', 'a', '-r', '99999'],
      "option '-r, --replication-factor <n>' argument '99999' is invalid. It is a",
    ],
    [
      ['topics', 'create', 'a', '-p', '99999999999'],
      "option '-p, --partitions <n>' argument '99999999999' is invalid.",
    ],
    [['users', 'set-password', 'a', '--iterations', '1'], 'It is a whole number from 4096 to 16384.'],
    [['transactions', 'find-hanging', '--idle-for', '999999999999999d'], "option '--idle-for <duration>' argument"],
    [
      ['transactions', 'find-hanging', '--max-transaction-timeout', 'x'],
      'error: `--max-transaction-timeout` is a whole number of minutes, not "x".',
    ],
    [['offsets', '--topic', 't', '--partitions', 'x'], '(The line was read as: millrace offsets t ... --partition x)'],
    [['topics', 'delete', 'a', ''], "value '' is invalid for argument 'name'. It is empty."],
    [['topics', 'list', '--bootstrap-server='], "argument '' is invalid. It is empty."],
    [['help', 'nosuch'], "error: unknown command 'nosuch'"],
    [['help', 'topcs'], "error: unknown command 'topcs'\n(Did you mean topics?)"],
    [['help', 'topics', 'creat'], "error: unknown command 'creat'\n(Did you mean create?)"],
    [['help', 'kafka-storage.sh'], '(Here: Nothing is to be formatted'],
    [['kafka-topics.sh', '--creat', '--topic', 't'], 'error: There is no --creat here.\nDid you mean --create?'],
    [['kafka-leader-election.sh', '--electon-type', 'preferred'], '(Did you mean --election-type?)'],
  ])('takes %j for a mistake in the command', async (args, message) => {
    const { exitCode, stdout, stderr } = await millrace(undefined, args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it('takes an address that is none for one as well', async () => {
    const { exitCode, stderr } = await millrace('http://localhost:9092', ['topics', 'list']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('is not "host:port"')]);
  });
});

describe('millrace without a broker', () => {
  let server: Server;
  let closedPort: number;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-cli-'));
    await writeFile(join(folder, 'users'), 'eve:admin:a-long-secret-of-eve\n');
    server = createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    closedPort = portOf(other);
    await new Promise((resolve) => other.close(resolve));
  });
  afterAll(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    [() => ['--port', String(portOf(server))], /listens there\.\n.*`--port` takes another port/s],
    [
      () => ['--host', '203.0.113.7', '--users', join(folder, 'users')],
      /no network interface of this machine has that address/,
    ],
    [() => ['--host', '0.0.0.0'], /Others could reach the console at 0\.0\.0\.0.*--users FILE/s],
  ])('says why the console cannot listen where it is told to (%#)', async (args, message) => {
    const { exitCode, stderr } = await millrace('127.0.0.1:1', ['console', ...args()]);
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(message)]);
    expect(stderr).not.toContain('report');
  });

  it('listens on the port that is given where `listeners` is set to nothing', async () => {
    const told: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(String(text)) > 0);
    const args = [
      'start',
      '--override',
      'listeners=',
      '--port',
      String(portOf(server)),
      '--data',
      join(folder, 'data'),
    ];
    const { exitCode } = await millrace(undefined, args);
    write.mockRestore();
    expect([exitCode, told.join('')]).toEqual([69, expect.stringContaining(`port ${portOf(server)}: another process`)]);
  });

  it.each([
    ['role.a=viewer\n', 'has no issuer'],
    [
      'issuer=http://sso.example.com\nclient.id=m\npublic.url=http://localhost\nrole.a=viewer\n',
      'neither https nor on this machine',
    ],
  ])("does not start a broker whose console's login is not whole", async (text, why) => {
    await writeFile(join(folder, 'oidc'), text);
    const { exitCode, stderr } = await millrace(undefined, ['start', '--console-oidc', join(folder, 'oidc')]);
    expect([exitCode, stderr]).toEqual([expect.any(Number), expect.stringContaining(why)]);
    expect(exitCode).not.toBe(0);
  });

  it('says so at once', async () => {
    const { exitCode, stderr } = await millrace(`127.0.0.1:${closedPort}`, ['topics', 'list']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: Cannot connect to 127\.0\.0\.1:\d+: nothing listens there\.\nIs a broker running there\?/,
    );
  });

  it('goes on trying for as long as it is told to', async () => {
    const { exitCode, stderr } = await millrace(`127.0.0.1:${closedPort}`, ['topics', 'list', '--timeout', '250ms']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error: No broker answered at 127.0.0.1:\d+ within 250 ms: .*nothing listens there/);
  });

  it('gives up on one that does not answer', async () => {
    const { exitCode, stderr } = await millrace(`127.0.0.1:${portOf(server)}`, [
      'topics',
      'list',
      '--timeout',
      '200ms',
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error: No broker answered at 127.0.0.1:\d+ within 200 ms/);
  });

  it('takes the address from the option before the environment', async () => {
    const { stderr } = await millrace('ignored:1', ['topics', 'list', '-b', `127.0.0.1:${closedPort}`]);
    expect(stderr).toContain(`127.0.0.1:${closedPort}`);
  });
});

function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}
