import { type Disk, nextTurn } from '@millrace/ports';
import { MetadataTree, type TreeNode } from '../tree.ts';
import { snapshotName } from './file-names.ts';
import { frameAt, frameOf } from './frame.ts';
import { decodeChanges, encodeChanges } from './node-codec.ts';

/** The layout of the files. Raised with every change that an older program could not read. */
export const FORMAT = 1;

/** How many nodes go into one frame, and are encoded before others get their turn. */
const NODES_PER_FRAME = 512;

/** The first frame of every file: which layout it has. */
export function headerFrame(zxid: number): Buffer {
  return frameOf('header', zxid, Buffer.from(JSON.stringify({ format: FORMAT })));
}

/** What is wrong with a file's first frame; undefined when nothing is. */
export function headerFault(payload: Buffer): string | undefined {
  const { format } = JSON.parse(payload.toString()) as { readonly format?: unknown };
  return format === FORMAT
    ? undefined
    : `its format is ${String(format)}, this program reads ${FORMAT}; a newer Millrace wrote it`;
}

/** Encodes a whole tree, giving way to others between frames. The nodes are those of one moment: they are replaced, never changed. */
export async function encodeSnapshot(zxid: number, nodes: readonly (readonly [string, TreeNode])[]): Promise<Buffer> {
  const frames = [headerFrame(zxid)];
  for (let at = 0; at < nodes.length; at += NODES_PER_FRAME) {
    if (at > 0) await nextTurn();
    frames.push(frameOf('nodes', zxid, encodeChanges(nodes.slice(at, at + NODES_PER_FRAME))));
  }
  frames.push(frameOf('end', zxid, Buffer.from(JSON.stringify({ nodes: nodes.length }))));
  return Buffer.concat(frames);
}

/** Writes a tree's snapshot so that a crash leaves all of it or nothing; returns its size. */
export async function writeSnapshot(
  disk: Disk,
  folder: string,
  zxid: number,
  nodes: readonly (readonly [string, TreeNode])[],
): Promise<number> {
  const bytes = await encodeSnapshot(zxid, nodes);
  await disk.replaceFile(`${folder}/${snapshotName(zxid)}`, bytes);
  return bytes.length;
}

/** What a snapshot holds: as much of the tree as is whole, and what is wrong with the rest. */
export interface SnapshotReading {
  readonly tree: MetadataTree;
  /** In the middle of a sentence; undefined when the snapshot is whole. */
  readonly fault: string | undefined;
}

/** Reads a snapshot. */
export function decodeSnapshot(bytes: Buffer, zxid: number): SnapshotReading {
  const tree = new MetadataTree();
  tree.restoreZxid(zxid);
  let at = 0;
  let count = 0;
  for (let frame = frameAt(bytes, at); frame !== undefined; frame = frameAt(bytes, at)) {
    if (frame.zxid !== zxid) return { tree, fault: `it holds a frame of transaction ${frame.zxid} at byte ${at}` };
    if (frame.kind === 'header') {
      const fault = headerFault(frame.payload);
      if (fault !== undefined) return { tree, fault };
    } else if (frame.kind === 'nodes') {
      for (const [path, node] of decodeChanges(frame.payload)) {
        count += 1;
        if (node === undefined || !tree.restore(path, node)) return { tree, fault: `${path} has no parent` };
      }
    } else if (frame.kind === 'end') {
      const { nodes } = JSON.parse(frame.payload.toString()) as { readonly nodes?: unknown };
      const isWhole = nodes === count && frame.end === bytes.length;
      return { tree, fault: isWhole ? undefined : `it holds ${count} nodes instead of ${String(nodes)}` };
    }
    at = frame.end;
  }
  return { tree, fault: `it is damaged from byte ${at} of ${bytes.length} on` };
}
