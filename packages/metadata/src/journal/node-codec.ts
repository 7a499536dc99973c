import type { TreeNode } from '../tree.ts';

/** What became of a path: the node as it is now, or undefined for one that is gone. */
export type NodeChange = readonly [path: string, node: TreeNode | undefined];

const REMOVED = 0;
const PRESENT = 1;
/** Kind and length of the path. */
const PREFIX_BYTES = 3;
/** version, childrenCreated (4 each), czxid, mzxid, createdMs, modifiedMs (6 each), length of the data (4). */
const STAT_BYTES = 36;

/** The changes as the payload of one frame. Ephemeral nodes are not kept, so they are written as gone. */
export function encodeChanges(changes: Iterable<NodeChange>): Buffer {
  const parts: Buffer[] = [];
  for (const [path, node] of changes) {
    const name = Buffer.from(path);
    if (node === undefined || node.ephemeralOwner !== undefined) parts.push(prefix(REMOVED, name), name);
    else parts.push(prefix(PRESENT, name), name, statBytes(node), Buffer.from(node.data, 'latin1'));
  }
  return Buffer.concat(parts);
}

function prefix(kind: number, name: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES);
  bytes.writeUInt8(kind, 0);
  bytes.writeUInt16BE(name.length, 1);
  return bytes;
}

function statBytes(node: TreeNode): Buffer {
  const bytes = Buffer.allocUnsafe(STAT_BYTES);
  bytes.writeUInt32BE(node.version, 0);
  bytes.writeUInt32BE(node.childrenCreated, 4);
  bytes.writeUIntBE(node.czxid, 8, 6);
  bytes.writeUIntBE(node.mzxid, 14, 6);
  bytes.writeUIntBE(Math.trunc(node.createdMs), 20, 6);
  bytes.writeUIntBE(Math.trunc(node.modifiedMs), 26, 6);
  bytes.writeUInt32BE(node.data.length, 32);
  return bytes;
}

/** Reads what {@link encodeChanges} wrote. Its CRC has been checked, so a payload that does not decode was written by another program. */
export function decodeChanges(payload: Buffer): NodeChange[] {
  const changes: NodeChange[] = [];
  let at = 0;
  while (at < payload.length) {
    const kind = payload.readUInt8(at);
    const nameEnd = at + PREFIX_BYTES + payload.readUInt16BE(at + 1);
    const path = payload.toString('utf8', at + PREFIX_BYTES, nameEnd);
    at = nameEnd;
    if (kind === REMOVED) {
      changes.push([path, undefined]);
      continue;
    }
    if (kind !== PRESENT) throw new RangeError(`a change of kind ${kind}`);
    const dataAt = at + STAT_BYTES;
    const dataEnd = dataAt + payload.readUInt32BE(at + 32);
    if (dataEnd > payload.length) throw new RangeError('a node that ends behind its frame');
    changes.push([path, nodeFrom(payload, at, payload.toString('latin1', dataAt, dataEnd))]);
    at = dataEnd;
  }
  return changes;
}

function nodeFrom(bytes: Buffer, at: number, data: string): TreeNode {
  return {
    data,
    version: bytes.readUInt32BE(at),
    childrenCreated: bytes.readUInt32BE(at + 4),
    czxid: bytes.readUIntBE(at + 8, 6),
    mzxid: bytes.readUIntBE(at + 14, 6),
    createdMs: bytes.readUIntBE(at + 20, 6),
    modifiedMs: bytes.readUIntBE(at + 26, 6),
    ephemeralOwner: undefined,
  };
}
