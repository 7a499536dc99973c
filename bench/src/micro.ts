/** `pnpm bench micro`: the parts one by one, against kafkajs's and @platformatic/kafka's own where they can be called. */
import { join } from 'node:path';
import { type Bench, type BenchContext, isWanted, type Section, type Table } from './bench.ts';
import { cases as logCases } from './micro/log-cases.ts';
import { cases as protocolCases } from './micro/protocol-cases.ts';
import { cases as recordsCases } from './micro/records-cases.ts';
import { bytesPerSecond, type CaseRounds, runCases, unitsPerSecond } from './micro/run-cases.ts';
import { median, si, summarize, times } from './report/statistics.ts';

const groups = {
  records: { file: 'records-cases.ts', cases: recordsCases, unit: 'records', title: 'Record batches' },
  protocol: { file: 'protocol-cases.ts', cases: protocolCases, unit: 'messages', title: 'Messages of the protocol' },
  log: { file: 'log-cases.ts', cases: logCases, unit: 'batches', title: "A partition's log" },
};

export const bench: Bench = {
  about: 'record batches, protocol codec, CRC, compression, the log; one by one',
  parts: Object.keys(groups),
  run: measureMicro,
};

async function measureMicro(context: BenchContext): Promise<Section> {
  const tables: Table[] = [];
  const raw: Record<string, unknown> = {};
  for (const [group, { file, cases, unit, title }] of Object.entries(groups)) {
    if (!isWanted(context, group)) continue;
    context.progress(`micro: ${title}`);
    const results = await runCases(join(import.meta.dirname, 'micro', file), Object.keys(cases), context);
    raw[group] = Object.fromEntries(results);
    tables.push({
      title,
      columns: ['what', `${unit}/s`, 'bytes/s', 'a call', 'ours against it'],
      rows: [...results].map(([name, rounds]) => [
        name,
        summarize(unitsPerSecond(rounds), si),
        rounds.bytes === 0 ? '' : `${si(median(bytesPerSecond(rounds)))}B/s`,
        `${si(median(rounds.callNs) / 1000)} us`,
        ratio(name, results),
      ]),
    });
  }
  return { title: 'Micro', tables, raw };
}

/** How many times as fast ours does the same thing, for the case of a peer. */
function ratio(name: string, results: ReadonlyMap<string, CaseRounds>): string {
  const [, verb, peer, size] = /^(.+) (kafkajs|@platformatic\/kafka), (.+)$/.exec(name) ?? [];
  const theirs = results.get(name);
  const ours = results.get(`${verb} millrace, ${size}`) ?? results.get(`${verb} millrace, every value, ${size}`);
  if (peer === undefined || theirs === undefined || ours === undefined) return '';
  return times(median(unitsPerSecond(ours)), median(unitsPerSecond(theirs)));
}
