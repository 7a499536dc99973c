/** Who may log in to the console and what nobody is shown there, as `millrace console` and `millrace start` are told it. */
import { readFile } from 'node:fs/promises';
import type { ConsoleUser, Grant, MaskRule, Role } from '@millrace/console';
import { fileFault } from '../client-config.ts';
import { CliError, usageError } from '../errors.ts';
import type { Assignment } from '../parse/values.ts';

const ROLES: readonly Role[] = ['viewer', 'editor', 'admin'];

/**
 * Reads who may log in.
 * @throws CliError where the file cannot be read, names nobody or says something that is no user
 */
export async function readUsers(path: string): Promise<ConsoleUser[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot read ${path} (who may log in): ${fileFault(cause)}`, { cause });
  }
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const users = lines.flatMap((line, index) =>
    line.trim() === '' || line.startsWith('#') ? [] : [userOf(line, `${path}:${index + 1}`)],
  );
  if (users.length === 0) throw new CliError('CLI_CONFIG_INVALID', `${path} names nobody who may log in`);
  const twice = users.find(({ name }, at) => users.findIndex((each) => each.name === name) < at);
  if (twice !== undefined) {
    throw new CliError('CLI_CONFIG_INVALID', `${path} has ${twice.name} twice: both passwords would let somebody in`);
  }
  if (users.some(({ password }) => password.startsWith('$scrypt$'))) await checkHashes(users, path);
  return users;
}

async function checkHashes(users: readonly ConsoleUser[], path: string): Promise<void> {
  const { isHashedPassword } = await import('@millrace/console');
  for (const { name, password } of users) {
    try {
      isHashedPassword(password);
    } catch (cause) {
      throw new CliError('CLI_CONFIG_INVALID', `${path}, ${name}: ${(cause as Error).message}`, { cause });
    }
  }
}

function userOf(line: string, at: string): ConsoleUser {
  const [, name, given, password] = /^([^:]+):([^:]+):(.+)$/.exec(line) ?? [];
  if (name === undefined || given === undefined || password === undefined) throw noUser(at);
  return { name, password, ...rightsIn(given, () => noUser(at)) };
}

/** `ROLE[,ROLE@topic/PATTERN...]`, or only some of the latter. */
function rightsIn(given: string, refusal: () => CliError): Pick<ConsoleUser, 'role' | 'grants'> {
  const roles = given.split(',').map((each) => each.trim());
  const [role = null, ...more] = ROLES.filter((each) => roles.includes(each));
  const grants = roles.filter((each) => each.includes('@')).map((each) => grantOf(each, refusal));
  const isUnderstood = grants.length + (role === null ? 0 : 1) === roles.length;
  if (more.length > 0 || !isUnderstood) throw refusal();
  return { role, grants };
}

/**
 * What a value of a claim gives.
 * @throws CliError
 */
export function rightsOf(given: string, at: string): Pick<ConsoleUser, 'role' | 'grants'> {
  return rightsIn(
    given,
    () =>
      new CliError(
        'CLI_CONFIG_INVALID',
        `${at} is none of the roles ${ROLES.join(', ')}, with or without roles for some: editor@topic/orders-*, viewer@group/billing`,
      ),
  );
}

function grantOf(text: string, refusal: () => CliError): Grant {
  const [, given, on, pattern] = /^(\w+)@(topic|group)\/(.+)$/.exec(text) ?? [];
  const role = ROLES.find((each) => each === given);
  if (role === undefined || pattern === undefined) throw refusal();
  return { role, on: on === 'topic' ? 'topic' : 'group', pattern };
}

function noUser(at: string): CliError {
  return new CliError(
    'CLI_CONFIG_INVALID',
    `${at} is not NAME:ROLE:PASSWORD with one of the roles ${ROLES.join(', ')}, ` +
      'and, divided by commas, roles for some topics and groups: editor@topic/orders-*, viewer@group/billing',
  );
}

/** Fields that nobody is shown: `--mask TOPICS=FIELD[,FIELD...]`. */
export function masksOf(given: readonly Assignment[] = []): MaskRule[] {
  return given.map(([topics, text]) => {
    const fields = text
      .split(',')
      .map((field) => field.trim())
      .filter((field) => field !== '');
    const isSome = fields.every((field) => field.split('.').every((name) => name.trim() !== ''));
    if (topics === '' || fields.length === 0 || !isSome) {
      throw usageError('`--mask` takes TOPICS=FIELD[,FIELD...]; a field is a name, or a path such as card.number');
    }
    return { topics, fields };
  });
}
