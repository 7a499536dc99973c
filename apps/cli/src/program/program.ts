import { nearestName } from '@millrace/ports';
import { type Argument, type Command, InvalidArgumentError, Option } from 'commander';
import type { Run } from '../context.ts';
import { usageError } from '../errors.ts';
import type { CliIo } from '../io.ts';
import { answerInstead, verbMeant } from '../parse/kafka-answers.ts';
import { KAFKA_OPTIONS } from '../parse/kafka-shapes.ts';
import { duration } from '../parse/values.ts';
import { version } from '../version.ts';
import { addAcls } from './acls.ts';
import { addCluster } from './cluster.ts';
import { addCompletion } from './completion.ts';
import { addConfigs } from './configs.ts';
import { addConsole } from './console.ts';
import { addConsume } from './consume.ts';
import { addGroups } from './groups.ts';
import { addHelp } from './help.ts';
import { nameKafkasTools } from './kafka-tools.ts';
import { addLog } from './log.ts';
import { addMetadata } from './metadata.ts';
import { addPartitions } from './partitions.ts';
import { addProduce } from './produce.ts';
import { addProfiles } from './profiles.ts';
import { addQuotas } from './quotas.ts';
import { addRecords } from './records.ts';
import { addStart } from './start.ts';
import { addTokens } from './tokens.ts';
import { addTopics } from './topics.ts';
import { addTransactions } from './transactions.ts';
import { addUsers } from './users.ts';

/**
 * Describes all commands. What a command does is imported when it is used: reading the descriptions is quick, loading the SDKs is not.
 */
export function buildProgram(program: Command, io: CliIo, run: Run): Command {
  program
    .name('millrace')
    .description('Kafka for the Node world: a broker, and the tools to use any Kafka-compatible cluster.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(`--help` shows what can be given)')
    .configureHelp({ showGlobalOptions: true, helpWidth: helpWidth(io), visibleGlobalOptions: clientOptionsOf })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(withNearest(text)),
      getOutHelpWidth: () => helpWidth(io),
      getErrHelpWidth: () => helpWidth(io),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  program
    .command('version')
    .summary('print the version')
    .description('Prints the version of this program and of the Node that runs it.')
    .addHelpText('after', '\nExamples:\n  millrace version --json')
    .action(() =>
      run(async ({ out }) => {
        const versions = { millrace: version(), node: process.versions.node };
        await out.result(versions, () => `millrace ${versions.millrace} (Node ${versions.node})`);
      }),
    );
  for (const option of globalOptions()) program.addOption(option);
  for (const add of [
    addStart,
    addTopics,
    addPartitions,
    addProduce,
    addConsume,
    addGroups,
    addConfigs,
    addRecords,
    addTransactions,
    addAcls,
    addUsers,
    addTokens,
    addQuotas,
    addCluster,
    addConsole,
    addLog,
    addMetadata,
    addProfiles,
    addCompletion,
    addHelp,
  ])
    add(program, run);
  refuseEmpty(program);
  program.hook('preAction', refuseClientOptions);
  answerBelow(program);
  nameKafkasTools(program);
  return program;
}

/** Options whose value may be empty: a key or a password is a text like others, and nothing may stand between what is printed. */
const MAY_BE_EMPTY: readonly string[] = ['--key', '--null-marker', '--separator', '--password'];

type Parse = (text: string, before: unknown) => unknown;

/** Kafka's `Topic.MAX_NAME_LENGTH`. */
const TOPIC_NAME_LENGTH_MAX = 249;

function isNameOfTopic(given: Option | Argument, command: Command): boolean {
  if (given instanceof Option) return given.long === '--topic';
  return given.name() === 'topic' || (given.name() === 'name' && command.parent?.name() === 'topics');
}

/** What is empty was meant to be something: a variable of the shell is not set, as a rule, and another command would be carried out. */
function refuseEmpty(command: Command): void {
  const given = [
    ...command.options.filter(({ required, long }) => required && !MAY_BE_EMPTY.includes(long ?? '')),
    ...command.registeredArguments,
  ];
  for (const each of given) {
    // Options and arguments have the same parser, which is not in commander's declarations.
    const taken = each as Option & { readonly parseArg?: Parse };
    const parse = taken.parseArg;
    const isTopic = isNameOfTopic(each, command);
    taken.argParser<unknown>((text, before) => {
      if (text === '') throw new InvalidArgumentError('It is empty.');
      if (isTopic && text.length > TOPIC_NAME_LENGTH_MAX && !/[,:]/.test(text)) {
        throw new InvalidArgumentError(`Names of topics have at most ${TOPIC_NAME_LENGTH_MAX} characters.`);
      }
      if (parse !== undefined) return parse.call(taken, text, before);
      return taken.variadic ? [...((before as readonly string[] | undefined) ?? []), text] : text;
    });
  }
  for (const child of command.commands) if (child.name() !== '__complete') refuseEmpty(child);
}

/** What commander says of a command or an option that there is not, with what Kafka's tools mean by it where it knows none itself. */
function withNearest(text: string): string {
  const answer = answerInstead(text);
  // What is known of Kafka's tools is better than a name that only looks alike.
  if (answer !== undefined) return `${text.replace(/\(Did you mean [^\n]*\n/, '')}(Here: ${answer})\n`;
  const unknown = /unknown option '([^']+)'\s*$/.exec(text)?.[1];
  const meant = unknown === undefined ? undefined : nearestName(unknown, KAFKA_OPTIONS);
  return meant === undefined || meant === unknown ? text : `${text}(Did you mean ${meant}?)\n`;
}

/** Has what groups of commands say of a verb that they do not have name the one of theirs that does it. */
function answerBelow(program: Command): void {
  for (const group of program.commands.filter(({ commands }) => commands.length > 0)) {
    group.configureOutput({ outputError: (text, write) => write(withOwnVerb(group, text) ?? withNearest(text)) });
    answerBelow(group);
  }
}

function withOwnVerb(group: Command, text: string): string | undefined {
  const verb = /unknown command '([^']+)'/.exec(text)?.[1];
  const names = group.createHelp().visibleCommands(group);
  const meant = verb === undefined ? undefined : verbMeant(verb, new Set(names.map((each) => each.name())));
  const child = names.find((each) => each.name() === meant);
  if (child === undefined) return undefined;
  const wanted = child.registeredArguments.map((each) => ` ${each.name().toUpperCase()}`).join('');
  const line = `millrace ${pathOf(group)} ${child.name()}${wanted}`;
  return `${text.replace(/\(Did you mean [^\n]*\n/, '')}(Here: \`${line}\`: ${child.summary()})\n`;
}

/** `partitions reassign`, of the command that is below both. */
function pathOf(command: Command): string {
  const { parent } = command;
  return parent === null || parent.parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}

const HELP_WIDTH_MAX = 110;

function helpWidth(io: CliIo): number {
  return Math.min(io.stdout.columns ?? HELP_WIDTH_MAX, HELP_WIDTH_MAX);
}

/** The options that commands have in common; the version is the program's alone. */
function clientOptionsOf(command: Command): Option[] {
  const names = globalOptions()
    .filter(({ long }) => !isOffline(command) || AT_ALL_COMMANDS.includes(long ?? ''))
    .map(({ flags }) => flags);
  return (command.parent === null ? [] : rootOf(command).options).filter(({ flags }) =>
    names.includes(flags),
  ) as Option[];
}

/** Commands that ask no broker, with what they are told instead, and the options that say something to them all the same. */
const OFFLINE: ReadonlyMap<string, string> = new Map([
  [
    'start',
    'How many brokers it starts says --brokers; everything else is said by settings (`millrace start --help`).',
  ],
  ['log', 'It reads the files that it is given (`millrace log --help`).'],
  [
    'metadata',
    'It looks into a data folder (--data ./data), or into ZooKeeper (--override zookeeper.connect=HOST:2181); `millrace metadata --help` says more.',
  ],
  ['version', 'It tells of this program alone; `millrace cluster` tells of brokers.'],
]);
const AT_ALL_COMMANDS: readonly string[] = ['--json', '--quiet', '--debug'];

function isOffline(command: Command): boolean {
  return OFFLINE.has(command.name()) || (command.parent !== null && isOffline(command.parent));
}

/** Whoever names a cluster to a command that asks none would take what it says for that cluster's. */
function refuseClientOptions(program: Command, command: Command): void {
  if (!isOffline(command)) return;
  const given = globalOptions()
    .filter(({ long }) => !AT_ALL_COMMANDS.includes(long ?? ''))
    .find((option) => program.getOptionValueSource(option.attributeName()) === 'cli');
  if (given === undefined) return;
  const [name = ''] = pathOf(command).split(' ');
  const option = given.short === undefined ? given.long : `${given.short}, ${given.long}`;
  throw usageError(`\`millrace ${pathOf(command)}\` asks no broker, and does not take ${option}`, OFFLINE.get(name));
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function globalOptions(): Option[] {
  return [
    new Option('-b, --bootstrap-server <host:port,...>', 'brokers to begin with (default: localhost:9092)'),
    new Option('--command-config <file>', 'client properties: security.protocol, sasl.jaas.config, ssl.*, ...'),
    new Option('--profile <name>', 'a cluster as `millrace config set` has named it'),
    new Option(
      '--timeout <duration>',
      'go on trying for so long: 500ms, 30s, 5m, or a number of seconds (default: 30s for what a broker is asked, and one attempt to reach it)',
    ).argParser(duration),
    new Option('--json', 'values for scripts instead of text'),
    new Option('-q, --quiet', 'no more than the result'),
    new Option('--debug', 'show where an error came from'),
  ];
}
