import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../source/index.ts';
import { checkLayers } from './check.ts';
import { floors, rooms, supportExceptions, worldRules } from './rules.ts';

function findings(path: string, text: string): string[] {
  return checkLayers([{ path, text }], []).map((finding) => `${finding.line} ${finding.message}`);
}

describe('the layering check', () => {
  it('lets a room import what is below it, near or far', () => {
    expect(findings('packages/broker/src/x.ts', "import { crc32c } from '@millrace/records';")).toEqual([]);
    expect(findings('packages/broker/src/x.ts', "import { Produce } from '@millrace/protocol';")).toEqual([]);
    expect(findings('packages/broker/src/x.ts', "import { Log } from '@millrace/log/internal';")).toEqual([]);
  });

  it.each([
    ['a client SDK in the broker', 'packages/broker/src/x.ts', "import { C } from '@millrace/client';"],
    ['a sibling SDK', 'packages/producer/src/x.ts', "import type { C } from '@millrace/consumer';"],
    ['sockets in the log', 'packages/log/src/x.ts', "export * from '@millrace/network';"],
    ['an upward dynamic import', 'packages/records/src/x.ts', "const m = await import('@millrace/log');"],
    ['an upward import type', 'packages/records/src/x.ts', "type L = import('@millrace/log').PartitionLog;"],
    ['an application in a package', 'packages/broker/src/x.ts', "import { run } from '@millrace/broker-app';"],
    ['an upward import in a test', 'packages/log/src/x.test.ts', "import { B } from '@millrace/broker';"],
  ])('refuses %s', (_, path, text) => {
    expect(findings(path, text)).toEqual([expect.stringMatching(/^1 .*not below it: /)]);
  });

  it.each([
    ['from replicas up to groups', 'replicas/x.ts', '../groups/group.ts'],
    ['from the store up to the controller', 'store/x.ts', '../controller/controller.ts'],
    ['from groups across to the admin', 'groups/x.ts', '../admin/topic-admin.ts'],
    ['from shared up to the roof', 'shared/x.ts', '../broker.ts'],
  ])('refuses an import %s within the broker', (_, path, specifier) => {
    const text = `import type { X } from '${specifier}';`;
    expect(findings(`packages/broker/src/${path}`, text)).toEqual([expect.stringContaining('is not below')]);
    expect(findings(`packages/broker/src/${path.replace('.ts', '.test.ts')}`, text)).toEqual([]);
  });

  it('lets floors of the broker import what is below them, and the roof everything', () => {
    expect(findings('packages/broker/src/groups/x.ts', "import { a } from '../shared/deadlines.ts';")).toEqual([]);
    expect(findings('packages/broker/src/x.ts', "import { a } from './handlers/registry.ts';")).toEqual([]);
  });

  it('asks for a rule when a package with floors gets another', () => {
    expect(findings('packages/broker/src/attic/x.ts', "import { a } from '../shared/uuid.ts';")).toEqual([
      expect.stringContaining('is no floor'),
    ]);
  });

  it('lets tests import what their room allows to tests only', () => {
    const text = "import { startBroker } from '@millrace/testing';";
    expect(findings('apps/cli/src/x.test.ts', text)).toEqual([]);
    expect(findings('apps/cli/src/x.ts', text)).toEqual([expect.stringContaining('not below it')]);
  });

  it.each([
    ['packages/network/src/x.ts', 'setImmediate(run);'],
    ['packages/consumer/src/x.ts', 'globalThis.setTimeout(run, 5);'],
    ['packages/producer/src/x.ts', 'process.nextTick(run);'],
    ['packages/testing/src/x.ts', "import * as timers from 'node:timers/promises';"],
    ['packages/ports/src/clock.ts', 'const run = queueMicrotask;'],
  ])('refuses timers that tests may replace, in %s', (path, text) => {
    expect(findings(path, text)).toEqual([expect.stringContaining('timers are those of ports')]);
    expect(findings(path.replace('.ts', '.test.ts'), text)).toEqual([]);
  });

  it.each([
    ['a dot', 'const end = partition.log.highWatermark;'],
    ['a dot that may find nothing', 'const end = partition?.log?.highWatermark;'],
    ['taking the partition apart', 'const { log } = partition;'],
    ['taking it apart under another name', 'function end({ log: its }: Partition): number { return its.end; }'],
  ])('refuses that a handler reaches for the log of a partition by %s', (_, text) => {
    const path = 'packages/broker/src/handlers/x.ts';
    expect(findings(path, text)).toEqual([expect.stringMatching(/^1 \.log: a handler asks the partition/)]);
    expect(findings(path.replace('.ts', '.test.ts'), text)).toEqual([]);
    expect(findings('packages/broker/src/replicas/x.ts', text)).toEqual([]);
    expect(findings(path, 'const { logger } = broker; logger.info({}, catalog.logs);')).toEqual([]);
  });

  it('lets tests alone import what is for tests', () => {
    const text = "import { a } from './testing/test-logs.ts';";
    expect(findings('packages/log/src/x.ts', text)).toEqual(['1 ./testing/test-logs.ts is for tests alone']);
    expect(findings('packages/log/src/x.test.ts', text)).toEqual([]);
    expect(findings('packages/log/src/testing/x.ts', "import { a } from './test-logs.ts';")).toEqual([]);
    expect(findings('packages/testing/src/x.ts', "import { a } from './test-broker.ts';")).toEqual([]);
  });

  it('holds every exception for what is for tests against a file that is there and needs it', () => {
    for (const { from } of supportExceptions) {
      expect(readFileSync(join(root, from), 'utf8')).toContain("from './testing/");
    }
  });

  it('refuses an upward dependency in a manifest, though no source uses it', () => {
    const manifest = {
      path: 'packages/log/package.json',
      name: '@millrace/log',
      dependencies: ['@millrace/network', '@millrace/ports', 'left-pad'],
    };
    expect(checkLayers([], [manifest])).toEqual([
      {
        path: 'packages/log/package.json',
        line: 1,
        message: expect.stringContaining('@millrace/log depends on @millrace/network'),
      },
    ]);
  });

  it('refuses deep imports past the two doors', () => {
    expect(findings('packages/log/src/x.ts', "import { a } from '@millrace/records/src/batch.ts';")).toEqual([
      expect.stringContaining('is a deep import'),
    ]);
    expect(findings('tools/x/y.ts', "import { a } from '@millrace/records/dist/index.js';")).toEqual([
      expect.stringContaining('is a deep import'),
    ]);
  });

  it('refuses a package that imports itself by name', () => {
    expect(findings('packages/log/src/x.ts', "import { a } from '@millrace/log';")).toEqual([
      expect.stringContaining('is this package itself'),
    ]);
  });

  it('refuses relative imports that leave the package', () => {
    expect(findings('packages/log/src/x.ts', "import { a } from '../../records/src/crc.ts';")).toEqual([
      expect.stringContaining('leaves packages/log'),
    ]);
    expect(findings('packages/log/src/x.ts', "import { a } from '../../../tools/source/index.ts';")).toEqual([
      expect.stringContaining('from tools/'),
    ]);
    expect(findings('packages/log/tsup.config.ts', "import { library } from '../../tools/build/tsup.ts';")).toEqual([]);
  });

  it.each([
    "import { open } from 'node:fs/promises';",
    "import fs from 'fs';",
    "import { createServer } from 'node:net';",
    "import { Worker } from 'node:worker_threads';",
    "const { createServer } = process.getBuiltinModule('node:net');",
    'const t = Date.now();',
    'const t = new Date();',
    'const r = Math.random();',
    'setTimeout(() => {}, 1);',
    'globalThis.setInterval(f, 1);',
    'const later = setTimeout;',
    'const ms = performance.now();',
  ])('refuses the world in the core: %s', (text) => {
    for (const room of ['log', 'metadata', 'broker']) {
      expect(findings(`packages/${room}/src/x.ts`, text), room).toEqual([
        expect.stringContaining('the core never touches the world'),
      ]);
      expect(findings(`packages/${room}/src/x.test.ts`, text), room).toEqual([]);
    }
  });

  it('does not take comments, strings, members or arguments for the world', () => {
    const text = [
      '// Date.now() and setTimeout are for the edge.',
      "const words = 'Math.random()';",
      'clock.setTimeout(f);',
      'const when = new Date(timestamp);',
      'const port = { setTimeout: f };',
    ].join('\n');
    expect(findings('packages/log/src/x.ts', text)).toEqual([]);
  });

  it('gives a reason with every rule', () => {
    for (const rule of [
      ...Object.values(rooms),
      ...Object.values(floors).flatMap((plan) => Object.values(plan)),
      ...worldRules,
    ]) {
      expect(rule.why.length).toBeGreaterThan(20);
    }
  });

  it('holds what the map in ARCHITECTURE.md draws', () => {
    const map = /```\n(packages\/[\s\S]*?)```/.exec(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8'))?.[1] ?? '';
    const [packages = '', apps = ''] = map.split(/^(?:packages|apps|tools)\/.*$/m).slice(1);
    const drawn = new Map<string, string>();
    for (const [folder, part] of Object.entries({ packages, apps })) {
      for (const [, name, imports = ''] of part.matchAll(/^ {2}(\w+)\/.* {2}(?:-> (.*)|imports nothing)$/gm)) {
        drawn.set(`${folder}/${name}`, imports);
      }
    }
    const held = Object.values(rooms).map(({ folder, imports }): [string, string] => [
      folder,
      imports.map((name) => rooms[name]?.folder.replace('packages/', '')).join(', '),
    ]);
    expect(new Map(held)).toEqual(drawn);
  });

  it('knows every package of the workspace by name and folder', () => {
    for (const [name, room] of Object.entries(rooms)) {
      const manifest = join(root, room.folder, 'package.json');
      expect(existsSync(manifest), manifest).toBe(true);
      expect(JSON.parse(readFileSync(manifest, 'utf8')).name).toBe(name);
    }
  });
});
