/** The whole tree of znodes: as the captured cluster of Apache Kafka 3.9.1 had it at 50 moments, and as a cluster of ours has it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import type { TestReplicas } from './test-replicas.ts';

/** One node. */
export interface DumpedNode {
  readonly path: string;
  /** Null and nothing are told apart by ZooKeeper's servers alone: clients see neither. */
  readonly data: string;
  readonly version: number;
  /** How often a child has come or gone. */
  readonly cversion: number;
  readonly czxid: number;
  readonly mzxid: number;
  /** The broker whose session's end removes it; 0 for a node that stays, -1 where its owner has no registration. */
  readonly owner: number;
}

/** A tree, by path. */
export type Dump = ReadonlyMap<string, DumpedNode>;

type DumpLine = [string, [string, string | null, number, number, number, number, number][]];

/** All captured trees, by name. */
export function capturedDumps(): Map<string, Dump> {
  const file = join(import.meta.dirname, '../../fixtures/znodes.jsonl.br');
  const lines = brotliDecompressSync(readFileSync(file)).toString().trimEnd().split('\n');
  return new Map(
    lines.map((line) => {
      const [name, nodes] = JSON.parse(line) as DumpLine;
      const dumped = nodes.map(([path, data, version, cversion, czxid, mzxid, owner]): [string, DumpedNode] => [
        path,
        { path, data: data ?? '', version, cversion, czxid, mzxid, owner },
      ]);
      return [name, new Map(dumped)];
    }),
  );
}

/** The tree of a cluster of ours. */
export async function dumpOf({ store, nodes }: TestReplicas): Promise<Dump> {
  const owners = new Map([...nodes.values()].map(({ session, id }) => [session.sessionId, id]));
  const dump = new Map<string, DumpedNode>();
  const visit = async (path: string): Promise<void> => {
    const { data, stat } = await store.get(path);
    const { version, childrenVersion: cversion, czxid, mzxid, ephemeralOwner } = stat;
    const owner = ephemeralOwner !== undefined ? (owners.get(ephemeralOwner) ?? -1) : 0;
    dump.set(path, { path, data: data.toString(), version, cversion, czxid, mzxid, owner });
    for (const name of await store.children(path)) await visit(path === '/' ? `/${name}` : `${path}/${name}`);
  };
  await visit('/');
  return dump;
}
