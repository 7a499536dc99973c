import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetadataError } from './errors.ts';
import { parentOf } from './paths.ts';
import type { Operation } from './store.ts';
import { MetadataTree } from './tree.ts';

interface ModelNode {
  data: string;
  version: number;
  owner: string | undefined;
}

const paths = ['/a', '/b', '/a/x', '/a/y', '/b/x', '/a/x/1', '/a/x/2'];
const owners = ['s1', 's2'];

const anyPath = fc.constantFrom(...paths);
const anyVersion = fc.oneof(
  fc.constant('any' as const),
  fc.nat(2).map((exactly) => ({ exactly })),
);
const anyData = fc.string({ maxLength: 3 }).map((text) => Buffer.from(text));
const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('create' as const),
      path: anyPath,
      data: anyData,
      options: fc.record({ ephemeral: fc.boolean() }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('set' as const), path: anyPath, data: anyData, expected: anyVersion }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('delete' as const), path: anyPath, expected: anyVersion }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('check' as const), path: anyPath, expected: anyVersion }) },
);

/** What the operations make of a model, or undefined where one of them cannot apply. Slow and plain on purpose. */
function applyToModel(
  model: ReadonlyMap<string, ModelNode>,
  operations: readonly Operation[],
  owner: string,
): Map<string, ModelNode> | undefined {
  const next = new Map([...model].map(([path, node]) => [path, { ...node }]));
  for (const operation of operations) {
    const node = next.get(operation.path);
    if (operation.type === 'create') {
      const parent = parentOf(operation.path);
      if (node !== undefined || (parent !== '/' && next.get(parent)?.owner !== undefined)) return undefined;
      if (parent !== '/' && !next.has(parent)) return undefined;
      const isEphemeral = operation.options?.ephemeral === true;
      const data = Buffer.from(operation.data).toString();
      next.set(operation.path, { data, version: 0, owner: isEphemeral ? owner : undefined });
      continue;
    }
    if (node === undefined) return undefined;
    if (operation.expected !== 'any' && operation.expected.exactly !== node.version) return undefined;
    if (operation.type === 'set') {
      node.data = Buffer.from(operation.data).toString();
      node.version += 1;
    } else if (operation.type === 'delete') {
      if ([...next.keys()].some((path) => path.startsWith(`${operation.path}/`))) return undefined;
      next.delete(operation.path);
    }
  }
  return next;
}

function contentOf(tree: MetadataTree): Map<string, ModelNode> {
  const content = new Map<string, ModelNode>();
  const visit = (path: string): void => {
    const node = tree.node(path);
    if (node === undefined) throw new Error(`${path} is listed but missing`);
    if (path !== '/') {
      content.set(path, {
        data: Buffer.from(node.data, 'latin1').toString(),
        version: node.version,
        owner: node.ephemeralOwner,
      });
    }
    for (const name of tree.childrenOf(path) ?? []) visit(path === '/' ? `/${name}` : `${path}/${name}`);
  };
  visit('/');
  return content;
}

describe('the metadata tree', () => {
  it('applies a multi whole or not at all, whatever the operations', () => {
    const anyMulti = fc.record({
      operations: fc.array(anyOperation, { maxLength: 6 }),
      owner: fc.constantFrom(...owners),
    });
    fc.assert(
      fc.property(fc.array(anyMulti, { maxLength: 30 }), (multis) => {
        const tree = new MetadataTree();
        let model = new Map<string, ModelNode>();
        for (const { operations, owner } of multis) {
          const expected = applyToModel(model, operations, owner);
          const zxidBefore = tree.zxid;
          let applied = true;
          try {
            tree.apply(operations, owner, 0);
          } catch (error) {
            expect(error).toBeInstanceOf(MetadataError);
            applied = false;
            expect(tree.zxid).toBe(zxidBefore);
          }
          expect(applied).toBe(expected !== undefined);
          model = expected ?? model;
          expect(contentOf(tree)).toEqual(model);
          expect(tree.size).toBe(model.size + 1);
          for (const each of owners) {
            const owned = [...model].filter(([, node]) => node.owner === each).map(([path]) => path);
            expect(tree.ephemeralsOf(each).toSorted()).toEqual(owned.toSorted());
          }
        }
      }),
    );
  });

  it('names the first operation that fails', () => {
    const tree = new MetadataTree();
    const create = (path: string): Operation => ({ type: 'create', path, data: Buffer.alloc(0) });
    expect(() => tree.apply([create('/a'), create('/a/b'), create('/c/d')], 's', 0)).toThrow(
      expect.objectContaining({ code: 'NO_NODE', operationIndex: 2, path: '/c/d' }),
    );
  });
});

describe('a transaction that is taken back', () => {
  it('leaves parents before their children, as a snapshot writes and reads them', () => {
    const tree = new MetadataTree();
    const empty = Buffer.alloc(0);
    tree.apply([{ type: 'create', path: '/n', data: empty }], 's', 0);
    tree.apply([{ type: 'create', path: '/n/c', data: empty }], 's', 0);
    const failing = (): unknown =>
      tree.apply(
        [
          { type: 'delete', path: '/n/c', expected: 'any' },
          { type: 'delete', path: '/n', expected: 'any' },
          { type: 'check', path: '/none', expected: 'any' },
        ],
        's',
        0,
      );
    expect(failing).toThrow(expect.objectContaining({ code: 'NO_NODE' }));
    const restored = new MetadataTree();
    for (const [path, node] of tree.persistentNodes()) expect(restored.restore(path, node), path).toBe(true);
    expect(restored.childrenOf('/n')).toEqual(['c']);
  });
});
