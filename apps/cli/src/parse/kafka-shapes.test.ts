import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromKafkaShape } from './kafka-shapes.ts';

function words(line: string): string[] {
  return line.split(' ');
}

describe("a command line in the shape of Kafka's tools", () => {
  it.each([
    ['topics --list', 'topics list'],
    ['-b here:1 topics --list --exclude-internal', '-b here:1 topics list'],
    ['topics create --topic t --partitions 3', 'topics create t --partitions 3'],
    ['topics --create --topic=t --if-not-exists', 'topics create t --if-not-exists'],
    ['kafka-topics.sh --bootstrap-server x:1 --describe --topic t', 'topics describe t --bootstrap-server x:1'],
    ['topics --alter --topic t --partitions 6', 'topics add-partitions t --partitions 6'],
    ['groups --describe --group g --members --verbose', 'groups describe g'],
    [
      'kafka-consumer-groups --reset-offsets --group g --topic t:0 --to-earliest',
      'groups reset-offsets g --topic t:0 --to-earliest',
    ],
    ['configs --describe --entity-type topics --entity-name t', 'configs describe topic t'],
    ['configs --alter --entity-type topics --entity-name t --add-config a=1,b=[x,y]', 'configs set topic t a=1 b=x,y'],
    ['configs --alter --entity-type brokers --entity-default --delete-config a,b', 'configs unset broker default a b'],
    ['consume --topic t --property print.key=true --property print.value=false', 'consume t --print-key'],
    ['kafka-console-consumer --topic t --timeout-ms 500 --group g', 'consume t --group g --idle-timeout 500ms'],
    ['produce --topic t --property parse.key=true --property key.separator=:', 'produce t --key-separator :'],
    ['produce --topic t --compression-codec zstd', 'produce t --compression zstd'],
    ['kafka-transactions.sh describe --transactional-id i', 'transactions describe i'],
    ['kafka-transactions.sh forceTerminateTransaction --transactionalId i', 'transactions force-terminate i'],
    [
      'kafka-transactions abort --topic t --partition 0 --start-offset 5',
      'transactions abort t --partition 0 --start-offset 5',
    ],
    [
      'transactions find-hanging --topic t --max-transaction-timeout 20',
      'transactions find-hanging --topic t --idle-for 20m',
    ],
    ['transactions list --duration-filter 500', 'transactions list --open-for 500ms'],
    ['transactions list --transactional-id-pattern a.*', 'transactions list --id-pattern a.*'],
    ['offsets --topic t --time -2', 'offsets t --at earliest'],
    ['log-dirs --describe --topic-list a,b', 'log-dirs a b'],
    ['topics --describe --under-replicated-partitions', 'topics describe --under-replicated'],
    [
      'kafka-reassign-partitions.sh --generate --topics-to-move-json-file f --broker-list 1,2',
      'partitions reassign generate --topics-file f --brokers 1,2',
    ],
    [
      'partitions reassign --execute --reassignment-json-file f --throttle 10',
      'partitions reassign execute --plan f --throttle 10',
    ],
    ['reassign-partitions --list', 'partitions reassign list'],
    [
      'kafka-leader-election.sh --election-type UNCLEAN --topic t --partition 0',
      'partitions elect --topic t --partition 0 --unclean',
    ],
    [
      'kafka-leader-election --election-type preferred --all-topic-partitions',
      'partitions elect --all-topics --preferred',
    ],
    ['kafka-cluster.sh cluster-id', 'cluster'],
    ['kafka-consumer-groups.sh --list --state', 'groups list'],
    ['kafka-consumer-groups.sh --list --state Stable', 'groups list --state Stable'],
    ['kafka-console-producer.sh --broker-list h:1 --topic t', 'produce t --bootstrap-server h:1'],
    ['kafka-acls.sh --list --topic t', 'acls list --topic t'],
    [
      'kafka-acls --add --allow-principal User:u --producer --topic t',
      'acls add --principal User:u --producer --topic t',
    ],
    [
      'kafka-acls --add --deny-principal User:u --deny-host h --operation Read --topic t --resource-pattern-type prefixed',
      'acls add --principal User:u --host h --operation Read --topic t --deny --prefixed',
    ],
    ['kafka-acls --remove --topic t', 'acls remove --topic t --any'],
    ['kafka-acls --remove --allow-principal User:u --topic t', 'acls remove --principal User:u --topic t'],
    [
      'kafka-acls --add --allow-principal User:u --operation CreateTokens --user-principal User:v',
      'acls add --principal User:u --operation CreateTokens --user User:v',
    ],
    ['kafka-configs --describe --entity-type users --entity-name u', 'quotas list --user u'],
    [
      'kafka-configs --alter --entity-type users --entity-name u --entity-type clients --entity-name c --add-config a=1,b=2',
      'quotas set --user u --client-id c a=1 b=2',
    ],
    [
      'kafka-configs --alter --entity-type clients --entity-default --delete-config a',
      'quotas unset --client-default a',
    ],
    ['kafka-dump-log.sh --files a,b --print-data-log', 'log dump a b --records'],
    ['kafka-server-start.sh f --override a=b', 'start --config f --override a=b'],
    ['zookeeper-shell.sh h:2181 ls /brokers', 'metadata ls /brokers --override zookeeper.connect=h:2181'],
    ['kafka-run-class.sh kafka.tools.GetOffsetShell --topic t --time -1', 'offsets t --at latest'],
    ['-b h:1 kafka-run-class kafka.tools.DumpLogSegments --files a', '-b h:1 log dump a'],
    ['kafka-consumer-groups.sh --list --timeout 5000', 'groups list --timeout 5000ms'],
    ['kafka-reassign-partitions --list --timeout 1s', 'partitions reassign list --timeout 1s'],
    ['kafka-console-producer --topic t --timeout 1000', 'produce t'],
    ['start -- --port 0', 'start --port 0'],
    ['-- topics list', 'topics list'],
    ['-- kafka-topics --list', 'topics list'],
  ])('%s is %s', (kafka, ours) => {
    expect(fromKafkaShape(words(kafka))).toEqual(words(ours));
  });

  it.each([
    'topics create t --partitions 3 --config retention.ms=1',
    'groups reset-offsets g --topic t --to-offset -1',
    'consume a b --group g --format %s',
    'configs set topic t retention.ms=1',
    'start --port 0',
    'partitions elect --topic t',
    'partitions reassign verify --plan f',
    'partitions',
    'partitions --help',
    'cluster describe',
    'acls list',
    'acls add --principal u --deny --topic t',
    'log dump a --records',
    '--help',
    'topics',
    'topics --help',
    'topics --json',
    'groups list --timeout 5',
  ])('%s is left alone', (line) => {
    expect(fromKafkaShape(words(line))).toEqual(words(line));
  });

  it.each([
    ['kafka-topics.sh --creat --topic t', 'There is no --creat here', 'Did you mean --create?'],
    ['topics --descrbe', 'There is no --descrbe here', 'Did you mean --describe?'],
    ['-b h:1 groups --rest-offsets --group g', 'There is no --rest-offsets here', 'Did you mean --reset-offsets?'],
    ['kafka-reassign-partitions --excute', 'There is no --excute here', 'Did you mean --execute?'],
    ['kafka-acls.sh --romove --topic t', 'There is no --romove here', 'Did you mean --remove?'],
    [
      'kafka-topics.sh --topic t',
      'Say what is to be done: --create, --list, --describe, --delete or --alter',
      undefined,
    ],
    ['acls --principal u', 'Say what is to be done: --add, --list or --remove', undefined],
  ])('%s does not say what is to be done', (line, message, hint) => {
    expect(() => fromKafkaShape(words(line))).toThrow(expect.objectContaining({ code: 'CLI_USAGE', message, hint }));
  });

  it('takes what Kafka and Millrace share in the table of the page as the command beside it', () => {
    const page = readFileSync(new URL('../../../../docs/kafka-commands.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `(kafka-[\w-]+\.sh [^`]*)` \| `millrace ([^`]*)` \|$/gm)];
    // Those are answered with the right command, or name files and users otherwise.
    const shapes = rows.filter(([, kafka]) => !/^kafka-(?:delete-records|acls|server-start)\.sh/.test(kafka!));
    expect(shapes.length).toBeGreaterThan(15);
    for (const [, kafka, ours] of shapes) {
      expect(new Set(fromKafkaShape(words(kafka!)))).toEqual(new Set(words(ours!)));
    }
  });
});
