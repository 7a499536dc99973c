import { MetadataError } from './errors.ts';
import { METADATA_PATH_BYTES_MAX } from './store.ts';

/** Control characters, the surrogates and the specials: what ZooKeeper's PathUtils refuses in a path. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const REFUSED_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;

/** What is wrong with a path, or undefined. */
function pathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return 'it must begin with "/"';
  if (path === '/') return undefined;
  if (path.endsWith('/')) return 'it must not end with "/"';
  if (Buffer.byteLength(path) > METADATA_PATH_BYTES_MAX) return `it is longer than ${METADATA_PATH_BYTES_MAX} bytes`;
  if (REFUSED_CHARACTERS.test(path)) return 'it has a character that paths cannot have';
  if (/\/\.{0,2}(\/|$)/.test(path)) return 'it has an empty or relative part';
  return undefined;
}

/** Raises `INVALID_PATH` for a path that no engine would take. */
export function checkPath(path: string): void {
  const fault = pathFault(path);
  if (fault !== undefined) {
    throw new MetadataError('INVALID_PATH', `The path "${path}" is not valid: ${fault}.`, { path });
  }
}

/** The path above; the root's is the root. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
