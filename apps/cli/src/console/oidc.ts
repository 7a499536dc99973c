/** How people log in to the console at an OpenID Connect provider, as a file of settings says it. */
import { readFile } from 'node:fs/promises';
import type { OidcOptions, OidcRole } from '@millrace/console';
import { nearestName, parseProperties, propertiesText } from '@millrace/ports';
import { fileFault } from '../client-config.ts';
import { CliError } from '../errors.ts';
import { rightsOf } from './access.ts';

const NAMES = ['issuer', 'client.id', 'client.secret', 'public.url', 'roles.claim', 'name.claim', 'scope'] as const;
const ROLE = 'role.';

/**
 * Reads the settings of a login: `issuer`, `client.id`, `public.url`, and a line `role.VALUE=ROLE[,ROLE@topic/PATTERN...]` for each value
 * of the claim.
 * @throws CliError where the file cannot be read, has a name that nobody knows, or lacks something
 */
export async function readOidc(path: string): Promise<OidcOptions> {
  let text: string;
  try {
    text = propertiesText(await readFile(path));
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot read ${path} (the login): ${fileFault(cause)}`, { cause });
  }
  const given = parseProperties(text);
  const roles: OidcRole[] = [];
  for (const [name, value] of given) {
    if (name.startsWith(ROLE)) roles.push({ value: name.slice(ROLE.length), ...rightsOf(value, `${path}: ${name}`) });
    else if (!NAMES.some((each) => each === name)) throw unknownName(path, name);
  }
  const value = (name: (typeof NAMES)[number]): string | undefined => given.get(name);
  const needed = (name: (typeof NAMES)[number]): string => value(name) || missing(path, name);
  if (roles.length === 0) missing(path, `${ROLE}VALUE`);
  return {
    issuer: needed('issuer'),
    clientId: needed('client.id'),
    clientSecret: value('client.secret'),
    publicUrl: needed('public.url'),
    roles,
    rolesClaim: value('roles.claim'),
    nameClaim: value('name.claim'),
    scope: value('scope'),
  };
}

function missing(path: string, name: string): never {
  throw new CliError('CLI_CONFIG_INVALID', `${path} has no ${name}: the console does not start with half a login`);
}

function unknownName(path: string, name: string): CliError {
  const near = nearestName(name, NAMES);
  return new CliError(
    'CLI_CONFIG_INVALID',
    `${path}: nobody knows ${name}${near === undefined ? '' : `; is it ${near}?`}`,
  );
}
