import { MetadataTree, type TreeNode } from '../tree.ts';
import { lmdbEntries } from './lmdb-file.ts';
import { type PackedValue, unpack } from './msgpack.ts';

/** The file of the store in builds that kept it in LMDB. */
export const LMDB_FILE = 'data.mdb';
const FORMAT = 1;

/** Reads the tree that an earlier build kept in LMDB. Throws an error that says what is wrong with the file. */
export function readLmdbTree(file: Buffer): MetadataTree {
  const tree = new MetadataTree();
  let zxid: PackedValue | undefined;
  let format: PackedValue | undefined;
  for (const [key, value] of lmdbEntries(file)) {
    const name = key.toString();
    if (name === 'zxid') zxid = unpack(value);
    else if (name === 'format') format = unpack(value);
    // A parent sorts before its children.
    else if (!tree.restore(name, nodeFrom(unpack(value)))) throw new RangeError(`${name} has no parent`);
  }
  // A store that was made and never written to.
  if (format === undefined && zxid === undefined && tree.size === 1) return tree;
  if (format !== FORMAT) throw new RangeError(`its format is ${String(format)}, this program reads ${FORMAT}`);
  if (typeof zxid !== 'number') throw new RangeError('it has no transaction number');
  tree.restoreZxid(zxid);
  return tree;
}

/** Nodes were arrays of data, version, childrenCreated, czxid, mzxid, createdMs, modifiedMs. */
function nodeFrom(value: PackedValue): TreeNode {
  const [data, ...numbers] = typeof value === 'object' ? value : [];
  const [version, childrenCreated, czxid, mzxid, createdMs, modifiedMs] = numbers.map(numberFrom);
  if (typeof data !== 'string' || modifiedMs === undefined) throw new RangeError('a node has no content');
  return {
    data,
    version: version ?? 0,
    childrenCreated: childrenCreated ?? 0,
    czxid: czxid ?? 0,
    mzxid: mzxid ?? 0,
    createdMs: createdMs ?? 0,
    modifiedMs,
    ephemeralOwner: undefined,
  };
}

function numberFrom(value: PackedValue): number {
  if (typeof value !== 'number') throw new RangeError('a node has no numbers');
  return value;
}
