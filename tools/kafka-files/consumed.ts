/** What Kafka's own consumer sees of a topic. */
import { kafkaTool } from '../kafka/index.ts';

const COLUMNS = ['print.offset', 'print.timestamp', 'print.headers', 'print.key'];

/** One line a record: timestamp, offset, headers, key, value; aborted ones left out. */
export async function consumeAll(bootstrap: string, topic: string, version: string): Promise<string[]> {
  const columns = COLUMNS.flatMap((name) => ['--property', `${name}=true`]);
  const from = ['--topic', topic, '--partition', '0', '--offset', 'earliest', '--isolation-level', 'read_committed'];
  const args = ['--bootstrap-server', bootstrap, ...from, '--timeout-ms', '4000', ...columns];
  const { stdout, stderr } = await kafkaTool('kafka-console-consumer', args, { version });
  if (stdout === '') throw new Error(`Nothing was read of ${topic}:\n${stderr}`);
  return stdout.trimEnd().split('\n');
}
