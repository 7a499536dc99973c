/** `pnpm cluster tools`: what a Kafka tutorial does with a cluster of three, word for word and with Kafka's own tools. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { kafkaTool, type ToolResult } from '../kafka/index.ts';
import { root } from '../source/index.ts';

/** A command of a tutorial, and what it has to print. */
export interface Step {
  readonly command: string;
  /** What is typed into it. */
  readonly input?: string;
  readonly prints: RegExp;
}

/** A tool is a JVM of its own, which takes a while where much else runs. */
const PATIENCE_MS = 300_000;
/** Some give a broker five seconds, which is little on a busy machine. */
const ATTEMPTS_MAX = 5;
const BOOTSTRAP = 'localhost:19092';
const AT = `--bootstrap-server ${BOOTSTRAP}`;

/** Each builds on those before; the last leaves the cluster as it was. */
export const STEPS: readonly Step[] = [
  {
    command: `kafka-topics ${AT} --create --topic test --partitions 2 --replication-factor 3`,
    prints: /Created topic test\./,
  },
  { command: `kafka-topics ${AT} --list`, prints: /^test$/m },
  {
    command: `kafka-topics ${AT} --describe --topic test`,
    prints: /PartitionCount: 2\s+ReplicationFactor: 3[\s\S]*Partition: 1\s+Leader: [123]\s/,
  },
  { command: `kafka-topics ${AT} --alter --topic test --partitions 3`, prints: /^$/ },
  { command: `kafka-console-producer ${AT} --topic test`, input: 'mill\nrace\n', prints: /^>*$/ },
  {
    command: `kafka-console-consumer ${AT} --topic test --group readers --from-beginning --max-messages 2`,
    prints: /(?=[\s\S]*^mill$)(?=[\s\S]*^race$)[\s\S]*Processed a total of 2 messages/m,
  },
  { command: `kafka-consumer-groups ${AT} --list`, prints: /^readers$/m },
  {
    command: `kafka-consumer-groups ${AT} --describe --group readers`,
    prints: /(?:readers\s+test\s+[012]\s+(?:-|\d+)\s+\d+\s+(?:-|0)\s[\s\S]*){3}/,
  },
  { command: `kafka-consumer-groups ${AT} --delete --group readers`, prints: /was successful/ },
  { command: `kafka-topics ${AT} --delete --topic test`, prints: /^$/ },
];

/** Where the result is kept, and between what. */
const PAGE = join(root, 'docs/kafka-commands.md');
const BLOCK = /(<!-- written by `pnpm cluster tools --write` -->\n\n```console\n)[\s\S]*?(```\n)/;

/**
 * Runs all steps on a cluster that is up, and stops at the first that prints something else.
 * @param isKept whether what was printed goes into the documentation
 */
export async function runKafkaTools(print: (line: string) => void, isKept: boolean): Promise<boolean> {
  await clear();
  const lines: string[] = [];
  for (const { command, input, prints } of STEPS) {
    const typed = input === undefined ? command : `printf '${input.replaceAll('\n', '\\n')}' | ${command}`;
    const { exitCode, stdout, stderr } = await runOnce(command, input ?? '');
    const told = `${stdout}${stderr}`.trim();
    const block = [`$ ${typed}`, ...(told === '' || /^>+$/.test(told) ? [] : told.split('\n').map(tidied))];
    for (const line of block) print(line);
    if (exitCode !== 0 || !prints.test(told)) {
      print(`It ended with ${exitCode ?? 'a signal'}, and was to print what matches ${prints}`);
      return false;
    }
    lines.push(...block);
  }
  if (isKept) {
    const page = readFileSync(PAGE, 'utf8');
    if (!BLOCK.test(page)) throw new Error(`${PAGE} has no place for what the tools printed`);
    writeFileSync(
      PAGE,
      page.replace(BLOCK, (_, before: string, after: string) => `${before}${lines.join('\n')}\n${after}`),
    );
  }
  return true;
}

/** What a run has left that stopped half way. */
async function clear(): Promise<void> {
  await using admin = new Admin({ bootstrapServers: BOOTSTRAP });
  if ((await admin.listTopics()).includes('test')) await admin.deleteTopics(['test']);
  if ((await admin.listGroups()).some(({ groupId }) => groupId === 'readers')) await admin.deleteGroups(['readers']);
}

/** Runs a command; again where the tool has lost patience before it did anything. */
async function runOnce(command: string, input: string): Promise<ToolResult> {
  const [tool = '', ...args] = command.split(' ');
  let result = await kafkaTool(tool, args, { input, timeoutMs: PATIENCE_MS });
  for (let n = 1; n < ATTEMPTS_MAX && /Timed out waiting for a node/.test(`${result.stdout}${result.stderr}`); n += 1) {
    result = await kafkaTool(tool, args, { input, timeoutMs: PATIENCE_MS });
  }
  return result;
}

/** Kafka's tables end their lines with blanks, and tabs have no width of their own on a page. */
function tidied(line: string): string {
  return line.replaceAll('\t', '  ').trimEnd();
}
