/**
 * Access rules that nobody can read, because somebody has written rubbish into the metadata store: what they are about is denied, the others
 * hold and change as ever, and what is mended is taken up though nobody tells of it.
 */
import { MemoryMetadataStore } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { DescribeAcls, ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { type Operation, topicResource } from '../shared/authorization.ts';
import { silentLogger } from '../shared/logger.ts';
import { inTurns } from '../testing/in-turns.ts';
import { BrokerUnderTest } from '../testing/test-broker.ts';
import { EVERY_RULE } from '../testing/test-rights.ts';
import { AccessRules } from './access-rules.ts';
import type { AccessRule, ResourcePattern } from './acl.ts';
import { aclPath, encodeRules } from './acl-nodes.ts';

const hurt: ResourcePattern = { type: 'Topic', name: 'hurt', isPrefix: false };
const sound: ResourcePattern = { type: 'Topic', name: 'sound', isPrefix: false };
const carolReads: AccessRule = { principal: 'User:carol', permissionType: 'Allow', host: '*', operation: 'Read' };
const carolDenied: AccessRule = { ...carolReads, permissionType: 'Deny' };
const WHOLE = encodeRules([carolReads]);

const RUBBISH: readonly (readonly [string, Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['the half of them', WHOLE.subarray(0, WHOLE.length / 2)],
  ['bytes that are no text', Buffer.from([0xff, 0, 0xc3, 0x28, 0x7b])],
  ['null', Buffer.from('null')],
  ['a list', Buffer.from('[1,2,3]')],
  ['text for a list', Buffer.from('{"version":1,"acls":"text"}')],
  ['rules that are none', Buffer.from('{"version":1,"acls":[null,7]}')],
  ['another version', Buffer.from(WHOLE.toString().replace('"version":1', '"version":2'))],
  ['a permission that nobody knows', Buffer.from(WHOLE.toString().replace('Allow', 'Forbid'))],
  ['an operation that nobody knows', Buffer.from(WHOLE.toString().replace('Read', 'Rread'))],
];

class Scene {
  readonly store = new MemoryMetadataStore({ clock: new ManualClock() });
  /** Whoever damages and mends, without a word to anybody. */
  readonly hand = this.store.openSession();
  readonly logged: string[] = [];

  async broker(allowEveryoneIfNoAclFound = false) {
    const session = this.store.openSession();
    const error = (_: object, line: string): void => void this.logged.push(line);
    const rules = new AccessRules({
      store: session,
      // It stands still: what waits for it does not happen.
      clock: new ManualClock(),
      logger: { ...silentLogger, error },
      config: { superUsers: 'User:admin', allowEveryoneIfNoAclFound },
    });
    await rules.start();
    return { rules, session };
  }

  write(pattern: ResourcePattern, data: Buffer): Promise<unknown> {
    return this.hand.set(aclPath(pattern), data, 'any');
  }

  tell(text: string): Promise<unknown> {
    return this.hand.create('/kafka-acl-changes/acl_changes_', Buffer.from(text), { sequential: true });
  }
}

function may(rules: AccessRules, topic: string, user = 'carol', operation: Operation = 'Read'): boolean {
  const asker = {
    principal: `User:${user}`,
    clientHost: '127.0.0.1',
    requestName: 'Fetch',
    purpose: 'filter' as const,
  };
  return rules.authorizer.isAllowed({ ...asker, operation, resource: topicResource(topic) });
}

async function sceneWithRules(): Promise<Scene> {
  const scene = new Scene();
  const { rules } = await scene.broker();
  await rules.add(hurt, [carolReads]);
  await rules.add(sound, [carolReads]);
  rules.stop();
  return scene;
}

describe.each(RUBBISH)('access rules with %s in their node', (_, rubbish) => {
  it('deny to all but super users at a start, whatever holds without rules, and no others do', async () => {
    const scene = await sceneWithRules();
    await scene.write(hurt, rubbish);
    const { rules } = await scene.broker(true);
    expect([may(rules, 'hurt'), may(rules, 'hurt', 'dave', 'Describe'), may(rules, 'hurt', 'admin')]).toEqual([
      false,
      false,
      true,
    ]);
    expect([may(rules, 'sound'), may(rules, 'sound', 'dave'), may(rules, 'without')]).toEqual([true, false, true]);
    expect(scene.logged.filter((line) => line.includes('/kafka-acl/Topic/hurt'))).not.toEqual([]);
    expect(scene.logged.filter((line) => line.includes('sound'))).toEqual([]);
  });

  it('hold up no change of others, and hold again when they are mended', async () => {
    const scene = await sceneWithRules();
    const { rules } = await scene.broker();
    const { rules: elsewhere } = await scene.broker();
    await scene.write(hurt, rubbish);
    await scene.tell('TOPIC:hurt');
    await elsewhere.add(sound, [{ ...carolReads, operation: 'Write' }]);
    await inTurns(() => expect(may(rules, 'sound', 'carol', 'Write')).toBe(true));
    expect(may(rules, 'hurt')).toBe(false);
    await scene.write(hurt, WHOLE);
    await inTurns(() => expect(may(rules, 'hurt')).toBe(true));
    await scene.write(hurt, encodeRules([carolDenied]));
    await scene.tell('TOPIC:hurt');
    await inTurns(() => expect(may(rules, 'hurt')).toBe(false));
  });
});

describe('access rules that nobody can read', () => {
  const [, rubbish] = RUBBISH[1]!;

  it('are asked of nobody else: a broker starts with them, and serves', async () => {
    const test = await BrokerUnderTest.start({
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:ANONYMOUS',
    });
    try {
      const hand = test.store.openSession();
      await hand.create(aclPath(hurt), rubbish);
      await hand.create(aclPath(sound), WHOLE);
      await hand.close();
      await test.restart();
      const filter = { ...EVERY_RULE, resourceNameFilter: null };
      const answer = await test.connect().ask(DescribeAcls, 3, filter);
      expect(answer).toMatchObject({ errorCode: ErrorCode.NONE, resources: [{ resourceName: 'sound' }] });
    } finally {
      await test.stop();
    }
  });

  it('deny what begins with their prefix, or everything of the type, and any of what they cover', async () => {
    const scene = await sceneWithRules();
    const asker = { principal: 'User:carol', clientHost: '127.0.0.1', requestName: 'InitProducerId' };
    await scene.hand.create(aclPath({ ...hurt, name: 'so', isPrefix: true }), rubbish);
    const { rules } = await scene.broker();
    expect([may(rules, 'sound'), may(rules, 'hurt')]).toEqual([false, true]);
    expect(rules.authorizer.isAllowedForAny(asker, 'Read', 'Topic')).toBe(true);
    await scene.hand.create(aclPath({ ...hurt, name: '*' }), rubbish);
    const { rules: later } = await scene.broker(true);
    expect([may(later, 'sound'), may(later, 'hurt'), may(later, 'without')]).toEqual([false, false, false]);
    expect(later.authorizer.isAllowedForAny(asker, 'Read', 'Topic')).toBe(false);
    expect(later.authorizer.isAllowedForAny(asker, 'Read', 'Group')).toBe(true);
  });

  it('are taken up too where they are mended by a node that is removed and made anew', async () => {
    const scene = await sceneWithRules();
    await scene.write(hurt, rubbish);
    const { rules } = await scene.broker(true);
    await scene.hand.delete(aclPath(hurt), 'any');
    await inTurns(() => expect(may(rules, 'hurt')).toBe(true));
    await scene.hand.create(aclPath(hurt), encodeRules([carolDenied]));
    await inTurns(() => expect(may(rules, 'hurt')).toBe(false));
    expect([...rules.all()]).toContainEqual({ ...carolDenied, pattern: hurt });
  });

  it('are looked at again in the next session of the broker, and watched in it', async () => {
    const scene = await sceneWithRules();
    await scene.write(hurt, rubbish);
    const { rules, session } = await scene.broker();
    await session.expireSession();
    await session.renewSession();
    await inTurns(() => expect(scene.logged.length).toBeGreaterThan(2));
    await scene.write(hurt, WHOLE);
    await inTurns(() => expect(may(rules, 'hurt')).toBe(true));
  });

  it('are not written over, and deny from the moment on in which a change finds them', async () => {
    const scene = await sceneWithRules();
    const { rules } = await scene.broker();
    await scene.write(hurt, rubbish);
    const refused = { code: 'METADATA_MALFORMED', path: '/kafka-acl/Topic/hurt' };
    await expect(rules.add(hurt, [carolReads])).rejects.toMatchObject(refused);
    expect((await scene.hand.get(aclPath(hurt))).data.equals(rubbish)).toBe(true);
    expect(may(rules, 'hurt')).toBe(false);
    await rules.add(sound, [carolDenied]);
    expect(may(rules, 'sound')).toBe(false);
  });

  it('keep no others from being removed', async () => {
    const scene = await sceneWithRules();
    const { rules } = await scene.broker();
    await scene.write(hurt, rubbish);
    await expect(rules.remove([EVERY_RULE])).rejects.toMatchObject({ code: 'METADATA_MALFORMED' });
    expect(await scene.hand.exists(aclPath(sound))).toBeUndefined();
    expect(await rules.remove([EVERY_RULE])).toEqual([[]]);
    expect([...rules.all()]).toEqual([]);
  });

  it.each(['HAMSTER:hurt', '{"resourceType":"TOPIC"}', ''])(
    'may be what a notification like "%s" is about: all are read anew at once',
    async (text) => {
      const scene = await sceneWithRules();
      const { rules } = await scene.broker();
      await scene.write(hurt, encodeRules([carolDenied]));
      await scene.tell(text);
      await inTurns(() => expect(may(rules, 'hurt')).toBe(false));
    },
  );
});
