/**
 * Which nodes are below which. Most nodes have one child (a topic its `partitions`, a partition its `state`), so that one is
 * kept as it is, and a set is made with the second.
 */
export class ChildIndex {
  readonly #ofParent = new Map<string, string | Set<string>>();

  copy(): ChildIndex {
    const copy = new ChildIndex();
    for (const [parent, names] of this.#ofParent) {
      copy.#ofParent.set(parent, typeof names === 'string' ? names : new Set(names));
    }
    return copy;
  }

  add(parent: string, name: string): void {
    const present = this.#ofParent.get(parent);
    if (present === undefined) this.#ofParent.set(parent, name);
    else if (typeof present !== 'string') present.add(name);
    else if (present !== name) this.#ofParent.set(parent, new Set([present, name]));
  }

  remove(parent: string, name: string): void {
    const present = this.#ofParent.get(parent);
    if (present === undefined) return;
    if (typeof present === 'string') {
      if (present === name) this.#ofParent.delete(parent);
      return;
    }
    present.delete(name);
    if (present.size === 0) this.#ofParent.delete(parent);
  }

  names(parent: string): string[] {
    const present = this.#ofParent.get(parent);
    if (present === undefined) return [];
    return typeof present === 'string' ? [present] : [...present];
  }

  count(parent: string): number {
    const present = this.#ofParent.get(parent);
    if (present === undefined) return 0;
    return typeof present === 'string' ? 1 : present.size;
  }
}
