/** What has gone wrong in Kafka and its clients, each with the tests that hold it to be right here. */

/** A test by its file and its name, or the beginning of that. */
export interface NamedTest {
  readonly file: string;
  readonly name: string;
}

/** One or several entries of the CVE list that are of one kind. */
export interface KnownFlaw {
  readonly cves: readonly string[];
  readonly what: string;
  readonly tests: readonly NamedTest[];
}

const test = (file: string, name: string): NamedTest => ({ file, name });

const LOGINS = 'packages/broker/src/security/login';
const SECRETS = 'apps/broker/src/secrets.test.ts';
const SCRAM_CLIENT = 'packages/network/src/sasl/sasl.test.ts';

export const KNOWN_FLAWS: readonly KnownFlaw[] = [
  {
    cves: ['CVE-2026-111115'],
    what: 'tagged fields of a header take memory out of proportion, before a login',
    tests: [
      test('packages/protocol/src/reader.test.ts', 'may have no more tagged fields than its memory holds'),
      test('packages/network/src/newcomers.test.ts', 'take nothing of the memory of those that have said it'),
    ],
  },
  {
    cves: ['CVE-2026-111108'],
    what: 'arrays of tiny elements take memory out of proportion',
    tests: [
      test(
        'packages/protocol/src/reader.test.ts',
        'may take 64 KiB of memory and 18 times its bytes, in arrays of arrays too',
      ),
      test('tools/faults/hostile-requests.test.ts', 'does no harm with any array of any request of 1 MiB'),
    ],
  },
  {
    cves: ['CVE-2026-111073'],
    what: 'PushTelemetry decompresses without a bound: it is not served',
    tests: [test('tools/security/cves.test.ts', 'telemetry of clients is not served')],
  },
  {
    cves: ['CVE-2026-110985', 'CVE-2026-33557'],
    what: 'OAUTHBEARER takes tokens that nobody has signed where nothing is set',
    tests: [
      test(
        'apps/broker/src/secured-broker.test.ts',
        'takes tokens without a signature only where their class is named',
      ),
      test(`${LOGINS}/oauth-bearer.test.ts`, 'no signature (CVE-2026-33557)'),
    ],
  },
  {
    cves: ['CVE-2026-35554'],
    what: 'a producer uses the memory of a batch again that is still on its way',
    tests: [
      test(
        'packages/producer/src/sender.test.ts',
        'leaves the bytes of a batch alone that is still on its way when its time is over (CVE-2026-35554)',
      ),
      test(
        'packages/producer/src/produce-batch.test.ts',
        'is not used again when the batch was sent twice, for the first may still be on its way',
      ),
    ],
  },
  {
    cves: ['CVE-2026-33558'],
    what: 'passwords and tokens in logs',
    tests: [test(SECRETS, 'is in no line of any level, whoever logs in by whatever, rightly or wrongly')],
  },
  {
    cves: ['CVE-2025-27817'],
    what: 'URLs and files of OAuth settings that others than the operator may set',
    tests: [test(SECRETS, 'say nothing of where keys and tokens are read from')],
  },
  {
    cves: ['CVE-2025-27818', 'CVE-2025-27819', 'CVE-2023-25194'],
    what: 'login modules that are loaded by their names',
    tests: [
      test(SECRETS, 'name no class that is loaded, for logins least of all'),
      test('apps/broker/src/secured-cluster.test.ts', 'do not start where they could not log in to each other'),
    ],
  },
  {
    cves: ['CVE-2024-56128'],
    what: 'the nonce of SCRAM is not looked at',
    tests: [test(`${LOGINS}/login-gate.test.ts`, 'a nonce of which only the beginning is right')],
  },
  {
    cves: ['CVE-2024-31141'],
    what: 'files and variables that values over the wire have read',
    tests: [test(SECRETS, 'are taken as they are written: no file and no variable is read for them')],
  },
  {
    cves: ['CVE-2024-27309'],
    what: 'removing one of several access rules loses others',
    tests: [
      test(
        'packages/broker/src/security/captured-znodes.test.ts',
        'are written as Kafka 3.9.1 has written them, step by step',
      ),
    ],
  },
  {
    cves: ['CVE-2022-34917'],
    what: 'memory for sizes that are only announced, before a login',
    tests: [
      test('packages/network/src/frame-assembler.test.ts', 'does not believe a large size until the bytes come'),
      test(
        'packages/network/src/login-deadline.test.ts',
        'cost no more than the bytes that come, with a thousand connections',
      ),
      test(
        'packages/network/src/newcomers.test.ts',
        'make room in the same way where nobody logs in, by TLS or without',
      ),
      test('tools/faults/frame-flood.test.ts', 'a secured broker lives through mutated frames before logins and after'),
    ],
  },
  {
    cves: ['CVE-2021-38153'],
    what: 'passwords are compared in a time that tells how much is right',
    tests: [test('tools/security/cves.test.ts', 'secrets are compared in a time that tells nothing')],
  },
  {
    cves: ['CVE-2018-17196'],
    what: "a crafted Produce gets round a transaction's rights",
    tests: [
      test(
        'packages/broker/src/handlers/produce.test.ts',
        'transactional batches without the transaction’s name, whoever sends them',
      ),
    ],
  },
  {
    cves: ['CVE-2018-1288'],
    what: 'a client poses as a replica',
    tests: [
      test(
        'packages/broker/src/handlers/authorization-matrix.test.ts',
        'every request is answered as Apache Kafka 3.9.1 answers it',
      ),
    ],
  },
  {
    cves: ['CVE-2017-12610'],
    what: 'somebody logs in and names another',
    tests: [
      test(`${LOGINS}/login-gate.test.ts`, 'lets nobody be another (CVE-2017-12610)'),
      test(`${LOGINS}/oauth-bearer.test.ts`, 'lets nobody be another (CVE-2017-12610)'),
      test(`${LOGINS}/login-gate.test.ts`, 'logins as Kafka 3.9.1 has answered them, frame by frame'),
    ],
  },
  {
    cves: ['CVE-2026-10142', 'CVE-2026-10143'],
    what: 'clients: sizes and iterations of a hostile broker (found in kafka-python)',
    tests: [
      test(SCRAM_CLIENT, 'iterations that take a second'),
      test('packages/network/src/frame-assembler.test.ts', 'does not believe a large size until the bytes come'),
      test(
        'packages/network/src/login-deadline.test.ts',
        'cost no more than the bytes that come, with a thousand connections',
      ),
    ],
  },
];
