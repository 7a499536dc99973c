import { describe, expect, it } from 'vitest';
import { Admin } from './admin.ts';

/** Nobody listens there: what is refused is refused before anything is sent. */
const admin = new Admin({ bootstrapServers: '127.0.0.1:1', apiTimeoutMs: 50, reconnectBackoffMs: 1 });
const given = (value: unknown): never => value as never;

const place = { topic: 't', partition: 0 };

describe('an admin call', () => {
  it.each<[string, () => Promise<unknown>, string]>([
    [
      'numPartitions',
      () => admin.createTopics(given([{ topic: 't', numPartitions: 3 }])),
      'topics[0].numPartitions is no field of a new topic: it is called partitions',
    ],
    [
      'a typing error',
      () => admin.createTopics(given([{ topic: 'a' }, { topic: 't', partitons: 3 }])),
      'topics[1].partitons is no field of a new topic; did you mean partitions?',
    ],
    [
      "kafkajs's topics",
      () => admin.createTopics(given({ topics: [{ topic: 't' }] })),
      'topics must be a list, not an object of class Object: give the list itself, not an object around it',
    ],
    ['no topic', () => admin.createTopics(given([{ partitions: 3 }])), 'topics[0].topic must be the name of a topic'],
    ['partitions as text', () => admin.createTopics(given([{ topic: 't', partitions: '3' }])), 'give the number 3'],
    [
      'configs of null',
      () => admin.createTopics(given([{ topic: 't', configs: { 'retention.ms': null } }])),
      'topics[0].configs must be',
    ],
    ...[new Map([['retention.ms', 5]]), new Headers({ 'retention.ms': '5' }), new Date(5)].map(
      (configs): [string, () => Promise<unknown>, string] => [
        `configs of class ${configs.constructor.name}`,
        () => admin.createTopics(given([{ topic: 't', configs }])),
        'topics[0].configs must be an object of texts',
      ],
    ),
    ['configEntries', () => admin.createTopics(given([{ topic: 't', configEntries: [] }])), 'it is called configs'],
    [
      'an option',
      () => admin.createTopics([{ topic: 't' }], given({ waitForLeaders: true })),
      'waitForLeaders is no option of this call',
    ],
    ['a time as text', () => admin.createTopics([{ topic: 't' }], given({ timeoutMs: '5' })), 'give the number 5'],
    ['a name for a list', () => admin.deleteTopics(given('t')), "topics must be a list, not 't' (a string)"],
    ['a number for a name', () => admin.deleteTopics(given([5])), 'topics[0] must be the name of a topic'],
    ['a name that is too long', () => admin.describeTopics(['x'.repeat(250)]), 'text of 1 to 249 characters'],
    ['count', () => admin.createPartitions(given([{ topic: 't', partitions: 3 }])), 'it is called count'],
    [
      'a resource',
      () => admin.describeConfigs(given([{ type: 2, name: 't' }])),
      "resources[0].type must be 'topic', 'broker', 'broker-logger', not 2",
    ],
    ['changes', () => admin.alterConfigs(given([{ type: 'topic', name: 't', configEntries: [] }])), 'set takes them'],
    [
      'set of a list',
      () => admin.alterConfigs(given([{ type: 'topic', name: 't', set: [1] }])),
      'changes[0].set must be',
    ],
    [
      'half of a character in a group',
      () => admin.describeGroups(['g', 'g\ud800']),
      "groupIds[1] must be text of at most 32767 bytes, not 'g\\ud800'",
    ],
    [
      'half of a character in a group that commits',
      () => admin.alterGroupOffsets('g\ud800', [{ ...place, offset: 1 }]),
      'half of a character',
    ],
    [
      'half of a character in what is committed',
      () => admin.alterGroupOffsets('g', [{ ...place, offset: 1, metadata: '\ud800' }]),
      'half of a character',
    ],
    ['half of a character in a topic', () => admin.createTopics([{ topic: 't\ud800' }]), 'half of a character'],
    [
      'half of a character in a transactional id',
      () => admin.describeTransactions(['tx\ud800']),
      'half of a character',
    ],
    [
      'half of a character in the name of a config',
      () => admin.alterConfigs([{ type: 'topic', name: 't', set: { '\ud800': 1 } }]),
      'changes[0].set must be',
    ],
    ['half of a character in a user', () => admin.describeScramUsers(['u\ud800']), 'half of a character'],
    [
      'the id of a group that is too long',
      () => admin.deleteGroups(['g'.repeat(32_768)]),
      'text of at most 32767 bytes',
    ],
    ['groups', () => admin.describeGroups(given('g')), 'groupIds must be a list'],
    [
      'a group',
      () => admin.listGroupOffsets(given({ groupId: 'g' })),
      'groupId must be text of at most 32767 bytes, not an object of class Object',
    ],
    [
      'partitions of a group',
      () => admin.listGroupOffsets('g', given([{ topic: 't', partitions: [0] }])),
      'give one { topic, partition } for each',
    ],
    ['a member', () => admin.removeMembers('g', given([{}])), 'members[0] must have groupInstanceId or memberId'],
    ['an offset as text', () => admin.alterGroupOffsets('g', given([{ ...place, offset: '5' }])), 'give the number 5'],
    [
      'a negative offset',
      () => admin.alterGroupOffsets('g', [{ ...place, offset: -1 }]),
      'offsets[0].offset must be a whole number of at least 0, not -1',
    ],
    ['a time to look for', () => admin.listOffsets(given([{ ...place, at: new Date(5) }])), 'give date.getTime()'],
    ['where to look', () => admin.listOffsets(given([{ ...place, timestamp: 5 }])), 'it is called at'],
    [
      'how to look',
      () => admin.listOffsets([{ ...place, at: 'latest' }], given({ isolationLevel: 1 })),
      'isolationLevel must be',
    ],
    ['what to delete', () => admin.deleteRecords(given([{ ...place, offset: 5 }])), 'it is called before'],
    ['a fraction', () => admin.deleteRecords([{ ...place, before: 0.5 }]), 'items[0].before must be the offset'],
    ['brokers', () => admin.describeLogDirs(given({ brokerIds: ['1'] })), 'brokerIds must be a list of broker ids'],
    [
      'replicas',
      () => admin.alterPartitionReassignments(given([{ ...place }])),
      'reassignments[0].replicas must be a list of broker ids or null',
    ],
    ['an election', () => admin.electLeaders('all', given({ type: 'dirty' })), "type must be 'preferred', 'unclean'"],
    [
      'an entity',
      () => admin.describeClientQuotas(given([{ type: 'group' }])),
      "filter[0].type must be 'user', 'client-id', 'ip'",
    ],
    ['a rule', () => admin.describeAcls(given({ permissionType: 'allow' })), 'it is called permission'],
  ])('refuses %s before anything is sent', async (_name, call, message) => {
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CLIENT_INVALID_ARGUMENT', retriable: false });
    expect((error as Error).message).toContain(message);
  });

  it('refuses a number of partitions or replicas beside assignments, which say both', async () => {
    for (const name of ['partitions', 'replicationFactor']) {
      await expect(admin.createTopics([{ topic: 't', assignments: [[1]], [name]: 2 }])).rejects.toMatchObject({
        code: 'CLIENT_INVALID_ARGUMENT',
        message: `Cannot create topics: topics[0].${name} is what topics[0].assignments says: leave it out`,
      });
    }
  });

  it('takes what is right as far as the network', async () => {
    const calls = [
      admin.createTopics([{ topic: 't', partitions: 3, configs: { a: 1, b: true, c: 'x' } }], { validateOnly: true }),
      admin.createTopics([{ topic: 't', assignments: [[1, 2]] }], { timeoutMs: 20, retries: 0 }),
      admin.alterGroupOffsets('', [{ ...place, offset: 5, leaderEpoch: -1, metadata: null }]),
      admin.removeMembers('g', [{ memberId: 'm' }], { reason: '' }),
      admin.listOffsets([{ ...place, at: 5 }], { isolationLevel: 'read_committed' }),
      admin.deleteRecords([{ ...place, before: 'all' }], { signal: new AbortController().signal }),
      admin.alterPartitionReassignments([{ ...place, replicas: null }]),
      admin.describeClientQuotas([{ type: 'user', name: null }], { strict: true }),
    ];
    // All at once: one that fails while another is waited for is nobody's otherwise.
    for (const thrown of await Promise.all(calls.map((call) => call.catch((error: unknown) => error)))) {
      const error = thrown as Error & { code: string };
      expect(error.code).not.toBe('CLIENT_INVALID_ARGUMENT');
    }
  });
});

it('an admin refuses options that there are not', () => {
  expect(() => new Admin(given({ brokers: ['a:1'] }))).toThrow(
    'brokers is no option of an admin: it is called bootstrapServers',
  );
});

it('an admin closes in time', async () => {
  const closing = new Admin({ bootstrapServers: '127.0.0.1:1' });
  await expect(closing.close(given({ timeoutMs: '5' }))).rejects.toMatchObject({ code: 'CLIENT_INVALID_ARGUMENT' });
  await closing.close({ timeoutMs: 0 });
});
