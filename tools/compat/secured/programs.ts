/** Clients that are programs of their own: kcat, Java's in two versions, kafka-python and confluent-kafka. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pythonWith, runProgram } from '../../clients/index.ts';
import { KAFKA_3, KAFKA_4, kafkaClassPath } from '../../kafka/index.ts';
import { type Attempt, MECHANISMS, type Outcome, type Result, type SecuredClient } from './attempt.ts';

const ALL_MS_MAX = 280_000;
const LATE_MS = 15_000;

/** Results that a program has printed, a line each. */
function results(output: string): Result[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Result);
}

function java(version: string): SecuredClient {
  return {
    name: `java-${version}`,
    mechanisms: MECHANISMS,
    async run(attempts) {
      const args = [
        '-XX:TieredStopAtLevel=1',
        '-Xmx256m',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=off',
        // From 3.9.1 on, a client asks only those for tokens whom its operator has named.
        ...[...new Set(attempts.flatMap(({ login }) => login?.tokenUrl ?? []))].map(
          (url) => `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${url}`,
        ),
        ...['-cp', await kafkaClassPath(version), join(import.meta.dirname, 'SecuredClient.java')],
      ];
      return results(await runProgram('java', args, { input: JSON.stringify(attempts), timeoutMs: ALL_MS_MAX }));
    },
  };
}

const SCRIPT = join(import.meta.dirname, 'secured_clients.py');

function python(name: 'kafka-python' | 'confluent-kafka'): SecuredClient {
  return {
    name,
    mechanisms: MECHANISMS,
    async run(attempts) {
      const program = await pythonWith('secured-python', ['kafka-python', 'confluent-kafka']);
      const input = JSON.stringify(attempts);
      return results(await runProgram(program, [SCRIPT, name], { input, timeoutMs: ALL_MS_MAX }));
    },
  };
}

function kcatOptions({ bootstrap, protocol, login, tls }: Attempt): string[] {
  const settings = {
    'security.protocol': protocol,
    'message.timeout.ms': String(LATE_MS),
    ...(tls === undefined ? {} : { 'ssl.ca.location': tls.authority }),
    ...(tls?.shown === undefined
      ? {}
      : { 'ssl.certificate.location': tls.shown.certificate, 'ssl.key.location': tls.shown.key }),
    ...(login === undefined
      ? {}
      : { 'sasl.mechanisms': login.mechanism, 'sasl.username': login.user, 'sasl.password': login.password }),
  };
  return ['-b', bootstrap, ...Object.entries(settings).flatMap(([name, value]) => ['-X', `${name}=${value}`])];
}

const KCAT_PATTERNS: readonly (readonly [Outcome, RegExp])[] = [
  ['authorization', /authorization failed/i],
  ['tls', /certificate|SSL handshake failed/i],
  ['authentication', /authentication/i],
  ['disconnected', /disconnected|timed out|brokers (are )?down|Message timed out/i],
];

function kcatRun(args: readonly string[], input: string): Promise<{ isFine: boolean; text: string }> {
  return new Promise((resolve) => {
    const child = execFile('kcat', args, { timeout: 2 * LATE_MS }, (error, stdout, stderr) => {
      resolve({ isFine: error === null && !/ERROR/.test(stderr), text: `${stdout}${stderr}` });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

async function kcatAttempt(attempt: Attempt): Promise<Result> {
  const { id, topic, value } = attempt;
  const options = kcatOptions(attempt);
  const written = await kcatRun(['-P', '-t', topic, '-p', '0', ...options], value);
  if (!written.isFine) {
    const outcome = KCAT_PATTERNS.find(([, pattern]) => pattern.test(written.text))?.[0] ?? 'other';
    return { id, outcome, text: written.text };
  }
  const read = await kcatRun(['-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-q', ...options], '');
  return { id, outcome: read.text.split('\n').includes(value) ? 'read' : 'other', text: read.text.slice(-500) };
}

const kcat: SecuredClient = {
  name: 'kcat',
  // Debian builds its librdkafka without what asks a provider for tokens; confluent-kafka's has it.
  mechanisms: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
  async run(attempts) {
    const done: Result[] = [];
    for (const attempt of attempts) done.push(await kcatAttempt(attempt));
    return done;
  },
};

export const programs: readonly SecuredClient[] = [
  kcat,
  java(KAFKA_3),
  java(KAFKA_4),
  python('kafka-python'),
  python('confluent-kafka'),
];
