import { MemoryInode } from './memory-inode.ts';
import type { Random } from './random.ts';
import { systemError } from './system-error.ts';

/** A change of a folder's names: what the name meant before and after; undefined is "nothing". */
interface NameChange {
  readonly name: string;
  readonly before: Node | undefined;
  readonly after: Node | undefined;
}

/** A folder of the tree in memory, with the changes of names since it was last synced. */
class Folder {
  readonly names = new Map<string, Node>();
  /** Each inner list is one system call: a rename changes two names or none. */
  unsynced: NameChange[][] = [];

  change(changes: NameChange[]): void {
    this.unsynced.push(changes);
    this.#apply(changes);
  }

  /** Goes back to the durable names, or with `random` to those after the first few of the calls since. */
  crash(random: Random | undefined): void {
    const lost = this.unsynced;
    this.unsynced = [];
    for (const changes of lost.toReversed()) {
      this.#apply(changes.toReversed().map(({ name, before, after }) => ({ name, before: after, after: before })));
    }
    // File systems journal changes of names in order, so what survives is a beginning of them.
    const kept = random === undefined ? 0 : random.nextInt(lost.length + 1);
    for (const changes of lost.slice(0, kept)) this.#apply(changes);
  }

  #apply(changes: readonly NameChange[]): void {
    for (const { name, after } of changes) {
      if (after === undefined) this.names.delete(name);
      else this.names.set(name, after);
    }
  }
}

type Node = Folder | MemoryInode;

/** The tree of names of a `MemoryDisk`. Paths are split at `/`; a leading `/` means nothing. */
export class MemoryFolders {
  readonly #root = new Folder();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  usedBytes(): number {
    return sumSizes(this.#root);
  }

  file(path: string): MemoryInode {
    const node = this.#find(path);
    if (node === undefined) throw systemError('ENOENT', `no such file or directory, open '${path}'`);
    if (node instanceof Folder) throw systemError('EISDIR', `illegal operation on a directory, open '${path}'`);
    return node;
  }

  fileOrNew(path: string): MemoryInode {
    const { folder, name } = this.#parent(path);
    if (!folder.names.has(name)) folder.change([{ name, before: undefined, after: new MemoryInode(this.#now) }]);
    return this.file(path);
  }

  stat(path: string): { sizeBytes: number; modifiedMs: number } | undefined {
    const node = this.#find(path);
    if (node === undefined) return undefined;
    return node instanceof Folder
      ? { sizeBytes: 0, modifiedMs: 0 }
      : { sizeBytes: node.sizeBytes, modifiedMs: node.modifiedMs };
  }

  filesBelow(path: string): { path: string; sizeBytes: number }[] {
    const node = this.#find(path);
    return node === undefined ? [] : filesOf(node, path);
  }

  list(path: string): string[] {
    return [...this.#folder(path).names.keys()].sort();
  }

  makeFolder(path: string): void {
    let folder = this.#root;
    for (const name of namesOf(path)) {
      const existing = folder.names.get(name);
      if (existing instanceof MemoryInode) throw systemError('EEXIST', `file already exists, mkdir '${path}'`);
      const next: Folder = existing ?? new Folder();
      if (existing === undefined) folder.change([{ name, before: undefined, after: next }]);
      folder = next;
    }
  }

  /** Removes a file or a folder with all that is in it. */
  remove(path: string): void {
    const node = this.#find(path);
    if (node === undefined) return;
    const { folder, name } = this.#parent(path);
    folder.change([{ name, before: node, after: undefined }]);
  }

  rename(from: string, to: string): void {
    const node = this.#find(from);
    if (node === undefined) throw systemError('ENOENT', `no such file or directory, rename '${from}' -> '${to}'`);
    const source = this.#parent(from);
    const target = this.#parent(to);
    const removal = { name: source.name, before: node, after: undefined };
    const arrival = { name: target.name, before: target.folder.names.get(target.name), after: node };
    if (source.folder === target.folder) {
      source.folder.change([removal, arrival]);
    } else {
      source.folder.change([removal]);
      target.folder.change([arrival]);
    }
  }

  sync(path: string): void {
    this.#folder(path).unsynced = [];
  }

  crash(random: Random | undefined): void {
    crashBelow(this.#root, random);
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of namesOf(path)) {
      if (!(node instanceof Folder)) return undefined;
      node = node.names.get(name);
    }
    return node;
  }

  #folder(path: string): Folder {
    const node = this.#find(path);
    if (node === undefined) throw systemError('ENOENT', `no such file or directory, '${path}'`);
    if (node instanceof MemoryInode) throw systemError('ENOTDIR', `not a directory, '${path}'`);
    return node;
  }

  #parent(path: string): { folder: Folder; name: string } {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw systemError('EINVAL', `invalid argument, '${path}'`);
    return { folder: this.#folder(names.join('/')), name };
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}

function filesOf(node: Node, path: string): { path: string; sizeBytes: number }[] {
  if (node instanceof MemoryInode) return [{ path, sizeBytes: node.sizeBytes }];
  return [...node.names.keys()].sort().flatMap((name) => filesOf(node.names.get(name)!, `${path}/${name}`));
}

function sumSizes(folder: Folder): number {
  let sum = 0;
  for (const node of folder.names.values()) {
    sum += node instanceof MemoryInode ? node.sizeBytes : sumSizes(node);
  }
  return sum;
}

function crashBelow(folder: Folder, random: Random | undefined): void {
  folder.crash(random);
  for (const node of folder.names.values()) {
    if (node instanceof MemoryInode) node.crash(random);
    else crashBelow(node, random);
  }
}
