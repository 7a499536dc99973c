/** `pnpm bench micro`: the parts one by one, against kafkajs's and @platformatic/kafka's own where they can be called. */
import { join } from 'node:path';
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { type Limits, limitsOf } from './limits.ts';
import { cases as logCases } from './micro/log-cases.ts';
import { cases as protocolCases } from './micro/protocol-cases.ts';
import { cases as recordsCases } from './micro/records-cases.ts';
import { bytesPerSecond, type CaseRounds, runCases, unitsPerSecond } from './micro/run-cases.ts';
import { cases as structureCases } from './micro/structure-cases.ts';
import { bytesRate, median, percent, si, summarize, timesByRound } from './report/statistics.ts';
import { secondary } from './rounds.ts';

const groups = {
  records: { file: 'records-cases.ts', cases: recordsCases, unit: 'records', title: 'Record batches' },
  protocol: { file: 'protocol-cases.ts', cases: protocolCases, unit: 'messages', title: 'Messages of the protocol' },
  log: { file: 'log-cases.ts', cases: logCases, unit: 'batches', title: "A partition's log" },
  structures: { file: 'structure-cases.ts', cases: structureCases, unit: 'entries', title: 'Timers and queues' },
};

export const bench: Bench = {
  title: 'Micro',
  about: 'record batches, protocol codec, CRC, compression, the log, timers and queues; one by one',
  parts: Object.keys(groups),
  seconds: { full: 130, quick: 50 },
  run: measureMicro,
};

async function measureMicro(whole: BenchContext, findings: Findings): Promise<void> {
  const context = secondary(whole);
  const limits = await limitsOf(context);
  for (const [group, { file, cases, unit, title }] of Object.entries(groups)) {
    if (!isWanted(context, group)) continue;
    await findings.attempt(title, async () => {
      const results = await runCases(join(import.meta.dirname, 'micro', file), Object.keys(cases), context);
      findings.raw(group, Object.fromEntries(results));
      findings.table({
        title,
        columns: ['what', `${unit}/s`, 'bytes/s', 'a call', 'share of limit', 'ours against it'],
        rows: [...results].map(([name, rounds]) => [
          name,
          summarize(unitsPerSecond(rounds), si),
          rounds.bytes === 0 ? '' : bytesRate(median(bytesPerSecond(rounds))),
          `${si(median(rounds.callNs) / 1000)} us`,
          share(name, rounds, limits),
          ratio(name, results),
        ]),
        notes: LIMIT_NOTES[group] ?? [],
      });
    });
  }
}

const LIMIT_NOTES: Readonly<Record<string, readonly string[]>> = {
  records: ['Limit: of CRC and check, crc32c of 1 MiB; of building and reading, a copy of memory.'],
  log: ['Limit: writes of 1 MiB one after the other on this disk, with O_DSYNC or not; of reading, a copy of memory.'],
};

function share(name: string, rounds: CaseRounds, limits: Limits): string {
  const limit = limitFor(name, limits);
  return limit === undefined || rounds.bytes === 0 ? '' : percent(median(bytesPerSecond(rounds)) / limit);
}

/** What a case cannot go beyond. Compression has no limit but itself. */
function limitFor(name: string, limits: Limits): number | undefined {
  if (name.startsWith('crc32c') || name.startsWith('check')) return limits.crc;
  if (name.startsWith('append synced')) return limits.syncedWrite;
  if (name.startsWith('append unsynced')) return limits.write;
  if (name.includes('compress')) return undefined;
  // The tail is read without touching what is read: views of it are handed out.
  if (name.includes('tail') || name.includes('cursor')) return undefined;
  return name.startsWith('read') || name.startsWith('build') ? limits.copy : undefined;
}

/** How many times as fast ours does the same thing, for the case of a peer. */
function ratio(name: string, results: ReadonlyMap<string, CaseRounds>): string {
  const [, verb, peer, size] = /^(.+) (kafkajs|@platformatic\/kafka), (.+)$/.exec(name) ?? [];
  const theirs = results.get(name);
  const ours = results.get(`${verb} millrace, ${size}`) ?? results.get(`${verb} millrace, every value, ${size}`);
  if (peer === undefined || theirs === undefined || ours === undefined) return '';
  return timesByRound(unitsPerSecond(ours), unitsPerSecond(theirs));
}
