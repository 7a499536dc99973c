/** The references of the documentation, written from what the code itself says. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerConfigTable, type ConfigDefinition, type ConfigTable, topicDefinitions } from '@millrace/broker';
import { brokerError } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { ErrorCode, errorInfo } from '@millrace/protocol';
import { Command } from 'commander';
import { startBrokerProcess } from '../../apps/broker/src/index.ts';
import { buildProgram } from '../../apps/cli/src/program/program.ts';
import { apiLists } from '../readme/api-lists.ts';

/** Lines of help are as wide as a page. */
const HELP_COLUMNS = 100;

const WRITTEN = '<!-- Written by `node tools/docs/main.ts`. -->';

/** The references by their paths below `docs`. */
export async function references(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['reference/broker-settings.md', brokerSettings()],
    ['reference/topic-settings.md', topicSettings()],
    ['reference/cli.md', cli()],
    ['reference/metrics.md', await metrics()],
    ['reference/protocol.md', await protocol()],
    ['reference/errors.md', errors()],
  ]);
}

function page(title: string, intro: string, body: string): string {
  return `${WRITTEN}\n# ${title}\n\n${intro}\n\n${body.trim()}\n`;
}

function brokerSettings(): string {
  const described = Object.entries(brokerConfigTable).filter(([, { isInternal }]) => isInternal !== true);
  return page(
    "The broker's settings",
    "Kafka's names and defaults. The [settings of the process](https://github.com/millrace/millrace/blob/main/apps/broker/README.md#settings), " +
      'which begin with `millrace.`, are in the page of the broker. *Changed* says whether `millrace configs set` takes a value while the ' +
      'broker runs: for one broker (per-broker) or for all (cluster-wide).',
    settingsTable(Object.fromEntries(described)),
  );
}

function topicSettings(): string {
  return page(
    "A topic's settings",
    "Set when a topic is made, or with `millrace configs set topic NAME name=value`. What is not set is the broker's setting of the same purpose.",
    settingsTable(topicDefinitions),
  );
}

function settingsTable(table: ConfigTable): string {
  const rows = Object.entries(table)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, definition]) => settingRow(name, definition));
  return ['| name | type | default | changed | |', '|---|---|---|---|---|', ...rows].join('\n');
}

function settingRow(
  name: string,
  { type, describedType, defaultValue, updateMode, documentation }: ConfigDefinition,
): string {
  const shown = defaultText(defaultValue);
  return `| \`${name}\` | ${(describedType ?? type).toLowerCase()} | ${shown} | ${updateMode} | ${cell(documentation)} |`;
}

function defaultText(value: ConfigDefinition['defaultValue']): string {
  if (value === null) return '–';
  if (value === Number.POSITIVE_INFINITY) return '`9223372036854775807`';
  const text = typeof value === 'object' ? value.join(',') : String(value);
  return text === '' ? '' : `\`${cell(text)}\``;
}

/** A pipe would end the cell, and `<` begin an element. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('{{', '{ {').replaceAll('\n', ' ');
}

function cli(): string {
  let text = '';
  const program = buildProgram(
    new Command(),
    // Nothing of it is read: no command runs.
    { stdout: { write: () => true, columns: HELP_COLUMNS }, stderr: { write: () => true }, env: {} } as never,
    (() => () => undefined) as never,
  );
  const parts: string[] = [];
  const add = (command: Command, path: string, depth: number): void => {
    text = '';
    command.configureOutput({
      writeOut: (some) => {
        text += some;
      },
      getOutHelpWidth: () => HELP_COLUMNS,
    });
    command.configureHelp({ helpWidth: HELP_COLUMNS });
    command.outputHelp();
    parts.push(`${'#'.repeat(depth)} ${path}\n\n\`\`\`text\n${text.trim()}\n\`\`\``);
    for (const each of command.commands)
      if (each.name() !== 'help') add(each, `${path} ${each.name()}`, Math.min(depth + 1, 4));
  };
  for (const command of program.commands) if (command.name() !== 'help') add(command, `millrace ${command.name()}`, 2);
  return page('The command line', 'Every command with its help, as `--help` prints it.', parts.join('\n\n'));
}

interface Metric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
}

/** What a broker tells after its first producer and consumer: what counts requests is there once one has come. */
export async function metricsOfBroker(): Promise<Metric[]> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-docs-'));
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  try {
    const broker = await startBrokerProcess({
      overrides: {
        'log.dirs': folder,
        listeners: 'PLAINTEXT://127.0.0.1:0',
        'millrace.http.port': '0',
        'group.initial.rebalance.delay.ms': '0',
      },
      env: {},
      logger: silent,
    });
    try {
      await useOnce(`127.0.0.1:${broker.endpoints[0]?.port}`);
      const text = await (await fetch(`http://127.0.0.1:${broker.httpPort}/metrics`)).text();
      const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
      return [...text.matchAll(/^# HELP (\S+) (.*)$/gm)]
        .map(([, name = '', help = '']) => ({ name, help, type: types.get(name) ?? '' }))
        .filter(({ name }) => /^(?:kafka|millrace)_/.test(name))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    } finally {
      await broker.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function useOnce(bootstrapServers: string): Promise<void> {
  await using producer = new Producer({ bootstrapServers });
  await producer.send({ topic: 'once', value: 'once' });
  await using consumer = new Consumer({ bootstrapServers, groupId: 'once', autoOffsetReset: 'earliest' });
  consumer.subscribe('once');
  for await (const _ of consumer) break;
}

async function metrics(): Promise<string> {
  const rows = (await metricsOfBroker()).map(({ name, type, help }) => `| \`${name}\` | ${type} | ${cell(help)} |`);
  return page(
    'Metrics',
    'What a broker tells Prometheus at `/metrics` on `millrace.http.port`, beside what `prom-client` knows of the process (memory, CPU, event loop). ' +
      'The [dashboard and the alerts](../operating.md#monitoring) are made of these.',
    ['| name | type | |', '|---|---|---|', ...rows].join('\n'),
  );
}

function errors(): string {
  const rows = Object.entries(ErrorCode).map(([name, code]) => {
    const { retriable } = errorInfo(code);
    const [, hint] = brokerError(code, 'It').message.split(`${name}: `);
    return `| ${code} | \`KAFKA_${name}\` | ${retriable ? 'yes' : 'no'} | ${hint === undefined ? '' : cell(hint)} |`;
  });
  return page(
    "Kafka's errors",
    'What a broker may answer, as the `code` of the errors of the SDKs and of the command line, and whether trying again may help. ' +
      'What to do about those that people meet, and the codes of our own, is in [When something does not work](../troubleshooting.md).',
    ['| | code | try again | |', '|---|---|---|---|', ...rows].join('\n'),
  );
}

async function protocol(): Promise<string> {
  const { served, missing } = await apiLists();
  const list = (sentence: string): string =>
    sentence
      .replace(/^[^:]*: /, '')
      .replace(/\.$/, '')
      .split(', ')
      .map((each) => `- ${each}`)
      .join('\n');
  return page(
    'The protocol',
    "Which of Kafka's requests the broker serves, and in which versions. What is not served is not advertised.",
    `${list(served)}\n\n## Not served\n\n${list(missing)}`,
  );
}
