/** kafka-python: every codec, both ways with kcat; a group; admin. */
import {
  administerWithPython,
  CODECS,
  type ForeignClient,
  kafkaPython,
  kcat,
  sampleRecords,
} from '../clients/index.ts';
import type { Case } from './report.ts';

export function pythonCases(bootstrap: string): Case[] {
  const topic = `python-${process.pid}`;
  const exchange = (codec: (typeof CODECS)[number], writer: ForeignClient, reader: ForeignClient): Case => ({
    name: `${reader.name} reads what ${writer.name} wrote with ${codec}`,
    async run() {
      const own = `${topic}-${writer.name}-${codec}`;
      const records = sampleRecords(writer.name, codec);
      await writer.produce(bootstrap, own, codec, records);
      const read = await reader.consume(bootstrap, own, records.length);
      return expectSame(read, records);
    },
  });
  return [
    ...CODECS.flatMap((codec) => [exchange(codec, kafkaPython, kcat), exchange(codec, kcat, kafkaPython)]),
    {
      name: 'a group goes on where it was',
      async run() {
        const own = `${topic}-group`;
        const records = sampleRecords('kafka-python', 'none');
        await kafkaPython.produce(bootstrap, own, 'none', records);
        const first = await kafkaPython.consumeInGroup(bootstrap, own, own, 2);
        const rest = await kafkaPython.consumeInGroup(bootstrap, own, own, 3);
        return expectSame([...first, ...rest], records);
      },
    },
    {
      name: 'admin: topics, partitions, configurations, groups, offsets, log directories',
      async run() {
        await administerWithPython(bootstrap, `${topic}-admin`, `${topic}-group`);
        return undefined;
      },
    },
  ];
}

function expectSame(read: unknown, written: unknown): undefined {
  if (JSON.stringify(read) !== JSON.stringify(written)) throw new Error(`read ${JSON.stringify(read).slice(0, 1000)}`);
  return undefined;
}
