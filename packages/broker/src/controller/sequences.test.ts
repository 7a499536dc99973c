/**
 * A controller of ours is held to what Apache Kafka 3.9.1 said and wrote, but for differences on purpose, each with its reason. One is apart:
 * commands that wait for a broker are joined (`CommandQueue`), which depends on how fast it answers. Each is told by itself while ours are held
 * to Kafka's, and what is sent of the same commands at other paces is held to them.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Asked, Asks } from '../testing/test-captured-asks.ts';
import {
  type Command,
  capturedApis,
  capturedCommands,
  capturedRequests,
  capturedWrites,
  type Line,
  Listener,
  Reader,
  type State,
} from '../testing/test-captured-cluster.ts';
import { CASTS, type Cast, Walk } from '../testing/test-captured-walk.ts';
import { commandLines, sentAtPace, toldAtEnds, toldTooEarly } from '../testing/test-joined-commands.ts';

/** What one broker is told, or what is written, without what a difference on purpose takes out of it. */
interface Difference {
  readonly why: string;
  /** Of what brokers are told. */
  readonly told?: (lines: readonly Line[], whose: 'kafka' | 'ours', to: number) => readonly Line[];
  /** Of what is written. */
  readonly written?: (line: string, whose: 'kafka' | 'ours') => string | undefined;
}

const withStates = (lines: readonly Line[], stays: (state: State, line: Line) => boolean): Line[] =>
  lines.flatMap((line) => {
    const states = line.states.filter((state) => stays(state, line));
    return states.length === 0 && line.states.length > 0 ? [] : [{ ...line, states }];
  });

const withoutFollowing =
  (dead: number): NonNullable<Difference['told']> =>
  (lines, whose) => {
    const leader = whose === 'ours' ? -1 : dead;
    const isOf = new RegExp(` led by ${leader} in \\+0, isr \\[\\S*${dead}\\S*\\] in \\+0`);
    return withStates(lines, ({ text }) => !isOf.test(text));
  };

const sameAs = (one: Line | undefined, other: Line): boolean => JSON.stringify(one) === JSON.stringify(other);

const DIFFERENCES = {
  repeats: {
    why: 'Kafka orders a leader epoch again of who has it already, and is refused with STALE_CONTROLLER_EPOCH; ours keeps silent',
    told: (lines, whose) => (whose === 'ours' ? lines : withStates(lines, ({ isRepeated }) => !isRepeated)),
  },
  echoes: {
    why: 'the same UpdateMetadata twice in a row tells nothing; how often that happens depends on how changes are batched',
    told: (lines) => lines.filter((line, at) => !(line.what.startsWith('Update') && sameAs(lines[at - 1], line))),
  },
  deadLeaders: {
    why: 'a new controller of Kafka first tells everybody to go on following a leader that it knows to be dead; ours says that there is none until it has elected one',
    told: withoutFollowing(1),
  },
  pausedLeaders: {
    why: 'the same of a leader that is paused, and has lost its session',
    told: withoutFollowing(3),
  },
  goneTopics: {
    why: 'a broker that comes back is told by Kafka to follow in topics that are being deleted; ours only has them deleted',
    told: (lines, whose) =>
      whose === 'ours'
        ? lines
        : withStates(
            lines,
            ({ text }, { states }) => !/^gone-\d (is deleted|led by -1)/.test(text) || states.length === 2,
          ),
  },
  lastWords: {
    why: 'a broker that stops is told to stop following once or twice, and what came of it or not: its connection may be gone before',
    told: (lines, _, to) =>
      lines.filter(
        ({ what, header, states }, at) =>
          !(
            (what.startsWith('Stop') && lines.slice(0, at).some((other) => sameAs(other, { what, header, states }))) ||
            (what.startsWith('Update') && states.length > 0 && isAfterStop(lines, at, to))
          ),
      ),
  },
  guards: {
    why: 'Kafka makes writes of configs depend on the node of the controller, for the sake of a migration to KRaft, which is not done here',
    written: (line) => line.replace(/^(\w+ \/config\/.*) under \/controller$/, '$1'),
  },
  lastStates: {
    why: 'the replicas of a topic that goes leave its state one by one, in the order of a hash table at Kafka, and of their ids here',
    written: (line) =>
      /^set \S+\/(plain|gone)\/partitions\/\d\/state led by (-1|\d in \+[23])/.test(line) ||
      /plain\/partitions\/\d\/state led by \d in \+1/.test(line)
        ? undefined
        : line,
  },
  unsaidStop: {
    why: 'a broker that stopped had closed its connection before Kafka could tell it to stop following',
    told: (lines, _, to) =>
      lines.filter(
        ({ what }, at) => !what.startsWith('Stop') && !(what.startsWith('Update') && isAfterStop(lines, at, to)),
      ),
  },
  unseenReturn: {
    why: 'a broker that lost its session while there was no controller is taken for in sync by Kafka; ours lets it come into sync anew (it may have come back with less), so that all that follows would differ: it loses none here',
    written: (line, whose) => (whose === 'kafka' && /^(create|set) \/brokers\/ids\/2$/.test(line) ? undefined : line),
  },
  nothingNew: {
    why: 'when a leader asks for the in-sync replicas that there are, or for some that are refused, Kafka tells all brokers again what they know; ours keeps silent',
    told: (lines, whose) =>
      whose === 'ours'
        ? lines
        : lines.filter(
            ({ what, states }) =>
              !(what.startsWith('Update') && states.every(({ text }) => / in \+0, isr \S+ in \+0 /.test(text))),
          ),
  },
  noRacks: {
    why: 'Kafka with ZooKeeper creates no topic where some brokers have a rack and others none; ours does, as Kafka without ZooKeeper does',
    told: (lines) => withStates(lines, ({ text }) => !text.startsWith('racked-')),
    written: (line) => (/\/topics\/racked/.test(line) ? undefined : line),
  },
  producerIds: {
    why: 'below 3.0 a broker of Kafka takes producer ids when it starts; ours when a producer asks for one',
    written: (line) => (line.includes('/latest_producer_id_block') ? undefined : line),
  },
} satisfies Record<string, Difference>;

/** Whether a line comes after the broker was told to stop following, and before it is back. */
function isAfterStop(lines: readonly Line[], at: number, to: number): boolean {
  const before = lines.slice(0, at).findLast(({ what }) => !what.startsWith('Update'));
  const { what = '', states = [] } = lines[at] ?? {};
  return (
    before?.what.startsWith('Stop') === true &&
    what.includes(`${to}`) &&
    states.every(({ text }) => text.endsWith(`offline [${to}]`))
  );
}

type Name = keyof typeof DIFFERENCES;

/** What differs in which scenario. */
const SCENARIOS: readonly (readonly [scenario: string, differences: readonly Name[]])[] = [
  ['01-boot', []],
  ['02-create', []],
  ['03-kill-leader', ['repeats', 'producerIds']],
  ['04-controlled-shutdown', ['repeats', 'lastWords', 'producerIds']],
  ['05-kill-controller', ['deadLeaders', 'producerIds']],
  ['05b-sigterm-controller', ['repeats', 'echoes']],
  ['06-reassign', ['repeats', 'echoes', 'guards']],
  ['07-config-delete', ['repeats', 'goneTopics', 'lastWords', 'guards', 'lastStates', 'producerIds']],
  ['08-transactions', ['producerIds']],
  ['09-divergence', ['repeats', 'producerIds']],
  ['10-delete-records', ['repeats', 'lastWords']],
  ['11-isr-change', []],
  ['12-pause-controller', ['pausedLeaders', 'unseenReturn']],
  ['13-start-refused', ['repeats']],
  ['14-probes', ['nothingNew']],
  ['15-racks', ['repeats', 'unsaidStop', 'noRacks']],
];

/** One side of a comparison, as text that shows where it differs. */
interface Side {
  readonly told: ReadonlyMap<number, readonly Line[]>;
  readonly isrs: ReadonlyMap<number, readonly string[]>;
  readonly written: readonly string[];
}

/** A side without the differences; notes which of them there were. */
function without(names: readonly Name[], side: Side, whose: 'kafka' | 'ours', found: Set<Name>): Side {
  let rest = side;
  for (const name of names) {
    const { told, written }: Difference = DIFFERENCES[name];
    const next = {
      isrs: rest.isrs,
      told: new Map([...rest.told].map(([to, lines]) => [to, told?.(lines, whose, to) ?? lines])),
      written: rest.written.flatMap((line) => (written === undefined ? line : (written(line, whose) ?? []))),
    };
    if (textOf(next) !== textOf(rest)) found.add(name);
    rest = next;
  }
  return rest;
}

function textOf({ told, isrs, written }: Side): string {
  const lines = [...told]
    .filter(([to, commands]) => commands.length > 0 || (isrs.get(to) ?? []).length > 0)
    .toSorted(([one], [other]) => one - other)
    .flatMap(([to, commands]) => [
      `Broker ${to} is told`,
      ...commands.map(({ what, header, states }) =>
        `${what} ${header} ${states.map(({ text }) => text).join('; ')}`.trimEnd(),
      ),
      'and of in-sync replicas',
      ...(isrs.get(to) ?? []),
    ]);
  return [...lines, 'Written is', ...written].join('\n');
}

interface Sides {
  readonly kafka: Side;
  readonly ours: Side;
  readonly asked: { readonly kafka: Asked; readonly ours: Asked };
}

/** What is asked otherwise beside a controller's commands, on purpose, each with its reason; what of a line it takes out. */
const ASKED_OTHERWISE: Readonly<Record<string, { readonly why: string; readonly rest: (line: string) => string }>> = {
  twice: {
    why: 'a leader of Kafka whose request went to a controller that was just gone asks the next one for the same in-sync replicas again; ours asks when it has heard of the next',
    rest: (line) => line.replace(/(\d wants [^;]*); \1/g, '$1'),
  },
  inBetween: {
    why: 'a follower of Kafka waits for the answer to the fetch under way before it asks a leader of a new epoch, and has passed that over when the next has come, or the topic has gone; ours interrupts the fetch',
    rest: (line) =>
      line
        .replace(/^(3 follows in moves-0: 1 in \+1); 2 in \+2/, '$1')
        .replace(/^(\d follows in gone-\d: \d in \+0); \d in \+1$/, '$1'),
  },
  throttled: {
    why: 'a follower of Kafka that is throttled does not ask at all; in place of the throttle it is cut off here, and asks in vain',
    rest: (line) => line.replace(/^3 follows in moves-1: .*/, ''),
  },
  racked: {
    why: 'Kafka with ZooKeeper creates no topic where some brokers have a rack and others none; ours does, as Kafka without ZooKeeper does',
    rest: (line) => line.replace(/^\d follows in racked-.*/, ''),
  },
  itself: {
    why: 'a broker of Kafka asks itself over the network too, where it coordinates a transaction and leads a partition of it; ours asks itself',
    rest: (line) => withoutAsked(line, /(\d) asks \1 /),
  },
  ids: {
    why: 'a broker of ours takes producer ids from the store itself, as those of Kafka do below 3.0, which is safe beside those that ask the controller',
    rest: (line) => withoutAsked(line, / for producer ids$/),
  },
  untold: {
    why: 'a broker that stopped had closed its connection before Kafka could tell it to stop following',
    rest: (line) => line.replace(/^1 asks 2 .*/, (text) => text.replace(', is told to stop', '')),
  },
};

/** For transactions, without what is not to be compared. */
function withoutAsked(line: string, what: RegExp): string {
  const [, whose, asked] = /^(for transactions \d: )(.*)/.exec(line) ?? [];
  if (whose === undefined || asked === undefined) return line;
  const rest = asked.split('; ').filter((each) => !what.test(each));
  return `${whose}${rest.join('; ')}`;
}

/** Which of them there are in which scenario; what a cast's prefix stands before is of that one alone. */
const OTHERWISE_IN: Readonly<Record<string, readonly string[]>> = {
  '05-kill-controller': ['twice'],
  '05b-sigterm-controller': ['twice'],
  '06-reassign': ['inBetween', 'throttled'],
  '07-config-delete': ['inBetween'],
  '08-transactions': ['itself', 'ids'],
  // Its coordinator leads none of the partitions.
  'ibp2.8-08-transactions as far as it was captured': [],
  '12-pause-controller': ['twice'],
  '13-start-refused': ['twice'],
  '15-racks': ['racked', 'untold'],
};

/** What was asked, without what differs on purpose, of which it notes what there was. */
function askedAlike(
  { followed, wanted, stops, transactions }: Asked,
  names: readonly string[],
  found: Set<string>,
): string[] {
  return [...followed, ...wanted, ...stops, ...transactions].flatMap((line) => {
    let rest = line;
    for (const name of names) {
      const next = ASKED_OTHERWISE[name]?.rest(rest) ?? rest;
      if (next !== rest) found.add(name);
      rest = next;
    }
    return rest === '' ? [] : [rest];
  });
}

interface Walked {
  readonly sides: Map<string, Sides>;
  /** What our controllers said in each scenario. */
  readonly said: ReadonlyMap<string, readonly Command[]>;
  /** What brokers ask one another, with its version. */
  readonly asked: ReadonlySet<string>;
  /** How their fetches look. */
  readonly fetches: { readonly kafka: readonly string[]; readonly ours: readonly string[] };
}

/** All scenarios, one after the other, on both sides. */
async function walked(cast: Cast): Promise<Walked> {
  const walk = await Walk.start(cast);
  const heard = await walk.all();
  const { asked } = walk;
  await walk.stop();
  const kafka = [new Listener(), new Reader()] as const;
  const ours = [new Listener(), new Reader()] as const;
  const asks = { kafka: new Asks(), ours: new Asks() };
  const sides = new Map<string, Sides>();
  for (const [name, { commands, requests, writes }] of heard) {
    const [theirs, own] = [kafka[0].told(capturedCommands(name)), ours[0].told(commands)];
    // What brokers write when they start first stands in the trees; of one scenario no writes were captured.
    const isWritten = !name.endsWith('01-boot') && name !== 'ibp2.8-10-delete-records';
    sides.set(name, {
      kafka: { told: theirs.inOrder, isrs: theirs.isrs, written: kafka[1].written(capturedWrites(name)) },
      ours: { told: own.inOrder, isrs: own.isrs, written: isWritten ? ours[1].written(writes) : [] },
      asked: { kafka: asks.kafka.asked(capturedRequests(name)), ours: asks.ours.asked(requests) },
    });
  }
  const said = new Map([...heard].map(([name, { commands }]) => [name, commands]));
  return { sides, said, asked, fetches: { kafka: asks.kafka.fetches, ours: asks.ours.fetches } };
}

/** What the walk does not lead to, connections, and what brokers of ours do not ask: see `ids`. */
const UNASKED = /^(ApiVersions|AllocateProducerIds) /;

/** Brokers of ours ask one another in which version they take markers, since the newest tells of epochs that rise with each transaction (KIP-890). */
const NEWER = new Map([['WriteTxnMarkers 1', 'WriteTxnMarkers 2']]);

/** A broker answers one command whenever so many have come; the last of them has not answered any when all have come. */
const PACES = [2, 3, 10, Number.POSITIVE_INFINITY];

/** A walk takes seconds, if the machine has them to give. */
const WALK_MS_MAX = 240_000;

describe.each(CASTS)('a controller under inter.broker.protocol.version $release, $kind', (cast) => {
  let sides: Map<string, Sides>;
  let said: Walked['said'];
  let asked: ReadonlySet<string>;
  let fetches: Walked['fetches'];
  beforeAll(async () => {
    ({ sides, said, asked, fetches } = await walked(cast));
  }, WALK_MS_MAX);

  it('has followers that fetch as those of Kafka do, but wait no longer than until a partition that is held back is due', () => {
    const ours = fetches.ours.filter((shape) => !/^for [1-4]?\d?\d ms/.test(shape));
    expect(ours).toEqual(fetches.kafka);
    expect(ours).toHaveLength(2);
  });

  it.each(cast.scenarios)('has brokers ask one another in %s what those of Kafka do, in the same order', (scenario) => {
    const name = `${cast.prefix}${scenario}`;
    const { kafka, ours } = (sides.get(name) as Sides).asked;
    const names = OTHERWISE_IN[`${name} ${cast.kind}`] ?? OTHERWISE_IN[scenario] ?? [];
    const found = new Set<string>();
    const expected = askedAlike(kafka, names, found);
    expect(askedAlike(ours, names, found)).toEqual(expected);
    expect([...found].sort()).toEqual(names.toSorted());
    // In-sync replicas come when their leader has asked for them, and sessions go on.
    expect([kafka.faults, ours.faults]).toEqual([[], []]);
  });

  it('speaks, as its brokers do among themselves, in the versions of Kafka', () => {
    const kafka = capturedApis(cast.scenarios.map((name) => `${cast.prefix}${name}`));
    const expected = [...kafka].filter((api) => !UNASKED.test(api)).map((api) => NEWER.get(api) ?? api);
    expect([...asked].sort()).toEqual(expected.sort());
  });

  it.each(SCENARIOS.filter(([scenario]) => cast.scenarios.includes(scenario)))(
    'says and writes in %s what Kafka does, in the same order, but for a list of differences',
    (scenario, listed) => {
      // Only an old cluster takes producer ids when it starts.
      const names = listed.filter((name) => name !== 'producerIds' || cast.release === '2.8');
      const both = sides.get(`${cast.prefix}${scenario}`) as Sides;
      expect(both.kafka.told.size).toBeGreaterThan(1);
      const found = new Set<Name>();
      const kafka = textOf(without(names, both.kafka, 'kafka', found));
      expect(textOf(without(names, both.ours, 'ours', found))).toBe(kafka);
      // What differs no longer has no place in the list.
      expect([...found].sort()).toEqual(names.toSorted());
    },
  );

  it.each(PACES)(
    'tells a broker the same in fewer commands when it answers one of %s, each leader before all others',
    (pace) => {
      let [given, joined] = [0, 0];
      for (const scenario of cast.scenarios) {
        for (const line of commandLines(said.get(`${cast.prefix}${scenario}`) ?? [])) {
          const sent = sentAtPace(line, pace);
          expect(toldAtEnds(sent)).toEqual(toldAtEnds(line));
          // A broker that comes back is told of everything before it is ordered anything, by Kafka too.
          const early = toldTooEarly(line, line);
          expect(toldTooEarly(sent, line).filter((epoch) => !early.includes(epoch))).toEqual([]);
          given += line.length;
          joined += line.length - sent.length;
        }
      }
      expect(given).toBeGreaterThan(30);
      expect(joined).toBeGreaterThan(0);
    },
  );
});
