/** What admin clients do in a session that is recorded: one call of each kind, so that each API's frames are there. */
import { Admin } from '@platformatic/kafka';
import kafkajsModule from 'kafkajs';
import { connectKafkaJs } from '../clients/index.ts';
import { kafkaTool } from '../kafka/index.ts';

const { ConfigResourceTypes } = kafkajsModule;

/** kafkajs's admin: topics, partitions, configs, groups, offsets, records. */
export async function administerWithKafkaJs(bootstrap: string, topic: string, group: string): Promise<void> {
  const admin = connectKafkaJs(bootstrap).admin();
  await admin.connect();
  try {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    await admin.createTopics({
      topics: [{ topic, numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '3600000' }] }],
    });
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    await admin.listTopics();
    await admin.fetchTopicMetadata({ topics: [topic] });
    await admin.fetchTopicOffsets(topic);
    await admin.fetchTopicOffsetsByTimestamp(topic, Date.now());
    await admin.describeConfigs({ includeSynonyms: true, resources: [resource] });
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '7200000' }] }],
    });
    await admin.describeCluster();
    await admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset: '0' }] });
    await admin.fetchOffsets({ groupId: group, topics: [topic] });
    await admin.listGroups();
    await admin.describeGroups([group]);
    await admin.deleteGroups([group]);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '-1' }] });
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await admin.disconnect();
  }
}

/** @platformatic/kafka's admin, the same round in the newest versions of the APIs. */
export async function administerWithPlatformatic(bootstrap: string, topic: string, group: string): Promise<void> {
  const admin = new Admin({ clientId: 'platformatic', bootstrapBrokers: [bootstrap] });
  try {
    await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 });
    await admin.createPartitions({ topics: [{ name: topic, count: 3 }] });
    await admin.listTopics();
    await admin.metadata({ topics: [topic] });
    await admin.alterConsumerGroupOffsets({
      groupId: group,
      topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 0n }] }],
    });
    await admin.listConsumerGroupOffsets({ groups: [group] });
    await admin.listGroups();
    await admin.describeGroups({ groups: [group] });
    await admin.deleteGroups({ groups: [group] });
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await admin.close();
  }
}

/** Kafka's own tools: what their admin client sends. */
export async function administerWithJava(
  bootstrap: string,
  topic: string,
  group: string,
  version: string,
): Promise<void> {
  const run = (tool: string, ...args: string[]) =>
    kafkaTool(tool, ['--bootstrap-server', bootstrap, ...args], { version });
  await run('kafka-topics', '--create', '--topic', topic, '--partitions', '2', '--config', 'retention.ms=3600000');
  await run('kafka-topics', '--alter', '--topic', topic, '--partitions', '3');
  await run('kafka-topics', '--describe', '--topic', topic);
  const entity = ['--entity-type', 'topics', '--entity-name', topic];
  await run('kafka-configs', '--alter', ...entity, '--add-config', 'retention.ms=7200000');
  await run('kafka-configs', '--describe', '--all', ...entity);
  await run('kafka-consumer-groups', '--list', '--state');
  const reset = ['--reset-offsets', '--to-earliest', '--topic', topic, '--execute'];
  await run('kafka-consumer-groups', '--group', group, ...reset);
  await run('kafka-consumer-groups', '--describe', '--group', group, '--offsets');
  await run('kafka-consumer-groups', '--describe', '--group', group, '--members', '--verbose');
  await run('kafka-consumer-groups', '--delete-offsets', '--group', group, '--topic', topic);
  await run('kafka-consumer-groups', '--delete', '--group', group);
  await run('kafka-get-offsets', '--topic', topic, '--time', '-3');
  await run('kafka-log-dirs', '--describe', '--topic-list', topic);
  await run('kafka-broker-api-versions');
  await run('kafka-topics', '--delete', '--topic', topic);
}
