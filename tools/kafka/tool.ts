/** Runs Kafka's own command-line tools (kafka-topics.sh and so on) from the jars. */
import { type ChildProcess, spawn } from 'node:child_process';
import { KAFKA_3, kafkaClassPath } from './jars.ts';

/** The class behind each script of Kafka's `bin`; where 3.x and 4.x differ, both. */
const classes: Readonly<Record<string, string | { before4: string; from4: string }>> = {
  'kafka-acls': { before4: 'kafka.admin.AclCommand', from4: 'org.apache.kafka.tools.AclCommand' },
  'kafka-broker-api-versions': {
    before4: 'kafka.admin.BrokerApiVersionsCommand',
    from4: 'org.apache.kafka.tools.BrokerApiVersionsCommand',
  },
  'kafka-cluster': 'org.apache.kafka.tools.ClusterTool',
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-console-producer': {
    before4: 'kafka.tools.ConsoleProducer',
    from4: 'org.apache.kafka.tools.ConsoleProducer',
  },
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-consumer-perf-test': 'org.apache.kafka.tools.ConsumerPerformance',
  'kafka-delegation-tokens': 'org.apache.kafka.tools.DelegationTokenCommand',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-dump-log': 'kafka.tools.DumpLogSegments',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
  'kafka-log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
  'kafka-producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'kafka-reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  'kafka-replica-verification': 'org.apache.kafka.tools.ReplicaVerificationTool',
  'kafka-server-start': 'kafka.Kafka',
  'kafka-storage': 'kafka.tools.StorageTool',
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-transactions': 'org.apache.kafka.tools.TransactionsCommand',
  'kafka-verifiable-consumer': 'org.apache.kafka.tools.VerifiableConsumer',
  'kafka-verifiable-producer': 'org.apache.kafka.tools.VerifiableProducer',
  // Has no script: Kafka's system tests start it by its class.
  'transactional-message-copier': 'org.apache.kafka.tools.TransactionalMessageCopier',
};

/** The names that {@link kafkaTool} knows. */
export const kafkaToolNames: readonly string[] = Object.keys(classes);

export interface ToolOptions {
  /** The version of Kafka whose tool it is. Default: the 3.9 line. */
  readonly version?: string;
  /** What the tool reads from its standard input. Default: nothing. */
  readonly input?: string | Uint8Array;
  /** After this long it is killed and counts as failed. Default: 60,000. */
  readonly timeoutMs?: number;
  /** Ends a tool that goes on for ever, once its standard output matches. */
  readonly endAfter?: RegExp;
}

export interface ToolResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How Java is started: quickly, since these programs are short, and quiet but for errors. */
export async function javaArguments(tool: string, version: string, heap: string): Promise<string[]> {
  const found = classes[tool];
  if (found === undefined) throw new Error(`There is no tool ${tool}; there are: ${kafkaToolNames.join(', ')}`);
  const isBefore4 = Number.parseInt(version, 10) < 4;
  const className = typeof found === 'string' ? found : isBefore4 ? found.before4 : found.from4;
  return [
    `-Xmx${heap}`,
    '-XX:TieredStopAtLevel=1',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-cp',
    await kafkaClassPath(version),
    className,
  ];
}

/** Runs one of Kafka's tools to its end. A failing tool is a result, not an exception. */
export async function kafkaTool(tool: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  const { version = KAFKA_3, input = '', timeoutMs = 60_000, endAfter } = options;
  const child = spawn('java', [...(await javaArguments(tool, version, '512m')), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  // A tool that ends before it has read its input breaks the pipe; its exit code tells the story.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  if (endAfter !== undefined) endOnceItSays(child, endAfter);
  return ended(child);
}

function endOnceItSays(child: ChildProcess, pattern: RegExp): void {
  let stdout = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (pattern.test(stdout)) child.kill('SIGKILL');
  });
}

/** Collects what a program prints until it ends. */
export function ended(child: ChildProcess): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (exitCode) => {
      resolve({ exitCode, stdout, stderr });
    });
  });
}
