/** librdkafka's test of sessions that end and are made anew (0142), on a listener whose logins hold for five seconds. */
import { runLibrdkafka } from './librdkafka.ts';
import { PASSWORDS, startSecuredTarget } from './secured/secured-target.ts';

/** The others of its parts want share groups, which Kafka 3.9 does not have either, or tokens that nobody has signed. */
const PARTS = ['do_test_consumer', 'do_test_producer', 'do_test_txn_producer', 'do_test_reauth_failure'] as const;
const SESSION_MS = 5_000;

/** Returns how many parts failed. */
export async function runLibrdkafkaSecured(wanted: string | undefined): Promise<number> {
  const target = await startSecuredTarget(wanted, {
    'connections.max.reauth.ms': String(SESSION_MS),
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
  });
  try {
    let failed = 0;
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-512'] as const) {
      const settings = {
        'security.protocol': 'SASL_SSL',
        'ssl.ca.location': target.certificates.authority,
        'sasl.mechanism': mechanism,
        'sasl.username': 'admin',
        'sasl.password': PASSWORDS.admin,
      };
      for (const part of PARTS) {
        console.log(`${mechanism}, ${part}`);
        failed += await runLibrdkafka(target.bootstrap('SASL_SSL'), ['0142'], { settings, part });
      }
    }
    return failed;
  } finally {
    await target.stop();
  }
}
