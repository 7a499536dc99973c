import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { api, field, struct } from '../../packages/protocol/definitions/dsl.ts';
import * as definitions from '../../packages/protocol/definitions/index.ts';
import { generate } from './generate.ts';
import { elementName } from './model.ts';

const folder = new URL('../../packages/protocol/src/generated/', import.meta.url);

describe('the generated codec', () => {
  it('is what the definitions give (otherwise run `pnpm codegen`)', () => {
    const files = generate(definitions);
    expect(readdirSync(folder).sort()).toEqual([...files.keys()].sort());
    const stale = [...files].filter(([file, text]) => readFileSync(new URL(file, folder), 'utf8') !== text);
    expect(stale.map(([file]) => file)).toEqual([]);
  });

  it('changes with the definitions', () => {
    const [first, ...rest] = definitions.apis;
    const renamed = { ...first!.request, fields: [field('other', 'int8', '0+')] };
    const files = generate({ ...definitions, apis: [{ ...first!, request: renamed }, ...rest] });
    expect(files.get('00-produce.ts')).not.toBe(generate(definitions).get('00-produce.ts'));
  });
});

describe('the generator', () => {
  const parts = { about: 'For a test.', versions: '0-2', flexible: '2+' };

  it('names a struct by where it stands: the message, the fields on the way, each in the singular', () => {
    const inner = field('replies', '[]Whatever', '0+', [field('id', 'int32', '0+')]);
    const part = field('parts', '[]Part', '0+', [field('id', 'int32', '0+'), inner]);
    const probe = api(0, 'Probe', { ...parts, request: [part], response: [part] });
    const text = generate({ apis: [probe], dataMessages: {} }).get('00-probe.ts')!;
    expect(text).toContain('export interface ProbeRequestPart {');
    expect(text).toContain('export interface ProbeResponsePartReply {');
    expect(text).toContain('export interface ProbeResponsePartReplyInput {');
  });

  it.each([
    ['topics', 'Topic'],
    ['replies', 'Reply'],
    ['statuses', 'Status'],
    ['addresses', 'Address'],
    ['topicData', 'TopicData'],
    ['status', 'Status'],
  ])('calls an element of %s %s', (field, element) => {
    expect(elementName(field)).toBe(element);
  });

  it('refuses two structs of one name', () => {
    const twice = [
      field('part', 'Part', '0+', [field('id', 'int32', '0+')]),
      field('parts', '[]Part', '0+', [field('id', 'int32', '0+')]),
    ];
    const probe = api(0, 'Probe', { ...parts, request: twice, response: [] });
    expect(() => generate({ apis: [probe], dataMessages: {} })).toThrow('ProbeRequestPart');
  });

  it('asks for no version where the version of the struct already decides', () => {
    const late = field('late', '[]Late', '2+', [field('id', 'int32', '2+'), field('name', 'string', '2+')]);
    const probe = api(0, 'Probe', { ...parts, request: [late], response: [] });
    const text = generate({ apis: [probe], dataMessages: {} }).get('00-probe.ts')!;
    const decoder = /function decodeProbeRequestLate\([\s\S]*?\n}\n/.exec(text)![0];
    expect(decoder).not.toContain('v >=');
    expect(decoder).toContain('r.string(true)');
  });

  it('refuses a type that nobody defines', () => {
    const probe = api(0, 'Probe', { ...parts, request: [field('x', 'Nothing', '0+')], response: [] });
    expect(() => generate({ apis: [probe], dataMessages: {} })).toThrow('Nothing');
  });

  it('refuses a field that no version has', () => {
    const probe = api(0, 'Probe', { ...parts, request: [field('x', 'int8', '3+')], response: [] });
    expect(() => generate({ apis: [probe], dataMessages: {} })).toThrow('ProbeRequest.x');
  });

  it('writes shared structs before those that use them', () => {
    const outer = struct('Outer', [field('inner', 'Inner', '0+')]);
    const inner = struct('Inner', [field('id', 'int32', '0+')]);
    const body = { structs: [outer, inner], fields: [field('outer', '[]Outer', '0+')] };
    const probe = api(0, 'Probe', { ...parts, request: body, response: [] });
    const text = generate({ apis: [probe], dataMessages: {} }).get('00-probe.ts')!;
    expect(text.indexOf('function encodeProbeRequestInner')).toBeLessThan(
      text.indexOf('function encodeProbeRequestOuter'),
    );
  });
});
