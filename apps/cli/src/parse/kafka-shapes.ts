import { nearestName } from '@millrace/ports';
import { usageError } from '../errors.ts';

/**
 * Command lines in the shape of Kafka's own tools, as those of Millrace: `topics --create --topic t` is `topics create t`. Fingers
 * and scripts know the one shape, and nothing is gained by refusing it.
 */

type Translate = (line: Line) => string[];

const TRANSLATIONS: Readonly<Record<string, Translate>> = {
  topics: (line) => {
    const verb = line.verb({
      create: 'create',
      list: 'list',
      describe: 'describe',
      delete: 'delete',
      alter: 'add-partitions',
    });
    if (verb.includes('list')) line.drop('--exclude-internal');
    for (const which of ['--under-replicated', '--unavailable', '--under-min-isr'])
      line.rename(`${which}-partitions`, which);
    return ['topics', ...verb, ...line.valuesOf('--topic'), ...line.rest()];
  },
  groups: (line) => {
    const verb = line.verb({
      list: 'list',
      describe: 'describe',
      'reset-offsets': 'reset-offsets',
      'delete-offsets': 'delete-offsets',
      delete: 'delete',
    });
    // What these choose from is shown at once.
    if (verb.includes('describe')) line.drop('--members', '--offsets', '--verbose', '--state', '--all-groups');
    // Kafka's shows states where none is named, as ours does always.
    if (verb.includes('list') && line.peek('--state').every((value) => value.startsWith('-'))) line.drop('--state');
    return ['groups', ...verb, ...line.valuesOf('--group'), ...line.rest()];
  },
  configs: (line) => {
    const quotas = quotasOf(line);
    if (quotas !== undefined) return quotas;
    const resource = resourceOf(line);
    if (resource === undefined) return ['configs', ...line.rest()];
    const added = line.valuesOf('--add-config').flatMap(assignments);
    const removed = line.valuesOf('--delete-config').flatMap((names) => names.split(','));
    const verb = added.length > 0 ? 'set' : removed.length > 0 ? 'unset' : 'describe';
    // Both at once are two commands here; what stays over is refused by name.
    const over = added.length > 0 ? removed.flatMap((name) => ['--delete-config', name]) : [];
    line.drop('--describe', '--alter');
    return ['configs', verb, ...resource, ...added, ...removed.slice(over.length / 2), ...line.rest(), ...over];
  },
  consume: (line) => {
    for (const property of line.valuesOf('--property')) {
      const [name = '', value = ''] = property.split(/=(.*)/s);
      line.add(...(value === 'false' ? [] : (CONSUME_PROPERTIES[name]?.(value) ?? ['--property', property])));
    }
    line.rename('--consumer.config', '--command-config');
    line.rename('--isolation', '--isolation-level');
    line.renameInUnits('--timeout-ms', '--idle-timeout', 'milliseconds');
    return ['consume', ...line.valuesOf('--topic'), ...line.rest()];
  },
  produce: (line) => {
    const properties = line.valuesOf('--property');
    const separator = properties.find((each) => each.startsWith('key.separator='))?.slice('key.separator='.length);
    if (properties.includes('parse.key=true')) line.add('--key-separator', separator ?? '\\t');
    const known = /^(?:key\.separator=|parse\.key=)/;
    for (const property of properties.filter((each) => !known.test(each))) line.add('--property', property);
    // There it is how long a batch waits for more records.
    if (line.isTool) line.valuesOf('--timeout');
    line.rename('--broker-list', '--bootstrap-server');
    line.rename('--compression-codec', '--compression');
    line.rename('--producer.config', '--command-config');
    line.rename('--request-required-acks', '--acks');
    return ['produce', ...line.valuesOf('--topic'), ...line.rest()];
  },
  offsets: (line) => {
    const times: Readonly<Record<string, string>> = { '-1': 'latest', '-2': 'earliest', '-3': 'max-timestamp' };
    for (const time of line.valuesOf('--time')) line.add('--at', times[time] ?? time);
    line.rename('--partitions', '--partition');
    line.rename('--broker-list', '--bootstrap-server');
    return ['offsets', ...line.valuesOf('--topic'), ...line.rest()];
  },
  'log-dirs': (line) => {
    line.drop('--describe');
    line.rename('--broker-list', '--broker');
    return ['log-dirs', ...line.valuesOf('--topic-list').flatMap((list) => list.split(',')), ...line.rest()];
  },
  transactions: (line) => {
    const [verb, ...more] = line.verb({});
    line.renameInUnits('--duration-filter', '--open-for', 'milliseconds');
    line.rename('--transactional-id-pattern', '--id-pattern');
    line.renameInUnits('--max-transaction-timeout', '--idle-for', 'minutes');
    // The one verb, and the one option, that Kafka writes in another way than all others.
    const own = verb === 'forceTerminateTransaction' ? 'force-terminate' : verb;
    const ids = [...line.valuesOf('--transactional-id'), ...line.valuesOf('--transactionalId')];
    const topics = verb === 'find-hanging' ? [] : line.valuesOf('--topic');
    return ['transactions', ...(own === undefined ? [] : [own, ...more]), ...ids, ...topics, ...line.rest()];
  },
  partitions: (line) => {
    const [verb, ...more] = line.verb({});
    if (verb === 'reassign') return ['partitions', ...reassign(line)];
    return ['partitions', ...(verb === undefined ? [] : [verb, ...more]), ...line.rest()];
  },
  'reassign-partitions': (line) => ['partitions', ...reassign(line)],
  'leader-election': (line) => {
    const [type] = line.valuesOf('--election-type');
    if (type !== undefined) line.add(`--${type.toLowerCase()}`);
    line.rename('--all-topic-partitions', '--all-topics');
    line.rename('--path-to-json-file', '--file');
    line.rename('--admin.config', '--command-config');
    return ['partitions', 'elect', ...line.rest()];
  },
  acls: (line) => {
    const verb = line.verb({ add: 'add', list: 'list', remove: 'remove' });
    // Rules of both kinds are two commands here; what stays over is refused by name.
    const kind = line.has('--deny-principal') && !line.has('--allow-principal') ? 'deny' : 'allow';
    for (const which of ['principal', 'host']) line.rename(`--${kind}-${which}`, `--${which}`);
    if (kind === 'deny') line.add('--deny');
    // Where nobody is named, Kafka's removes what allows and what forbids.
    else if (verb.includes('remove') && !line.has('--principal')) line.add('--any');
    line.rename('--user-principal', '--user');
    for (const pattern of line.valuesOf('--resource-pattern-type')) {
      if (pattern === 'prefixed') line.add('--prefixed');
      else if (pattern !== 'literal') line.add('--resource-pattern-type', pattern);
    }
    return ['acls', ...verb, ...line.rest()];
  },
  'dump-log': (line) => {
    line.rename('--print-data-log', '--records');
    line.drop('--deep-iteration');
    return ['log', 'dump', ...line.valuesOf('--files').flatMap((files) => files.split(',')), ...line.rest()];
  },
  'server-start': (line) => {
    const [file, ...rest] = line.rest();
    return ['start', ...(file === undefined || file.startsWith('-') ? line.rest() : ['--config', file, ...rest])];
  },
  'zookeeper-shell': (line) => {
    const [ensemble, ...rest] = line.rest();
    if (ensemble === undefined || ensemble.startsWith('-')) return ['metadata', ...line.rest()];
    return ['metadata', ...rest, '--override', `zookeeper.connect=${ensemble}`];
  },
  cluster: (line) => {
    // kafka-cluster's only other verb asks KRaft for something.
    line.drop('cluster-id');
    return ['cluster', ...line.rest()];
  },
};

function reassign(line: Line): string[] {
  const verb = line.verb({
    generate: 'generate',
    execute: 'execute',
    verify: 'verify',
    cancel: 'cancel',
    list: 'list',
  });
  line.rename('--reassignment-json-file', '--plan');
  line.rename('--replica-alter-log-dirs-throttle', '--log-dirs-throttle');
  line.rename('--topics-to-move-json-file', '--topics-file');
  line.rename('--broker-list', '--brokers');
  line.rename('--disable-rack-aware', '--no-rack-aware');
  return ['reassign', ...verb, ...line.rest()];
}

/** The names of Kafka's tools, with and without their ending. */
const TOOLS: Readonly<Record<string, string>> = {
  'kafka-topics': 'topics',
  'consumer-groups': 'groups',
  'kafka-consumer-groups': 'groups',
  'kafka-configs': 'configs',
  'kafka-console-consumer': 'consume',
  'console-consumer': 'consume',
  'kafka-console-producer': 'produce',
  'console-producer': 'produce',
  'kafka-get-offsets': 'offsets',
  'kafka-log-dirs': 'log-dirs',
  'kafka-reassign-partitions': 'reassign-partitions',
  'kafka-transactions': 'transactions',
  'kafka-leader-election': 'leader-election',
  'kafka-cluster': 'cluster',
  'kafka-acls': 'acls',
  'kafka-dump-log': 'dump-log',
  'kafka-server-start': 'server-start',
  // What `kafka-run-class` is given where a tool has no script of its own.
  'kafka.tools.GetOffsetShell': 'offsets',
  'org.apache.kafka.tools.GetOffsetShell': 'offsets',
  'kafka.tools.DumpLogSegments': 'dump-log',
  'kafka.admin.ConsumerGroupCommand': 'groups',
  'kafka.admin.TopicCommand': 'topics',
};

const CONSUME_PROPERTIES: Readonly<Record<string, (value: string) => string[]>> = {
  'print.key': () => ['--print-key'],
  'print.value': () => [],
  'print.timestamp': () => ['--print-timestamp'],
  'print.partition': () => ['--print-partition'],
  'print.offset': () => ['--print-offset'],
  'print.headers': () => ['--print-headers'],
  'key.separator': (value) => ['--separator', value],
};

const ENTITIES: Readonly<Record<string, string>> = {
  topics: 'topic',
  brokers: 'broker',
  topic: 'topic',
  broker: 'broker',
};

/** Options of Kafka's tools that are understood without being options of ours: what a misspelt one may have meant. */
export const KAFKA_OPTIONS: readonly string[] = [
  ...['--topic', '--group', '--create', '--list', '--describe', '--delete', '--alter', '--property'],
  ...['--entity-type', '--entity-name', '--entity-default', '--add-config', '--delete-config'],
  ...['--reset-offsets', '--delete-offsets', '--members', '--verbose', '--state', '--all-groups'],
  ...['--consumer.config', '--producer.config', '--timeout-ms', '--time', '--topic-list', '--broker-list'],
  ...['--compression-codec', '--request-required-acks', '--under-replicated-partitions', '--unavailable-partitions'],
  ...['--election-type', '--all-topic-partitions', '--path-to-json-file', '--files', '--print-data-log'],
  ...['--execute', '--verify', '--generate', '--cancel', '--reassignment-json-file', '--topics-to-move-json-file'],
  ...['--allow-principal', '--deny-principal', '--allow-host', '--deny-host', '--resource-pattern-type'],
  ...[
    '--transactional-id',
    '--transactionalId',
    '--transactional-id-pattern',
    '--duration-filter',
    '--max-transaction-timeout',
  ],
];

/** Options that name what something is to be done with. */
const ABOUT: readonly string[] = [
  '--topic',
  '--group',
  '--principal',
  '--allow-principal',
  '--deny-principal',
  '--host',
];

/** Options before the command that take a value. */
const GLOBAL_WITH_VALUE = ['-b', '--bootstrap-server', '--command-config', '--profile', '--timeout'];

/**
 * The arguments, put into Millrace's shape where they are in Kafka's.
 * @throws CliError where they do not say what is to be done
 */
export function fromKafkaShape(given: readonly string[]): string[] {
  const args = withoutHandedOn(given);
  let at = 0;
  while (args[at]?.startsWith('-')) at += GLOBAL_WITH_VALUE.includes(args[at]!) ? 2 : 1;
  let name = (args[at] ?? '').replace(/\.(?:sh|bat)$/, '');
  if (name === 'kafka-run-class') {
    at += 1;
    name = args[at] ?? '';
  }
  const translate = TRANSLATIONS[TOOLS[name] ?? name];
  if (translate === undefined) return [...args];
  const before = args.slice(0, at).filter((word) => !/^kafka-run-class(?:\.|$)/.test(word));
  return [...before, ...translate(new Line(args.slice(at + 1), name in TOOLS))];
}

/** pnpm hands on the dashes of `pnpm start -- --port 0` and `pnpm millrace -- topics list`, which npm wants there and keeps. */
function withoutHandedOn(args: readonly string[]): readonly string[] {
  const at = args[0] === 'start' ? 1 : 0;
  return args[at] === '--' ? args.toSpliced(at, 1) : args;
}

/** Quotas and passwords are configs of users and clients to Kafka; the first are commands of their own here. */
function quotasOf(line: Line): string[] | undefined {
  const types = line.peek('--entity-type');
  const isQuota = types.length > 0 && types.every((type) => type in QUOTA_ENTITIES);
  const added = line.peek('--add-config').flatMap(assignments);
  const removed = line.peek('--delete-config').flatMap((names) => names.split(','));
  if (!isQuota || [...added, ...removed].some((each) => each.startsWith('SCRAM-'))) return undefined;
  if (added.length > 0 && removed.length > 0) return undefined;
  const [named, defaults] = [line.peek('--entity-name'), line.drop('--entity-default')];
  if (named.length > 0 && named.length < types.length) return undefined;
  for (const option of ['--entity-type', '--entity-name', '--add-config', '--delete-config']) line.valuesOf(option);
  line.drop('--describe', '--alter');
  const entities = types.flatMap((type, at) => {
    const option = `--${QUOTA_ENTITIES[type]!}`;
    if (named[at] !== undefined) return [option, named[at]];
    return defaults ? [`${option.replace('-id', '')}-default`] : [];
  });
  const verb = added.length > 0 ? 'set' : removed.length > 0 ? 'unset' : 'list';
  return ['quotas', verb, ...entities, ...added, ...removed, ...line.rest()];
}

const QUOTA_ENTITIES: Readonly<Record<string, string>> = { users: 'user', clients: 'client-id', ips: 'ip' };

/** `--entity-type topics --entity-name t`, `--topic t` or `--broker 1` as `topic t`. */
function resourceOf(line: Line): string[] | undefined {
  const [type] = line.valuesOf('--entity-type');
  const [name] = line.valuesOf('--entity-name');
  const isDefault = line.drop('--entity-default');
  const [topic] = line.valuesOf('--topic');
  const [broker] = line.valuesOf('--broker');
  if (topic !== undefined) return ['topic', topic];
  if (broker !== undefined) return ['broker', broker];
  if (type === undefined) return undefined;
  return [ENTITIES[type] ?? type, ...(isDefault ? ['default'] : name === undefined ? [] : [name])];
}

/** `a=1,b=[x,y]`: commas within brackets belong to the value. */
function assignments(list: string): string[] {
  return list.split(/,(?![^[]*\])/).map((each) => each.replace(/^([^=]+)=\[(.*)\]$/s, '$1=$2'));
}

/** What stands after the command, of which pieces are taken. */
class Line {
  #words: readonly string[];
  readonly #added: string[] = [];

  /** Whether the command has the name of one of Kafka's tools. */
  readonly isTool: boolean;

  constructor(words: readonly string[], isTool: boolean) {
    this.isTool = isTool;
    // `--topic=t` in two words.
    this.#words = words.flatMap((word) =>
      /^--(?:topic|group|entity-\w+|time)=/.test(word) ? word.split(/=(.*)/s, 2) : [word],
    );
    // Kafka's tools count in milliseconds, ours in seconds where no unit is given.
    if (isTool) {
      this.#words = this.#words.map((word, at) =>
        this.#words[at - 1] === '--timeout' && /^\d+$/.test(word) ? `${word}ms` : word,
      );
    }
  }

  /** The subcommand that `--create` and its like stand for; none where one is named already, or nothing is. */
  verb(names: Readonly<Record<string, string>>): string[] {
    if (this.#words[0] !== undefined && !this.#words[0].startsWith('-')) {
      const [verb, ...words] = this.#words;
      this.#words = words;
      return [verb!];
    }
    const found = Object.keys(names).find((name) => this.#words.includes(`--${name}`));
    if (found === undefined) return this.#noVerb(Object.keys(names));
    this.drop(`--${found}`);
    return [names[found]!];
  }

  /** Without a verb there is nothing to do: it is misspelt, or forgotten, or help is wanted. */
  #noVerb(names: readonly string[]): string[] {
    if (this.has('--help') || this.has('-h')) return [];
    for (const word of this.#words) {
      const meant = word.startsWith('--') ? nearestName(word.slice(2), names) : undefined;
      if (meant !== undefined) throw usageError(`There is no ${word} here`, `Did you mean --${meant}?`);
    }
    const isAboutSomething = this.isTool ? this.#words.length > 0 : ABOUT.some((option) => this.has(option));
    if (names.length === 0 || !isAboutSomething) return [];
    const all = names.map((name) => `--${name}`);
    throw usageError(`Say what is to be done: ${all.slice(0, -1).join(', ')} or ${all.at(-1)}`);
  }

  /** Gives an option whose values are numbers of a unit ours, where numbers have units. What is no number is refused by the name it came under. */
  renameInUnits(option: string, ours: string, unit: 'milliseconds' | 'minutes'): void {
    for (const value of this.valuesOf(option)) {
      if (!/^\d+$/.test(value)) throw usageError(`\`${option}\` is a whole number of ${unit}, not "${value}"`);
      this.add(ours, `${value}${unit === 'minutes' ? 'm' : 'ms'}`);
    }
  }

  /** Takes the values of an option. */
  valuesOf(option: string): string[] {
    const values: string[] = [];
    const words: string[] = [];
    for (let at = 0; at < this.#words.length; at += 1) {
      const word = this.#words[at]!;
      const value = this.#words[at + 1];
      if (word !== option || value === undefined) {
        words.push(word);
        continue;
      }
      values.push(value);
      at += 1;
    }
    this.#words = words;
    return values;
  }

  /** The values of an option, which stay where they are. */
  peek(option: string): string[] {
    return this.#words.filter((_, at) => this.#words[at - 1] === option);
  }

  has(option: string): boolean {
    return this.#words.includes(option);
  }

  rename(option: string, name: string): void {
    this.#words = this.#words.map((word) => (word === option ? name : word));
  }

  /** Leaves out what says nothing here; tells whether it was there. */
  drop(...options: readonly string[]): boolean {
    const before = this.#words.length;
    this.#words = this.#words.filter((word) => !options.includes(word));
    return this.#words.length < before;
  }

  add(...words: readonly string[]): void {
    this.#added.push(...words);
  }

  rest(): string[] {
    return [...this.#words, ...this.#added];
  }
}
