import type { Command } from 'commander';

/** Which of Kafka's tools does what a command does, and all below it. */
const TOOLS: Readonly<Record<string, string>> = {
  start: 'kafka-server-start.sh',
  topics: 'kafka-topics.sh',
  'partitions reassign': 'kafka-reassign-partitions.sh',
  'partitions elect': 'kafka-leader-election.sh',
  produce: 'kafka-console-producer.sh',
  consume: 'kafka-console-consumer.sh',
  groups: 'kafka-consumer-groups.sh',
  configs: 'kafka-configs.sh',
  offsets: 'kafka-get-offsets.sh',
  'records delete': 'kafka-delete-records.sh',
  transactions: 'kafka-transactions.sh',
  acls: 'kafka-acls.sh',
  users: 'kafka-configs.sh --entity-type users',
  tokens: 'kafka-delegation-tokens.sh',
  quotas: 'kafka-configs.sh --entity-type users, clients or ips',
  cluster: 'kafka-cluster.sh cluster-id',
  'log-dirs': 'kafka-log-dirs.sh',
  'log dump': 'kafka-dump-log.sh',
  metadata: 'zookeeper-shell.sh',
};

/** Says in the help of each command which of Kafka's tools it stands for. */
export function nameKafkasTools(program: Command): void {
  for (const child of program.commands) name(child, child.name(), undefined);
}

function name(command: Command, path: string, above: string | undefined): void {
  const tool = TOOLS[path] ?? above;
  if (tool !== undefined) command.addHelpText('after', `\nIn Kafka: ${tool}`);
  for (const child of command.commands) name(child, `${path} ${child.name()}`, tool);
}
