/** What access rules cost a request, by the processor time of a broker that asks them and of one that does not. */
import { Admin, type NewAcl } from '@millrace/admin';
import { seededRandom } from '@millrace/ports';
import type { BenchContext, Findings } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic } from './brokers.ts';
import type { RawResult } from './clients/jobs.ts';
import { runRaw } from './clients/run-client.ts';
import { digits, median, summarize } from './report/statistics.ts';
import { inTurns } from './rounds.ts';

/** Of other principals and topics, so that a rule is not the only one. */
const RULES = 200;
/**
 * How often both brokers are started. No two processes compile the same code alike: of two that have the same settings, one took up to some
 * percent more than the other for as long as both ran.
 */
const STARTS = { full: 6, quick: 1 };
/** Pairs of short runs of each start, a run each with rules and without: what the machine does besides hits both alike. */
const PAIRS = { full: 5, quick: 3 };
const PAIR = { warmUpMs: 150, timeMs: 500, requestsMin: 2_000 };
/** Until what is asked most has been compiled, also where the machine is busy and little is asked in a second. */
const FIRST = { warmUpMs: 1_000, timeMs: 100, requestsMin: 8_000 };
const LOAD = { partitions: 1, connections: 4, inFlight: 2, batchBytes: 1_000 };
const APIS = ['Produce', 'Fetch'] as const;
/** How many of resampled medians the interval holds. */
const RESAMPLES = 2_000;

const WITHOUT = 'without an authorizer';
const WITH = 'with rules';

type Api = (typeof APIS)[number];
/** Microseconds of a request, run by run. */
type Found = Record<typeof WITHOUT | typeof WITH, number[]>;

/** The same requests to both in turns, again and again, of brokers that are started anew. */
export async function measureRules(context: BenchContext, findings: Findings): Promise<void> {
  const starts: Record<Api, Found>[] = [];
  const wanted = context.isQuick ? STARTS.quick : STARTS.full;
  for (let start = 0; start < wanted; start += 1) {
    context.progress(`Access rules, start ${start + 1} of ${wanted}`);
    starts.push(await measureStart(context, start % 2 === 1));
  }
  findings.raw('rules', { starts });
  findings.table({
    title: `Processor time of the broker per request, ${RULES} access rules`,
    columns: ['request', WITHOUT, WITH, 'cost', '95 of 100'],
    rows: APIS.map((api) =>
      rowOf(
        api,
        starts.map((start) => start[api]),
      ),
    ),
    notes: [
      `In microseconds; ${wanted} starts of both brokers, with ${context.isQuick ? PAIRS.quick : PAIRS.full} pairs of runs of ${PAIR.timeMs} ms and ${PAIR.requestsMin} requests at least, in turns. The cost is the median of the pairs; the interval is that of medians of resampled starts, and of resampled pairs of them. Aimed at: below 3 %.`,
    ],
  });
}

async function measureStart(context: BenchContext, isAskingFirst: boolean): Promise<Record<Api, Found>> {
  const started: RunningBroker[] = [];
  try {
    const both = [];
    for (const label of isAskingFirst ? ([WITH, WITHOUT] as const) : ([WITHOUT, WITH] as const)) {
      const broker = label === WITH ? await startAsking() : await brokerKinds['Millrace, no sync']!();
      started.push(broker);
      if (label === WITH) await makeRules(broker);
      both.push({ label, broker });
    }
    const found: Partial<Record<Api, Found>> = {};
    for (const api of APIS) {
      for (const { broker } of both) await run(api, broker, FIRST);
      const rounds = context.isQuick ? PAIRS.quick : PAIRS.full;
      const results = await inTurns(both, { ...context, rounds }, ({ broker }) => run(api, broker, PAIR));
      const of = (label: string): number[] => (results.get(label) ?? []).map(perRequest);
      found[api] = { [WITHOUT]: of(WITHOUT), [WITH]: of(WITH) };
    }
    // All have just been measured.
    return found as Record<Api, Found>;
  } finally {
    for (const broker of started) await broker.stop();
  }
}

function startAsking(): Promise<RunningBroker> {
  return brokerKinds['Millrace, no sync']!({
    // Until there are rules, whoever makes them needs none.
    config: {
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'allow.everyone.if.no.acl.found': 'true',
    },
  });
}

function run(api: Api, broker: RunningBroker, times: typeof PAIR): Promise<RawResult> {
  return withTopic(broker, 1, (topic) => runRaw({ topics: [topic], ...LOAD, api, ...times }, broker));
}

function perRequest({ brokerCpuMs, requests }: RawResult): number {
  return (brokerCpuMs * 1000) / requests;
}

function rowOf(api: Api, starts: readonly Found[]): string[] {
  const costs = starts.map((start) =>
    start[WITH].map((us, pair) => (us / (start[WITHOUT][pair] ?? Number.NaN) - 1) * 100),
  );
  const [least, most] = intervalOf(costs);
  const all = (label: keyof Found): string =>
    summarize(
      starts.flatMap((start) => start[label]),
      digits,
    );
  const cost = `${digits(median(costs.flat()))} %`;
  return [api, all(WITHOUT), all(WITH), cost, `${digits(least)} to ${digits(most)} %`];
}

/** The interval that holds 95 of 100 medians of values drawn from groups that are drawn themselves, the same each time. */
function intervalOf(groups: readonly (readonly number[])[]): readonly [number, number] {
  const random = seededRandom(1);
  const drawn = <Value>(values: readonly Value[]): Value[] =>
    // There is one at every place.
    values.map(() => values[random.nextInt(values.length)] as Value);
  const medians = Array.from({ length: RESAMPLES }, () => median(drawn(groups).flatMap(drawn))).toSorted(
    (a, b) => a - b,
  );
  const at = (share: number): number => medians[Math.floor(share * (medians.length - 1))] ?? Number.NaN;
  return [at(0.025), at(0.975)];
}

/** Rules that give the client of the bench what it does, among those of others. */
async function makeRules({ bootstrap }: RunningBroker): Promise<void> {
  await using admin = new Admin({ bootstrapServers: bootstrap });
  const rule = (principal: string, rest: Pick<NewAcl, 'resourceType' | 'resourceName' | 'patternType'>): NewAcl => ({
    principal,
    permission: 'allow',
    operation: 'all',
    ...rest,
  });
  const own = 'User:ANONYMOUS';
  const others = Array.from({ length: RULES - 2 }, (_, index) =>
    rule(`User:other-${index}`, {
      resourceType: 'topic',
      resourceName: index % 2 === 0 ? `bench-${index}` : `b${index}`,
      patternType: index % 2 === 0 ? 'literal' : 'prefixed',
    }),
  );
  await admin.createAcls([
    rule(own, { resourceType: 'cluster', resourceName: 'kafka-cluster' }),
    rule(own, { resourceType: 'topic', resourceName: 'bench-', patternType: 'prefixed' }),
    ...others,
  ]);
}
