import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { api, field, struct } from '../../packages/protocol/definitions/dsl.ts';
import * as definitions from '../../packages/protocol/definitions/index.ts';
import { generate } from './generate.ts';

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

  it('prefixes a struct with its message where another message has one of the same name', () => {
    const part = field('parts', '[]Part', '0+', [field('id', 'int32', '0+')]);
    const only = field('only', 'Only', '0+', [field('id', 'int32', '0+')]);
    const probe = api(0, 'Probe', { ...parts, request: [part, only], response: [part] });
    const text = generate({ apis: [probe], dataMessages: {} }).get('00-probe.ts')!;
    expect(text).toContain('export interface ProbeRequestPart {');
    expect(text).toContain('export interface ProbeResponsePart {');
    expect(text).toContain('export interface Only {');
  });

  it('asks for no version where the version of the struct already decides', () => {
    const late = field('late', '[]Late', '2+', [field('id', 'int32', '2+'), field('name', 'string', '2+')]);
    const probe = api(0, 'Probe', { ...parts, request: [late], response: [] });
    const text = generate({ apis: [probe], dataMessages: {} }).get('00-probe.ts')!;
    const decoder = /function decodeLate\([\s\S]*?\n}\n/.exec(text)![0];
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
    expect(text.indexOf('function encodeInner')).toBeLessThan(text.indexOf('function encodeOuter'));
  });
});
