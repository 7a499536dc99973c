/** kcat: librdkafka on the command line. */
import { CODECS, type ForeignClient, type TextRecord } from './client.ts';
import { runProgram } from './program.ts';

// Separators that no test record contains: ASCII's own unit and record separators.
const KEY_END = '\x1f';
const RECORD_END = '\x1e';

export const kcat: ForeignClient = {
  name: 'kcat',
  codecs: CODECS,

  async version() {
    const [, own = '?', library = '?'] =
      /Version ([\d.]+).*librdkafka ([\d.]+)/.exec(await runProgram('kcat', ['-V'])) ?? [];
    return `kcat ${own} (librdkafka ${library})`;
  },

  async produce(bootstrap, topic, codec, records) {
    const headers = Object.entries(records[0]?.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}=${value}`]);
    const input = records.map(({ key, value }) => `${key ?? ''}${KEY_END}${value ?? ''}`).join(RECORD_END);
    const args = ['-P', '-b', bootstrap, '-t', topic, '-p', '0', '-z', codec, '-X', 'acks=all', '-Z'];
    await runProgram('kcat', [...args, '-K', KEY_END, '-D', RECORD_END, ...headers], { input });
  },

  async consume(bootstrap, topic, count) {
    const args = ['-C', '-b', bootstrap, '-t', topic, '-p', '0', '-o', 'beginning', '-c', String(count), '-J', '-q'];
    return parseLines(await runProgram('kcat', [...args, '-X', 'check.crcs=true']));
  },

  async consumeInGroup(bootstrap, topic, group, count) {
    const args = ['-b', bootstrap, '-X', 'auto.offset.reset=earliest', '-X', 'check.crcs=true', '-J', '-q'];
    return parseLines(await runProgram('kcat', [...args, '-c', String(count), '-G', group, topic]));
  },
};

/** kcat -J prints a JSON object a line, with headers as a flat list of names and values. */
function parseLines(output: string): TextRecord[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const {
        key,
        payload,
        headers = [],
      } = JSON.parse(line) as {
        key: string | null;
        payload: string | null;
        headers?: string[];
      };
      const pairs = headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1] ?? '']] : []));
      return { key, value: payload, headers: Object.fromEntries(pairs) };
    });
}
