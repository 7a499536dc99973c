import { resolve } from 'node:path';
import { clientConfigOf, SECRET_NAME } from '../client-config.ts';
import type { CommandContext } from '../context.ts';
import { failure, usageError } from '../errors.ts';
import { printable } from '../output/format.ts';
import { renderPairs, renderTable } from '../output/table.ts';
import type { Assignment } from '../parse/values.ts';
import { findProfile, type Profile, profilesPath, readProfiles, writeProfiles } from '../profiles.ts';

export interface ShowProfileOptions {
  readonly secrets?: boolean;
}

const HIDDEN = '(hidden)';

export async function setProfile(
  context: CommandContext,
  name: string,
  properties: readonly Assignment[],
): Promise<void> {
  if (!/^[\w.-]+$/.test(name)) {
    throw usageError(`"${name}" cannot be a profile's name: letters, digits, ".", "_" and "-" can`);
  }
  const { bootstrapServer } = context.options;
  const assignments =
    bootstrapServer === undefined ? properties : [['bootstrap.servers', bootstrapServer] as const, ...properties];
  if (assignments.length === 0) {
    throw usageError('Give properties for the profile, such as bootstrap.servers=localhost:9092');
  }
  const { env } = context.io;
  const all = await readProfiles(env);
  // A path is meant from where it was typed, and holds wherever the profile is used.
  const given = assignments.map(
    ([key, value]) => [key, key.endsWith('.location') && value !== '' ? resolve(value) : value] as const,
  );
  const before = Object.hasOwn(all.profiles, name) ? all.profiles[name] : undefined;
  const profile: Profile = { ...before, ...Object.fromEntries(given) };
  const { unused, nearest } = await clientConfigOf(new Map(Object.entries(profile)));
  const wrong = given.map(([key]) => key).find((key) => unused.includes(key));
  if (wrong !== undefined) {
    const meant = nearest(wrong);
    throw failure(
      `"${wrong}" is no client property that is known here`,
      meant === undefined ? undefined : `Did you mean "${meant}"?`,
    );
  }
  const isFirst = Object.keys(all.profiles).length === 0;
  const current = isFirst ? name : all.current;
  await writeProfiles(env, { current, profiles: { ...all.profiles, [name]: profile } });
  await context.out.done({ profile: name, properties: shown(profile), current: current === name }, () =>
    before === undefined
      ? `Profile ${name} is made${current === name ? ' and in use' : ''}`
      : `Profile ${name} is changed`,
  );
  if (current !== name) {
    context.out.note(`\`--profile ${name}\` takes it for one command, \`millrace config use ${name}\` for all.`);
  }
}

export async function unsetProfile(context: CommandContext, name: string, keys: readonly string[]): Promise<void> {
  const all = await readProfiles(context.io.env);
  const profile = findProfile(all, name);
  const missing = keys.find((key) => !Object.hasOwn(profile, key));
  if (missing !== undefined) {
    throw failure(`Profile "${name}" does not set ${missing}`, `\`millrace config show ${name}\` shows what it sets.`);
  }
  const rest = Object.fromEntries(Object.entries(profile).filter(([key]) => !keys.includes(key)));
  await writeProfiles(context.io.env, { ...all, profiles: { ...all.profiles, [name]: rest } });
  await context.out.done({ profile: name, properties: shown(rest) }, () => `Profile ${name} is changed`);
}

export async function useProfile(context: CommandContext, name: string | undefined, none: boolean): Promise<void> {
  if ((name === undefined) !== none) throw usageError('Name the profile to use, or say `--none`');
  const all = await readProfiles(context.io.env);
  if (name !== undefined) findProfile(all, name);
  await writeProfiles(context.io.env, { ...all, current: name });
  await context.out.done({ current: name ?? null }, () =>
    name === undefined ? 'No profile is in use' : `Profile ${name} is in use`,
  );
}

export async function deleteProfile(context: CommandContext, name: string): Promise<void> {
  const all = await readProfiles(context.io.env);
  findProfile(all, name);
  const { [name]: _, ...profiles } = all.profiles;
  await writeProfiles(context.io.env, { current: all.current === name ? undefined : all.current, profiles });
  await context.out.done({ deleted: name }, () => `Profile ${name} deleted`);
}

export async function listProfiles(context: CommandContext): Promise<void> {
  const { current, profiles } = await readProfiles(context.io.env);
  const value = Object.entries(profiles)
    .map(([profile, properties]) => ({
      profile,
      current: profile === current,
      bootstrapServers: properties['bootstrap.servers'] ?? null,
    }))
    .sort((a, b) => (a.profile < b.profile ? -1 : 1));
  if (value.length === 0) {
    context.out.note(
      'There are no profiles yet. `millrace config set dev bootstrap.servers=localhost:9092` makes one.',
    );
  }
  await context.out.result(value, (paint) =>
    value.length === 0
      ? ''
      : renderTable(
          [{ header: 'PROFILE' }, { header: 'IN USE' }, { header: 'SERVERS' }],
          value.map((each) => [
            each.profile,
            each.current ? paint.green('yes') : '',
            printable(each.bootstrapServers ?? ''),
          ]),
          paint,
        ),
  );
}

export async function showProfile(
  context: CommandContext,
  name: string | undefined,
  options: ShowProfileOptions,
): Promise<void> {
  const all = await readProfiles(context.io.env);
  const wanted = name ?? all.current;
  if (wanted === undefined) {
    throw failure(
      'No profile is in use',
      '`millrace config list` shows the ones there are, `millrace config use` takes one.',
    );
  }
  const profile = findProfile(all, wanted);
  const properties = options.secrets === true ? profile : shown(profile);
  await context.out.result({ profile: wanted, file: profilesPath(context.io.env), properties }, (paint) =>
    renderPairs(
      [
        ['Profile', paint.bold(wanted)],
        ...Object.entries(properties).map(([key, value]) => [key, printable(value)] as const),
      ],
      paint,
    ),
  );
}

/** What may be looked at over a shoulder. */
function shown(profile: Profile): Profile {
  return Object.fromEntries(
    Object.entries(profile).map(([key, value]) => [key, SECRET_NAME.test(key) ? HIDDEN : value]),
  );
}
