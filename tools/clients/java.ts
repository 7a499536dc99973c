/** The Java client, through the console tools of Apache Kafka. Starting a JVM takes a second or two each time. */
import { KAFKA_3, KAFKA_4, kafkaTool } from '../kafka/index.ts';
import { CLIENT_MS_MAX, CODECS, type ForeignClient, type TextRecord } from './client.ts';

const NULL = '<null>';
const FIELD_END = '\t';

/** The Java client of the given version of Kafka. */
export function javaClient(version: string): ForeignClient {
  return {
    name: `java-${version.split('.').slice(0, 2).join('.')}`,
    codecs: CODECS,

    async version() {
      return `Apache Kafka's Java client ${version}`;
    },

    async produce(bootstrap, topic, codec, records) {
      const input = records.map(line).join('');
      const properties = {
        'parse.key': 'true',
        'parse.headers': 'true',
        'null.marker': NULL,
        // Partitioning by key would spread the records; every test topic has one partition for this client.
        'key.separator': FIELD_END,
        'headers.delimiter': FIELD_END,
      };
      await run(version, 'kafka-console-producer', input, [
        ...['--bootstrap-server', bootstrap, '--topic', topic, '--compression-codec', codec],
        ...['--producer-property', 'acks=all', '--producer-property', 'linger.ms=100'],
        ...propertyArguments(properties),
      ]);
    },

    async consume(bootstrap, topic, count) {
      return consume(version, bootstrap, topic, count, ['--from-beginning', '--partition', '0']);
    },

    async consumeInGroup(bootstrap, topic, group, count) {
      return consume(version, bootstrap, topic, count, ['--from-beginning', '--group', group]);
    },
  };
}

export const javaClients: readonly ForeignClient[] = [javaClient(KAFKA_3), javaClient(KAFKA_4)];

function line({ key, value, headers }: TextRecord): string {
  const pairs = Object.entries(headers).map(([name, text]) => `${name}:${text}`);
  return `${[pairs.join(','), key ?? NULL, value ?? NULL].join(FIELD_END)}\n`;
}

async function consume(
  version: string,
  bootstrap: string,
  topic: string,
  count: number,
  more: readonly string[],
): Promise<TextRecord[]> {
  const properties = { 'print.headers': 'true', 'print.key': 'true', 'null.literal': NULL, 'key.separator': FIELD_END };
  const output = await run(version, 'kafka-console-consumer', '', [
    ...['--bootstrap-server', bootstrap, '--topic', topic, '--max-messages', String(count)],
    ...['--timeout-ms', String(CLIENT_MS_MAX)],
    ...more,
    ...propertyArguments({ ...properties, 'headers.separator': ',' }),
  ]);
  return output
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => {
      const [headers = '', key = '', value = ''] = text.split(FIELD_END);
      const pairs = headers.split(',').map((pair) => pair.split(':') as [string, string]);
      return {
        key: key === NULL ? null : key,
        value: value === NULL ? null : value,
        headers: Object.fromEntries(pairs),
      };
    });
}

function propertyArguments(properties: Readonly<Record<string, string>>): string[] {
  return Object.entries(properties).flatMap(([name, value]) => ['--property', `${name}=${value}`]);
}

async function run(version: string, tool: string, input: string, args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await kafkaTool(tool, args, { version, input, timeoutMs: 2 * CLIENT_MS_MAX });
  // The console producer reports errors of sending on its standard error and still ends with 0.
  if (exitCode !== 0 || /\bERROR\b|Exception/.test(stderr)) {
    throw new Error(`${tool} of ${version} ended with ${exitCode}:\n${stderr}\n${stdout.slice(-2000)}`);
  }
  return stdout;
}
