/**
 * What to type here, for what Kafka's tools and other hands have words for and Millrace does not understand as it stands.
 */
const ANSWERS: Readonly<Record<string, string>> = {
  alter: '`millrace topics add-partitions NAME --partitions N` adds partitions, `millrace configs set` changes configs',
  connect: 'Kafka Connect itself works against Millrace',
  create: '`millrace topics create NAME`',
  delete: '`millrace topics delete NAME`, `millrace groups delete NAME`, `millrace records delete`',
  describe: '`millrace topics describe NAME`, `millrace groups describe NAME`, `millrace configs describe`',
  get: '`millrace topics list`, `millrace consume NAME`, `millrace configs describe`',
  list: '`millrace topics list`, `millrace groups list`',
  ls: '`millrace topics list`; `millrace metadata ls` lists nodes of the metadata',
  lag: '`millrace groups describe NAME`',
  'kafka-broker-api-versions': '`millrace cluster` shows the brokers',
  'kafka-client-metrics': 'Metrics of clients are not taken here; `/metrics` on the HTTP port has those of the broker',
  'kafka-delegation-tokens': '`millrace tokens --help`',
  'kafka-delete-records': '`millrace records delete TOPIC --partition N --before OFFSET`',
  'kafka-features': '`millrace cluster` shows the version',
  'kafka-metadata-quorum': 'There is no KRaft quorum here; `millrace cluster` shows the controller',
  'kafka-metadata-shell': '`millrace metadata ls`, `millrace metadata get`',
  'kafka-producer-perf-test': "Kafka's own works against Millrace",
  'kafka-consumer-perf-test': "Kafka's own works against Millrace",
  'kafka-server-stop': 'Ctrl-C where the broker runs, or `kill $(lsof -ti tcp:9092 -s tcp:listen)`',
  'kafka-storage': 'Nothing is to be formatted; `millrace start` makes the folder',
  'kafka-streams-application-reset':
    '`millrace groups reset-offsets NAME --to-earliest`, and `millrace topics delete` for its own topics',
  'kafka-verifiable-consumer': "Kafka's own works against Millrace",
  'kafka-verifiable-producer': "Kafka's own works against Millrace",
  'zookeeper-server-start':
    '`millrace start` keeps metadata itself; `millrace start --brokers 3` serves ZooKeeper, too',
  user: '`millrace users --help` for passwords, `millrace quotas --help` for quotas',
  users:
    '`millrace users set-password NAME --password-env VARIABLE` for passwords, `millrace quotas --help` for quotas',
};

/** Verbs by what they mean, those that are meant most often first. */
const VERBS: readonly (readonly string[])[] = [
  ['create', 'add', 'new', 'make', 'set', 'put', 'set-password'],
  ['delete', 'remove', 'rm', 'del', 'drop', 'unset', 'expire', 'revoke'],
  ['list', 'ls', 'all'],
  ['describe', 'show', 'get', 'view', 'info', 'lag', 'offsets', 'members', 'list'],
  ['alter', 'update', 'edit', 'change', 'set', 'passwd', 'password', 'set-password', 'renew'],
  ['reset', 'reset-offsets'],
  ['remove-member', 'kick', 'remove-members'],
  ['check', 'verify', 'status'],
  ['abort', 'cancel', 'stop'],
  ['apply', 'run', 'start', 'execute'],
  ['plan', 'propose', 'generate'],
];

/** Which verb, of those that there are, means what another does. */
export function verbMeant(verb: string, there: ReadonlySet<string>): string | undefined {
  const alike = VERBS.filter((verbs) => verbs.includes(verb));
  return alike.flat().find((each) => there.has(each));
}

/** The same for options of Kafka's tools. */
const OPTIONS: Readonly<Record<string, string>> = {
  '--zookeeper': 'brokers are asked: `--bootstrap-server HOST:PORT`',
  '--producer-property':
    'properties go into a file: `--command-config FILE`; `millrace produce --help` has options for the usual ones',
  '--consumer-property':
    'properties go into a file: `--command-config FILE`; `millrace consume --help` has options for the usual ones',
  '--formatter': '`--format`, or `--json`',
  '--formatter-config': '`--format`, or `--json`',
  '--topic': 'topics are named without it, as in `millrace topics describe NAME`',
  '--include': 'topics are named: `millrace consume TOPIC...`',
  '--whitelist': 'topics are named: `millrace consume TOPIC...`',
  '--line-reader': '`--format json` takes an object a line',
  '--reader-config': '`--format json` takes an object a line',
  '--property': '`millrace produce --help` and `millrace consume --help` have an option for each',
  '--offset-json-file': '`--partition N --before OFFSET`',
  '--authorizer-properties': 'brokers are asked: `--bootstrap-server HOST:PORT`',
};

/** What to say beside an error of the command line: where a command, an option or a kind of resource is unknown, the right one. */
export function answerInstead(error: string): string | undefined {
  const option = /unknown option '([^']+)'/.exec(error)?.[1];
  if (option !== undefined) return OPTIONS[option];
  const [, word] =
    /unknown command '([^']+)'/.exec(error) ?? /value '(users?)' is invalid for argument 'type'/.exec(error) ?? [];
  return word === undefined ? undefined : ANSWERS[word.replace(/\.(?:sh|bat)$/, '')];
}
