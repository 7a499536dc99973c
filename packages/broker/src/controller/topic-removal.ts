import { isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import { paths } from '../store/znodes.ts';

/**
 * What removes all nodes of a topic: the leaves first, and the request for the deletion last, so that a controller that takes
 * over in the middle finds it and goes on. What there is is read from the store, because the one before may have come far.
 */
export async function deletionOperations(store: MetadataStore, topic: string): Promise<Operation[][]> {
  const groups = (await descendants(store, paths.topic(topic))).map(removal);
  for (const path of [paths.topicConfig(topic), paths.deleteTopic(topic)]) {
    if ((await store.exists(path)) !== undefined) groups.push(removal(path));
  }
  return groups;
}

function removal(path: string): Operation[] {
  return [{ type: 'delete', path, expected: 'any' }];
}

/** A node and all below it, children before their parents; nothing where it does not exist. */
async function descendants(store: MetadataStore, path: string): Promise<string[]> {
  const names = await store.children(path).catch((error: unknown) => {
    if (isMetadataError(error, 'NO_NODE')) return undefined;
    throw error;
  });
  if (names === undefined) return [];
  const below = await Promise.all(names.map((name) => descendants(store, `${path}/${name}`)));
  return [...below.flat(), path];
}
