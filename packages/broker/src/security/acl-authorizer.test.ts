import { ManualClock } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type Operation, type ResourceType, topicResource } from '../shared/authorization.ts';
import { javaAddress } from '../shared/hosts.ts';
import { silentLogger } from '../shared/logger.ts';
import type { AccessRule, AclOperation, ResourcePattern } from './acl.ts';
import { AclAuthorizer } from './acl-authorizer.ts';

interface Given {
  readonly name: string;
  readonly isPrefix?: boolean;
  readonly type?: ResourceType;
  readonly operation: AclOperation;
  readonly deny?: boolean;
  readonly principal?: string;
  readonly host?: string;
}

function authorizerWith(given: readonly Given[], allowsWithoutRules = false, lines: string[] = []): AclAuthorizer {
  const logger = { ...silentLogger, info: (_: object, line: string) => void lines.push(line) };
  const superUsers = new Set(['User:admin']);
  const authorizer = new AclAuthorizer({ superUsers, allowsWithoutRules, logger, clock: new ManualClock() });
  const patterns = Map.groupBy(given, ({ type = 'Topic', name, isPrefix }) => `${type} ${name} ${isPrefix === true}`);
  for (const all of patterns.values()) {
    const [{ type = 'Topic', name, isPrefix = false }] = all as [Given];
    authorizer.setRules({ type, name, isPrefix }, all.map(ruleOf));
  }
  return authorizer;
}

function ruleOf({ operation, deny = false, principal = 'User:alice', host = '*' }: Given): AccessRule {
  return { operation, principal, host, permissionType: deny ? 'Deny' : 'Allow' };
}

function mayAlice(authorizer: AclAuthorizer, operation: Operation, topic: string, clientHost = '127.0.0.1'): boolean {
  const asker = { principal: 'User:alice', clientHost, requestName: 'Produce', purpose: 'access' as const };
  return authorizer.isAllowed({ ...asker, operation, resource: topicResource(topic) });
}

describe('access rules', () => {
  it('allow by name, by what the name begins with, and for all names', () => {
    const authorizer = authorizerWith([
      { name: 'a', operation: 'Read' },
      { name: 'pre-', isPrefix: true, operation: 'Write' },
      { name: '*', operation: 'Alter' },
    ]);
    expect(mayAlice(authorizer, 'Read', 'a')).toBe(true);
    expect(mayAlice(authorizer, 'Read', 'ab')).toBe(false);
    expect(mayAlice(authorizer, 'Write', 'pre-x')).toBe(true);
    expect(mayAlice(authorizer, 'Write', 'pre-')).toBe(true);
    expect(mayAlice(authorizer, 'Write', 'pre')).toBe(false);
    expect(mayAlice(authorizer, 'Alter', 'whatever')).toBe(true);
  });

  it.each(['Read', 'Write', 'Delete', 'Alter'] as const)(
    'let describe who may %s, and what denies it implies nothing',
    (operation) => {
      expect(mayAlice(authorizerWith([{ name: 'a', operation }]), 'Describe', 'a')).toBe(true);
      const denied = authorizerWith([
        { name: 'a', operation: 'Describe' },
        { name: 'a', operation, deny: true },
      ]);
      expect(mayAlice(denied, 'Describe', 'a')).toBe(true);
    },
  );

  it('let describe configs who may alter them, and nothing else', () => {
    const authorizer = authorizerWith([{ name: 'a', operation: 'AlterConfigs' }]);
    expect(mayAlice(authorizer, 'DescribeConfigs', 'a')).toBe(true);
    expect(mayAlice(authorizer, 'Describe', 'a')).toBe(false);
  });

  it.each([
    { name: 'a', operation: 'Read' },
    { name: 'a', operation: 'All' },
    { name: '*', operation: 'Read' },
    { name: '', isPrefix: true, operation: 'All' },
    { name: 'a', operation: 'Read', principal: 'User:*' },
    { name: 'a', operation: 'Read', host: '127.0.0.1' },
  ] as const)('that deny go before those that allow: %o', (denied) => {
    const authorizer = authorizerWith([
      { name: 'a', operation: 'All' },
      { ...denied, deny: true },
    ]);
    expect(mayAlice(authorizer, 'Read', 'a')).toBe(false);
    expect(mayAlice(authorizer, 'Write', 'a')).toBe(denied.operation !== 'All');
  });

  it('are for one address where they name one, however it is written', () => {
    const authorizer = authorizerWith([
      { name: 'a', operation: 'Read', host: '10.0.0.1' },
      { name: 'b', operation: 'Read', host: '0:0:0:0:0:0:0:1' },
    ]);
    expect([mayAlice(authorizer, 'Read', 'a', '10.0.0.1'), mayAlice(authorizer, 'Read', 'a', '10.0.0.2')]).toEqual([
      true,
      false,
    ]);
    expect(mayAlice(authorizer, 'Read', 'b', '::1')).toBe(true);
    expect(javaAddress('fe80::a:0b%eth0')).toBe('fe80:0:0:0:0:0:a:b%eth0');
    expect(javaAddress('1:2::3::4')).toBe('1:2::3::4');
  });

  it('are not asked for super users, and where there are none the setting decides', () => {
    const denied: Given = { name: '*', operation: 'All', deny: true, principal: 'User:*' };
    const asker = { principal: 'User:admin', clientHost: '::1', requestName: 'Fetch', purpose: 'access' as const };
    const request = { ...asker, operation: 'Read', resource: topicResource('a') } as const;
    expect(authorizerWith([denied]).isAllowed(request)).toBe(true);
    expect(mayAlice(authorizerWith([], true), 'Read', 'a')).toBe(true);
    const forBob = authorizerWith([{ name: 'a', operation: 'Read', principal: 'User:bob' }], true);
    expect([mayAlice(forBob, 'Read', 'a'), mayAlice(forBob, 'Read', 'b')]).toEqual([false, true]);
  });

  it('hold at once when they change, whatever was decided before', () => {
    const authorizer = authorizerWith([{ name: 'a', operation: 'Read' }]);
    expect(mayAlice(authorizer, 'Read', 'a')).toBe(true);
    const pattern: ResourcePattern = { type: 'Topic', name: 'a', isPrefix: false };
    authorizer.setRules(pattern, [ruleOf({ name: 'a', operation: 'Read', deny: true })]);
    expect(mayAlice(authorizer, 'Read', 'a')).toBe(false);
    authorizer.setRules(pattern, []);
    expect([...authorizer.rules.patterns]).toEqual([]);
  });
});

describe('the right to any resource of a type', () => {
  it.each<[boolean, readonly Given[]]>([
    [true, [{ name: 't', operation: 'Write' }]],
    [true, [{ name: 'p-', isPrefix: true, operation: 'All' }]],
    [
      false,
      [
        { name: 't', operation: 'Write' },
        { name: 't', operation: 'Write', deny: true },
      ],
    ],
    [
      false,
      [
        { name: 't', operation: 'Write' },
        { name: '*', operation: 'Write', deny: true },
      ],
    ],
    [
      false,
      [
        { name: 'pt', operation: 'Write' },
        { name: 'p', isPrefix: true, operation: 'Write', deny: true },
      ],
    ],
    [
      false,
      [
        { name: 'pre-a', isPrefix: true, operation: 'Write' },
        { name: 'pre-', isPrefix: true, operation: 'All', deny: true },
      ],
    ],
    [
      true,
      [
        { name: 'pre-', isPrefix: true, operation: 'Write' },
        { name: 'pre-a', isPrefix: true, operation: 'Write', deny: true },
      ],
    ],
    [
      true,
      [
        { name: '*', operation: 'Write' },
        { name: 't', operation: 'Write', deny: true },
      ],
    ],
    [
      true,
      [
        { name: '*', operation: 'Write' },
        { name: '*', operation: 'Write', deny: true, host: '10.9.9.9' },
      ],
    ],
    [true, [{ name: 't', operation: 'Write', principal: 'User:*' }]],
    [false, [{ name: '*', operation: 'Read' }]],
    [false, []],
  ])('is %s with %o, as Kafka 3.9.1 decides', (expected, given) => {
    const asker = { principal: 'User:alice', clientHost: '127.0.0.1', requestName: 'InitProducerId' };
    expect(authorizerWith(given).isAllowedForAny(asker, 'Write', 'Topic')).toBe(expected);
  });
});

describe('a right to any resource of a type', () => {
  const asker = { principal: 'User:alice', clientHost: '127.0.0.1', requestName: 'InitProducerId' };

  it('is looked for once among the rules of that type, until the rules change', () => {
    const authorizer = authorizerWith([{ name: 't', operation: 'Read' }]);
    const walks = [vi.spyOn(authorizer.rules, 'ofType'), vi.spyOn(authorizer.rules, 'all')] as const;
    const ask = (): boolean => authorizer.isAllowedForAny(asker, 'Write', 'Topic');
    expect([ask(), ask(), ask()]).toEqual([false, false, false]);
    expect(walks.map(({ mock }) => mock.calls.length)).toEqual([1, 0]);
    authorizer.setRules({ type: 'Topic', name: 't', isPrefix: false }, [ruleOf({ name: 't', operation: 'Write' })]);
    expect([ask(), ask()]).toEqual([true, true]);
    expect(authorizer.isAllowedForAny({ ...asker, principal: 'User:bob' }, 'Write', 'Topic')).toBe(false);
    expect(authorizer.isAllowedForAny({ ...asker, clientHost: '10.0.0.1' }, 'Write', 'Topic')).toBe(true);
    expect(authorizer.isAllowedForAny(asker, 'Write', 'Group')).toBe(false);
  });

  it('is found among many rules that allow and as many that deny in time that grows with them alone', () => {
    const count = 20_000;
    const given = Array.from({ length: count }, (_, at): Given[] => [
      { name: `a${at}`, operation: 'Write' },
      { name: `a${at}`, operation: 'Write', deny: true },
      { name: `d${at}`, operation: 'Write', deny: true, isPrefix: true },
    ]).flat();
    const authorizer = authorizerWith(given);
    const before = process.cpuUsage();
    expect(authorizer.isAllowedForAny(asker, 'Write', 'Topic')).toBe(false);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
  });

  it('is what comparing each rule that allows with each that denies gives, for any rules', () => {
    const rule = fc.record({
      name: fc.constantFrom('a', 'ab', 'abc', 'b', '*', ''),
      isPrefix: fc.boolean(),
      operation: fc.constantFrom<AclOperation>('Read', 'Write', 'All'),
      deny: fc.boolean(),
      principal: fc.constantFrom('User:alice', 'User:*', 'User:bob'),
    });
    const oracle = (rules: readonly Given[]): boolean => {
      const mine = rules.filter((each) => each.principal !== 'User:bob' && each.operation !== 'Read');
      const denied = mine.filter(({ deny }) => deny);
      if (denied.some(({ name, isPrefix }) => name === '*' && !isPrefix)) return false;
      const covers = (no: Given, yes: Given): boolean =>
        no.isPrefix === true
          ? yes.name.startsWith(no.name) && (yes.isPrefix === true || yes.name !== '*')
          : yes.isPrefix !== true && yes.name === no.name;
      return mine.some((yes) => yes.deny !== true && !denied.some((no) => covers(no, yes)));
    };
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), (rules) => {
        expect(authorizerWith(rules).isAllowedForAny(asker, 'Write', 'Topic')).toBe(oracle(rules));
      }),
    );
  });
});

describe('decisions', () => {
  it('are what looking at every rule gives, for any rules', () => {
    const name = fc.constantFrom('a', 'ab', 'abc', 'b', '*', '');
    const rule = fc.record({
      name,
      isPrefix: fc.boolean(),
      operation: fc.constantFrom<AclOperation>('Read', 'Write', 'All'),
      deny: fc.boolean(),
      principal: fc.constantFrom('User:alice', 'User:*', 'User:bob'),
      host: fc.constantFrom('*', '127.0.0.1', '10.0.0.1'),
    });
    const oracle = (rules: readonly Given[], topic: string): boolean => {
      const about = rules.filter((each) =>
        each.isPrefix ? topic.startsWith(each.name) : each.name === topic || each.name === '*',
      );
      const mine = about.filter(
        (each) => each.principal !== 'User:bob' && each.host !== '10.0.0.1' && each.operation !== 'Write',
      );
      return mine.some(({ deny }) => deny !== true) && !mine.some(({ deny }) => deny === true);
    };
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), fc.constantFrom('a', 'ab', 'abcd', 'b'), (rules, topic) => {
        const authorizer = authorizerWith(rules);
        const expected = oracle(rules, topic);
        // Twice, for the second answer is remembered.
        expect([mayAlice(authorizer, 'Read', topic), mayAlice(authorizer, 'Read', topic)]).toEqual([
          expected,
          expected,
        ]);
      }),
    );
  });
});

describe('the audit log', () => {
  it('has a line in Kafka’s words for what is denied, and none for what was only looked up', () => {
    const lines: string[] = [];
    const authorizer = authorizerWith([], false, lines);
    mayAlice(authorizer, 'Write', 'a-topic');
    const asker = { principal: 'User:alice', clientHost: '::1', requestName: 'Metadata', purpose: 'filter' as const };
    authorizer.isAllowed({ ...asker, operation: 'Describe', resource: topicResource('b') });
    expect(lines).toEqual([
      'Principal = User:alice is Denied Operation = Write from host = 127.0.0.1 on resource = Topic:LITERAL:a-topic for request = Produce with resourceRefCount = 1',
    ]);
  });

  /** What is written at each level that is on. */
  function written(ask: (authorizer: AclAuthorizer) => void, levels: readonly string[]): string[] {
    const lines: string[] = [];
    const at = (level: string) => (_: object, line: string) =>
      void lines.push(`${level} ${line.replace(/ from host.*/, '')}`);
    const logger = { ...silentLogger, info: at('info'), debug: at('debug'), trace: at('trace') };
    const authorizer = new AclAuthorizer({
      superUsers: new Set(),
      allowsWithoutRules: false,
      logger: { ...logger, isLevelEnabled: (level) => levels.includes(level) },
      clock: new ManualClock(),
    });
    authorizer.setRules({ type: 'Topic', name: 'a', isPrefix: false }, [ruleOf({ name: 'a', operation: 'Read' })]);
    ask(authorizer);
    return lines;
  }

  const decided = (authorizer: AclAuthorizer): void => {
    for (const purpose of ['access', 'filter', 'description'] as const) {
      for (const name of ['a', 'b']) {
        const asker = { principal: 'User:alice', clientHost: '::1', requestName: purpose, purpose };
        authorizer.isAllowed({ ...asker, operation: 'Read', resource: topicResource(name) });
      }
    }
  };
  const line = (level: string, how: string): string => `${level} Principal = User:alice is ${how} Operation = Read`;

  it('has at debug what was allowed, and at trace what was left out of lists or only told, as Kafka', () => {
    const all = written(decided, ['info', 'debug', 'trace']);
    expect(all).toEqual([
      line('debug', 'Allowed'),
      line('info', 'Denied'),
      line('debug', 'Allowed'),
      line('trace', 'Denied'),
      line('trace', 'Allowed'),
      line('trace', 'Denied'),
    ]);
    expect(written(decided, ['info', 'debug']).map((each) => each.split(' ')[0])).toEqual(['debug', 'info', 'debug']);
    expect(written(decided, ['info']).map((each) => each.split(' ')[0])).toEqual(['info']);
  });

  it('counts how often a request refers to a resource, and only for a line that is written', () => {
    const lines: string[] = [];
    const authorizer = authorizerWith([{ name: 'a', operation: 'Read' }], false, lines);
    let counted = 0;
    const references = (): number => {
      counted += 1;
      return 7;
    };
    const asker = { principal: 'User:alice', clientHost: '::1', requestName: 'Fetch', purpose: 'access' as const };
    const request = { ...asker, operation: 'Read', references } as const;
    authorizer.isAllowed({ ...request, resource: topicResource('a') });
    expect([lines, counted]).toEqual([[], 0]);
    authorizer.isAllowed({ ...request, resource: topicResource('b') });
    expect(lines).toEqual([expect.stringMatching(/ for request = Fetch with resourceRefCount = 7$/)]);
  });

  it('has whether somebody has a right to any resource of a type, under Kafka’s name for none', () => {
    const lines: string[] = [];
    const asker = { principal: 'User:alice', clientHost: '127.0.0.1', requestName: 'InitProducerId' };
    authorizerWith([], false, lines).isAllowedForAny(asker, 'Write', 'Topic');
    expect(lines).toEqual([
      'Principal = User:alice is Denied Operation = Write from host = 127.0.0.1 on resource = Topic:UNKNOWN:NONE for request = InitProducerId with resourceRefCount = 0',
    ]);
  });

  it('is bounded, whatever a client asks for', () => {
    const lines: string[] = [];
    const authorizer = authorizerWith([], false, lines);
    for (let topic = 0; topic < 2000; topic += 1) mayAlice(authorizer, 'Write', 'x'.repeat(30_000) + topic);
    expect(lines).toHaveLength(500);
    expect(lines[0]?.length).toBeLessThan(600);
  });
});
