import { execFile, execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readSettings } from '../../apps/broker/src/broker-process.ts';
import { root } from '../source/index.ts';
import { readCompose, type Service } from './compose.ts';
import { planOf } from './plan.ts';

const DOCKER = join(root, 'apps/broker/docker');
const shipped = (): Service[] => readCompose(readFileSync(join(DOCKER, 'compose.yaml'), 'utf8'), {});
const options = { folder: '/c', isLoopback: true, httpPort: 19644 };

/** The shape in which people have such a cluster with the images of Confluent. */
const WITH_CONFLUENT = `
services:
  zk:
    image: confluentinc/cp-zookeeper:7.9.1
    environment:
      - ZOOKEEPER_SERVER_ID=1
      - ZOOKEEPER_CLIENT_PORT=2181
      - ZOOKEEPER_AUTOPURGE_SNAP_RETAIN_COUNT=3
      - ZOOKEEPER_SERVERS=0.0.0.0:2888:3888
    volumes: ['./zk/data:/var/lib/zookeeper']
  kafka:
    image: confluentinc/cp-kafka:7.9.1
    ports: ['\${PORT:-9092}:9092']
    environment:
      KAFKA_BROKER_ID: 7
      KAFKA_ZOOKEEPER_CONNECT: zk:2181
      KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
    volumes: ['kafka:/var/lib/kafka']
  akhq:
    image: tchiotludo/akhq
    ports: [8080]
`;

describe('the compose file', () => {
  it('has three ZooKeepers, three brokers and a console, on the ports that people know', () => {
    const { processes, passedOver } = planOf(shipped(), options);
    expect(processes.map(({ name, kind, number, port }) => [name, kind, number, port])).toEqual([
      ['zookeeper-1', 'zookeeper', 1, 12181],
      ['zookeeper-2', 'zookeeper', 2, 22181],
      ['zookeeper-3', 'zookeeper', 3, 32181],
      ['kafka-1', 'broker', 1, 19644],
      ['kafka-2', 'broker', 2, 19645],
      ['kafka-3', 'broker', 3, 19646],
      ['console', 'console', undefined, 8080],
    ]);
    expect(passedOver).toEqual([]);
  });

  it('sets nothing on a broker that a broker does not know', async () => {
    const brokers = shipped().filter(({ environment }) => environment['KAFKA_BROKER_ID'] !== undefined);
    expect(brokers).toHaveLength(3);
    for (const { environment } of brokers) {
      const { warnings, config } = await readSettings({ env: { ...environment } });
      expect(warnings).toEqual([]);
      expect(config.advertisedEndpoints.map(({ host }) => host)).toContain('localhost');
    }
  });

  it('publishes every port of brokers without a login on this machine alone', () => {
    const published = readFileSync(join(DOCKER, 'compose.yaml'), 'utf8').match(/(?<=ports: \[")[^"]*/g) ?? [];
    expect(published).toHaveLength(7);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
  });

  it('keeps the data of each server and broker in a volume of its own that the file declares', () => {
    const sources = shipped().flatMap(({ volumes }) => [...volumes.values()]);
    expect(new Set(sources).size).toBe(sources.length);
    const declared = readFileSync(join(DOCKER, 'compose.yaml'), 'utf8').split('\nvolumes:\n')[1] ?? '';
    for (const source of sources) expect(declared).toContain(`  ${source}:\n`);
  });
});

describe('a plan', () => {
  it('turns ZOOKEEPER_* into the lines that the image makes of them', () => {
    const [zk] = planOf(readCompose(WITH_CONFLUENT, {}), options).processes;
    expect(zk?.files.get('/c/containers/zk/zoo.cfg')?.split('\n')).toEqual([
      'dataDir=/c/volumes/zk_data/data',
      'dataLogDir=/c/volumes/zk_data/log',
      'clientPort=2181',
      'autopurge.snapRetainCount=3',
      'initLimit=10',
      'syncLimit=5',
      'clientPortAddress=127.0.0.1',
      'admin.enableServer=false',
      '4lw.commands.whitelist=srvr',
      'server.1=127.0.0.1:2888:3888',
      '',
    ]);
    expect(zk?.files.get('/c/volumes/zk_data/data/myid')).toBe('1\n');
  });

  it('takes the names that the image knows and those alone, and says which do nothing', () => {
    const servers = 'ZOOKEEPER_SERVERS=0.0.0.0:2888:3888';
    const settings = [
      'ZOOKEEPER_JUTE_MAX_BUFFER=4194304',
      'ZOOKEEPER_SKIP_ACL=yes',
      'ZOOKEEPER_FSYNC_WARNING_THRESHOLDMS=20',
      'ZOOKEEPER_SSL_QUORUM_KEYSTORE_LOCATION=/k.jks',
      'ZOOKEEPER_INIT_LIMIT=7',
      'ZOOKEEPER_GROUPS=1:2',
      'ZOOKEEPER_4LW_COMMANDS_WHITELIST=*',
      'ZOOKEEPER_RECONFIG_ENABLED=true',
      'ZOOKEEPER_CONSTRUCTOR=x',
      'ZOOKEEPER_LOG4J_ROOT_LOGLEVEL=ERROR',
    ];
    const told = WITH_CONFLUENT.replace(servers, [servers, ...settings].join('\n      - '));
    const { processes, warnings } = planOf(readCompose(told, {}), options);
    expect(processes[0]?.files.get('/c/containers/zk/zoo.cfg')?.split('\n').slice(2)).toEqual([
      'clientPort=2181',
      'autopurge.snapRetainCount=3',
      'jute.maxbuffer=4194304',
      'skipACL=yes',
      'fsync.warningthresholdms=20',
      'ssl.quorum.keyStore.location=/k.jks',
      'initLimit=7',
      'syncLimit=5',
      'clientPortAddress=127.0.0.1',
      'admin.enableServer=false',
      '4lw.commands.whitelist=srvr',
      'server.1=127.0.0.1:2888:3888',
      'group.1=1:2',
      '',
    ]);
    const ignored = ['4LW_COMMANDS_WHITELIST', 'RECONFIG_ENABLED', 'CONSTRUCTOR'].map((name) => `ZOOKEEPER_${name}`);
    expect(warnings.map((warning) => warning.split(' is passed over')[0])).toEqual(
      ignored.map((name) => `zk: ${name}`),
    );
    expect(planOf(shipped(), options).warnings).toEqual([]);
  });

  it('gives each service a volume without a name of its own, and those of one name the same', () => {
    const broker = (name: string, port: number, volume: string) => `
  ${name}:
    image: x
    environment: { KAFKA_ZOOKEEPER_CONNECT: zk:2181, KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://${name}:${port}' }
    volumes: [${volume}]`;
    const foldersOf = (volume: string) =>
      planOf(readCompose(`services:${broker('a', 1, volume)}${broker('b', 2, volume)}`, {}), options).processes.flatMap(
        ({ folders }) => folders,
      );
    const apart = ['/c/containers/a/var/lib/kafka/data', '/c/containers/b/var/lib/kafka/data'];
    expect(foldersOf('/var/lib/kafka/data')).toEqual(apart);
    expect(foldersOf('{ type: volume, target: /var/lib/kafka }')).toEqual(apart);
    expect(foldersOf('"shared:/var/lib", /var/lib/kafka/data')).toEqual(apart);
    expect(foldersOf('"shared:/var/lib/kafka/data"')).toEqual(['/c/volumes/shared', '/c/volumes/shared']);
  });

  it('refuses servers that do not know which of them they are, as the image does', () => {
    const nameless = WITH_CONFLUENT.replace('      - ZOOKEEPER_SERVER_ID=1\n', '');
    expect(() => planOf(readCompose(nameless, {}), options)).toThrow('zk: ZOOKEEPER_SERVER_ID is no number: missing');
  });

  it('takes the file that somebody has for other images as it is, and says what it passes over', () => {
    const { processes, passedOver } = planOf(readCompose(WITH_CONFLUENT, {}), options);
    expect(processes[1]).toMatchObject({
      number: 7,
      folders: ['/c/volumes/kafka/data'],
      environment: {
        KAFKA_ZOOKEEPER_CONNECT: '127.0.0.1:2181',
        KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://127.0.0.1:9092',
        KAFKA_LOG_DIRS: '/c/volumes/kafka/data',
      },
    });
    expect(passedOver).toEqual([{ name: 'akhq', image: 'tchiotludo/akhq' }]);
  });

  it('tells which names have to lead here where they are left as they are', () => {
    expect(planOf(readCompose(WITH_CONFLUENT, {}), { ...options, isLoopback: false }).hosts).toEqual(['zk', 'kafka']);
    expect(planOf(readCompose(WITH_CONFLUENT, {}), options).hosts).toEqual([]);
  });

  it('refuses two brokers that want one port of this machine', () => {
    const twice = WITH_CONFLUENT.replace(
      '  akhq:',
      '  kafka-b:\n    image: x\n    environment:\n      KAFKA_ZOOKEEPER_CONNECT: zk:2181\n      KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka-b:9092\n  akhq:',
    );
    expect(() => planOf(readCompose(twice, {}), options)).toThrow(/kafka and kafka-b both bind port 9092/);
  });

  it('takes variables from the environment, and says which one is missing', () => {
    const [, kafka] = readCompose(WITH_CONFLUENT, { PORT: '9999' });
    expect([...(kafka?.ports ?? [])]).toEqual([[9092, 9999]]);
    expect(() => readCompose('services: {a: {image: $WHAT}}', {})).toThrow(/a asks for \$WHAT/);
  });

  it.each(['services: 3', 'x', 'services: {a: 1}', 'services: {a: {image: b, ports: ["x:y"]}}'])(
    'refuses %s in words',
    (text) =>
      expect(() => planOf(readCompose(text, {}), options)).toThrow(
        expect.objectContaining({ code: 'COMPOSE_INVALID' }),
      ),
  );
});

describe("the image's first program", () => {
  /** Runs it with a program in the place of millrace that tells who it is. */
  function enter(env: Record<string, string>, ...args: string[]): string {
    return execFileSync('sh', [join(DOCKER, 'entrypoint.sh'), ...args], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', ...env },
    }).trim();
  }

  it.skipIf(process.getuid?.() !== 0)('gives a folder that is root to the user that the broker runs as', () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-entry-'));
    try {
      const program = join(folder, 'program');
      writeFileSync(program, '#!/bin/sh\necho "$(id -u) $(id -g) $HOME $*"; touch "$KAFKA_LOG_DIRS/written"\n', {
        mode: 0o755,
      });
      chownSync(folder, 0, 0);
      const data = join(folder, 'data');
      mkdirSync(data, { mode: 0o700 });
      writeFileSync(join(data, 'of-another'), '');
      execFileSync('chmod', ['755', folder]);
      const user = { MILLRACE_UID: '12345', MILLRACE_GID: '12346', HOME: '/root' };
      const env = { KAFKA_LOG_DIRS: data, MILLRACE_PROGRAM: program, ...user };
      expect(enter(env, 'start', '--port', '1')).toBe('12345 12346 /home/millrace start --port 1');
      expect(statSync(join(data, 'of-another')).uid).toBe(12345);
      expect(statSync(join(data, 'written')).uid).toBe(12345);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('has a broker of whom nothing is said reached by its published port, and changes nothing that is said', () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-entry-'));
    try {
      const program = join(folder, 'program');
      writeFileSync(program, '#!/bin/sh\necho "$KAFKA_ADVERTISED_LISTENERS"\n', { mode: 0o755 });
      const user = { MILLRACE_UID: String(process.getuid?.()), MILLRACE_GID: String(process.getgid?.()) };
      const env = { KAFKA_LOG_DIRS: folder, MILLRACE_PROGRAM: program, ...user };
      expect(enter(env, 'start')).toBe('PLAINTEXT://localhost:9092');
      expect(enter(env, 'start', '--config', '/etc/millrace/server.properties')).toBe('');
      expect(enter({ ...env, KAFKA_LISTENERS: 'SSL://:9093' }, 'start')).toBe('');
      const told = 'A://kafka-1:19093,B://localhost:19092';
      expect(enter({ ...env, KAFKA_ADVERTISED_LISTENERS: told }, 'start')).toBe(told);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it.each([
    [['start'], '/health', true],
    [['start', '--port', '1', '--http-port', 'PORT'], '/health', false],
    [['start', '--override', 'millrace.http.port=PORT'], '/health', false],
    [['console', '--cluster', 'start=a:1', '--port', 'PORT'], '/api/session', false],
    [['console', '--port=PORT', '--host', '0.0.0.0'], '/api/session', false],
    [['console', '-p', 'PORT'], '/api/session', false],
    [['console', '-pPORT'], '/api/session', false],
  ] as const)('asks after its health where it was told to be: %j', async (command, path, isBySetting) => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-entry-'));
    const asked: string[] = [];
    const server = createServer(({ url = '' }, response) => {
      asked.push(url);
      // A console asks for a login; a broker that is not well says so.
      response.writeHead(url === '/health' ? 200 : 401).end();
    });
    try {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      // It listens on a port, so the address is one of IP.
      const port = String((server.address() as AddressInfo).port);
      const words = ['node', '/usr/local/bin/millrace', ...command.map((word) => word.replace('PORT', port))];
      writeFileSync(join(folder, 'cmdline'), words.map((word) => `${word}\0`).join(''));
      const env = { ...process.env, MILLRACE_CMDLINE: join(folder, 'cmdline') };
      const told = isBySetting ? { MILLRACE_HTTP_PORT: port } : {};
      const isWell = () =>
        promisify(execFile)('sh', [join(DOCKER, 'entrypoint.sh'), 'healthy'], { env: { ...env, ...told } }).then(
          () => true,
          () => false,
        );
      expect([await isWell(), asked]).toEqual([true, [path]]);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      expect(await isWell()).toBe(false);
    } finally {
      server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('leaves no variable of its own to the program, which would take it for a setting', () => {
    const told = enter({
      MILLRACE_PROGRAM: 'env',
      KAFKA_LOG_DIRS: tmpdir(),
      MILLRACE_UID: String(process.getuid?.()),
      MILLRACE_GID: String(process.getgid?.()),
    });
    expect(told).toContain('KAFKA_LOG_DIRS=');
    expect(told).not.toMatch(/MILLRACE_(?:UID|GID|PROGRAM)/);
  });
});

it('the unit of systemd starts the program with options that it has', () => {
  const unit = readFileSync(join(root, 'apps/broker/systemd/millrace.service'), 'utf8');
  const [, command = ''] = /^ExecStart=\S*millrace (.*)$/m.exec(unit) ?? [];
  const help = execFileSync(process.execPath, [join(root, 'apps/cli/src/main.ts'), 'start', '--help'], {
    encoding: 'utf8',
  });
  const named = command.match(/--[a-z-]+/g) ?? [];
  expect(named).toEqual(['--config', '--data']);
  for (const option of named) expect(help).toContain(option);
});
