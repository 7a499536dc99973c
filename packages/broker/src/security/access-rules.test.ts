import { MemoryMetadataStore } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { topicResource } from '../shared/authorization.ts';
import { silentLogger } from '../shared/logger.ts';
import { inTurns } from '../testing/in-turns.ts';
import { EVERY_RULE } from '../testing/test-rights.ts';
import { AccessRules } from './access-rules.ts';
import type { AccessRule, ResourcePattern } from './acl.ts';

const clock = new ManualClock();
const config = { superUsers: 'User:admin; User:CN=a,OU=b', allowEveryoneIfNoAclFound: false };
const topic: ResourcePattern = { type: 'Topic', name: 'lit.topic', isPrefix: false };
const prefix: ResourcePattern = { type: 'Topic', name: 'pre-', isPrefix: true };
const carolReads: AccessRule = { principal: 'User:carol', permissionType: 'Allow', host: '*', operation: 'Read' };
const daveDenied: AccessRule = { principal: 'User:dave', permissionType: 'Deny', host: '10.0.0.1', operation: 'All' };

function mayCarolRead(rules: AccessRules, name = 'lit.topic'): boolean {
  const asker = { principal: 'User:carol', clientHost: '127.0.0.1', requestName: 'Fetch', purpose: 'filter' as const };
  return rules.authorizer.isAllowed({ ...asker, operation: 'Read', resource: topicResource(name) });
}

async function start(store: MemoryMetadataStore) {
  const session = store.openSession();
  const rules = new AccessRules({ store: session, clock, logger: silentLogger, config });
  await rules.start();
  return { rules, session };
}

describe('access rules in the metadata store', () => {
  it('are written as Kafka 3.9.1 writes them, with notifications', async () => {
    const store = new MemoryMetadataStore({ clock });
    const { rules, session } = await start(store);
    await rules.add(topic, [carolReads]);
    await rules.add(topic, [daveDenied]);
    await rules.add(prefix, [{ ...carolReads, operation: 'Write' }]);
    const text = async (path: string) => (await session.get(path)).data.toString();
    expect(await text('/kafka-acl/Topic/lit.topic')).toBe(
      '{"acls":[{"principal":"User:carol","permissionType":"Allow","host":"*","operation":"Read"},' +
        '{"principal":"User:dave","permissionType":"Deny","host":"10.0.0.1","operation":"All"}],"version":1}',
    );
    expect(await text('/kafka-acl-extended/prefixed/Topic/pre-')).toBe(
      '{"acls":[{"principal":"User:carol","permissionType":"Allow","host":"*","operation":"Write"}],"version":1}',
    );
    expect(await text('/kafka-acl-changes/acl_changes_0000000000')).toBe('TOPIC:lit.topic');
    expect(await text('/kafka-acl-extended-changes/acl_changes_0000000000')).toBe(
      '{"version":1,"resourceType":"TOPIC","name":"pre-","patternType":"PREFIXED"}',
    );
    expect([...(await session.children('/kafka-acl'))].sort()).toEqual([
      'Cluster',
      'DelegationToken',
      'Group',
      'Topic',
      'TransactionalId',
      'User',
    ]);
  });

  it('keep each rule once, whether it was there before or is added twice', async () => {
    const { rules } = await start(new MemoryMetadataStore({ clock }));
    await rules.add(topic, [carolReads]);
    await rules.add(topic, [daveDenied, carolReads, { ...daveDenied }, { ...daveDenied, host: '*' }]);
    const kept = [...rules.all()].map(({ principal, host }) => [principal, host]);
    expect(kept).toEqual([
      ['User:carol', '*'],
      ['User:dave', '10.0.0.1'],
      ['User:dave', '*'],
    ]);
  });

  it('write a rule that is there already anew and tell nobody', async () => {
    const store = new MemoryMetadataStore({ clock });
    const { rules, session } = await start(store);
    await rules.add(topic, [carolReads]);
    await rules.add(topic, [carolReads]);
    expect((await session.get('/kafka-acl/Topic/lit.topic')).stat.version).toBe(1);
    expect(await session.children('/kafka-acl-changes')).toHaveLength(1);
  });

  it('go with their node when the last is removed, and leave the others where one is', async () => {
    const store = new MemoryMetadataStore({ clock });
    const { rules, session } = await start(store);
    await rules.add(topic, [carolReads, daveDenied]);
    const removed = await rules.remove([
      { ...EVERY_RULE, principalFilter: 'User:carol' },
      { ...EVERY_RULE, principalFilter: 'User:nobody' },
    ]);
    expect(removed).toEqual([[{ ...carolReads, pattern: topic }], []]);
    expect([...rules.all()]).toEqual([{ ...daveDenied, pattern: topic }]);
    expect(mayCarolRead(rules)).toBe(false);
    await rules.remove([EVERY_RULE]);
    expect(await session.exists('/kafka-acl/Topic/lit.topic')).toBeUndefined();
  });

  it('reach the other brokers, also those whose session had ended meanwhile', async () => {
    const store = new MemoryMetadataStore({ clock });
    const here = await start(store);
    const there = await start(store);
    await here.rules.add(topic, [carolReads]);
    await inTurns(() => expect(mayCarolRead(there.rules)).toBe(true));
    await there.session.expireSession();
    await here.rules.add(prefix, [carolReads]);
    await here.rules.remove([
      { ...EVERY_RULE, resourceTypeFilter: 2, resourceNameFilter: 'lit.topic', patternTypeFilter: 3 },
    ]);
    await there.session.renewSession();
    await inTurns(() => expect(!mayCarolRead(there.rules) && mayCarolRead(there.rules, 'pre-x')).toBe(true));
  });

  it('know super users by semicolons, for names of certificates have commas', async () => {
    const { rules } = await start(new MemoryMetadataStore({ clock }));
    const asker = { principal: 'User:CN=a,OU=b', clientHost: '::1', requestName: 'Fetch', purpose: 'filter' as const };
    expect(rules.authorizer.isAllowed({ ...asker, operation: 'Read', resource: topicResource('t') })).toBe(true);
  });
});
