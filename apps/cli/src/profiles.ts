import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeFolders, nearestName } from '@millrace/ports';
import { CliError, failure } from './errors.ts';
import type { CliIo } from './io.ts';

/** Client properties by Kafka's names. */
export type Profile = Readonly<Record<string, string>>;

/** The clusters that somebody works with. */
export interface Profiles {
  /** The one that counts where nothing else names a cluster. */
  readonly current: string | undefined;
  readonly profiles: Readonly<Record<string, Profile>>;
}

/** It holds passwords: nobody else may read it, nor list its folder. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** Where profiles are kept: in the user's folder of settings (XDG Base Directory). */
export function profilesPath(env: CliIo['env']): string {
  const base = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config');
  return join(base, 'millrace', 'profiles.json');
}

/** @throws CliError `CLI_CONFIG_INVALID` for a file that cannot be understood, `CLI_FILE_UNREADABLE` for one that cannot be read */
export async function readProfiles(env: CliIo['env']): Promise<Profiles> {
  const path = profilesPath(env);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { current: undefined, profiles: {} };
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot read ${path} (the profiles): ${(cause as Error).message}`, {
      cause,
    });
  }
  const parsed = parse(text);
  if (parsed !== undefined) return parsed;
  throw new CliError('CLI_CONFIG_INVALID', `${path} holds no profiles that can be understood`, {
    hint: 'Mend it, or remove it and set the profiles again with `millrace config set`.',
  });
}

function parse(text: string): Profiles | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { current, profiles } = value as { current?: unknown; profiles?: unknown };
    if (current !== undefined && typeof current !== 'string') return undefined;
    if (typeof profiles !== 'object' || profiles === null) return undefined;
    // Looked at down to the values just below.
    const entries = Object.entries(profiles as Record<string, Profile | null>);
    const isWhole = entries.every(
      ([, profile]) =>
        typeof profile === 'object' &&
        profile !== null &&
        Object.values(profile).every((each) => typeof each === 'string'),
    );
    return isWhole ? { current, profiles: Object.fromEntries(entries) as Profiles['profiles'] } : undefined;
  } catch {
    return undefined;
  }
}

/** Writes beside the file and renames, so that a full disk or Ctrl-C leaves the profiles that were. */
export async function writeProfiles(env: CliIo['env'], { current, profiles }: Profiles): Promise<void> {
  const path = profilesPath(env);
  const beside = `${path}.${process.pid}`;
  try {
    await makeFolders(dirname(path), FOLDER_MODE);
    await writeFile(beside, `${JSON.stringify({ current, profiles }, null, 2)}\n`, { mode: FILE_MODE });
    await chmod(beside, FILE_MODE);
    await rename(beside, path);
  } catch (cause) {
    throw failure(`Cannot write ${path} (the profiles): ${(cause as Error).message}`, undefined, cause);
  }
}

/** @throws CliError that names the profile that may have been meant */
export function findProfile({ profiles }: Profiles, name: string): Profile {
  const found = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (found !== undefined) return found;
  const meant = nearestName(name, Object.keys(profiles));
  throw failure(
    `There is no profile "${name}"`,
    meant === undefined
      ? '`millrace config list` shows the ones there are, `millrace config set` makes one.'
      : `Did you mean "${meant}"?`,
  );
}

export async function profileNames(env: CliIo['env']): Promise<string[]> {
  return Object.keys((await readProfiles(env)).profiles).sort();
}
