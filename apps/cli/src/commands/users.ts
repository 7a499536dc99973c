import type { Admin, ScramMechanism } from '@millrace/admin';
import { nearestName } from '@millrace/ports';
import type { CommandContext } from '../context.ts';
import { failure, usageError } from '../errors.ts';
import { printable } from '../output/format.ts';
import { renderTable } from '../output/table.ts';

export interface SetPasswordOptions {
  readonly mechanism: readonly ScramMechanism[];
  readonly password?: string;
  readonly passwordEnv?: string;
  readonly iterations?: number;
}

export interface DeleteUserOptions {
  readonly mechanism?: readonly ScramMechanism[];
}

export async function listUsers(context: CommandContext): Promise<void> {
  await context.withAdmin(async (admin) => {
    const users = await admin.describeScramUsers('all');
    users.sort((a, b) => (a.user < b.user ? -1 : 1));
    await context.out.result(users, (paint) => {
      if (users.length === 0) return 'Nobody can log in by SCRAM.';
      return renderTable(
        [{ header: 'USER' }, { header: 'MECHANISM' }, { header: 'ITERATIONS', align: 'right' }],
        users.flatMap(({ user, credentials }) =>
          credentials.map(({ mechanism, iterations }) => [printable(user), mechanism, String(iterations)]),
        ),
        paint,
      );
    });
  });
}

/** What SCRAM's names are made of in Kafka (ScramFormatter). */
const ASCII = /^[\0-\x7f]*$/;

export async function setPassword(context: CommandContext, user: string, options: SetPasswordOptions): Promise<void> {
  if (!ASCII.test(user)) {
    throw usageError(
      `Nobody called ${printable(user)} could log in`,
      'Kafka lets in by SCRAM only whose name has letters, digits and signs of ASCII alone.',
    );
  }
  const password = passwordOf(options);
  const { mechanism: mechanisms, iterations } = options;
  await context.withAdmin(async (admin) => {
    await admin.setScramPasswords(mechanisms.map((mechanism) => ({ user, mechanism, password, iterations })));
    await context.out.done({ user, mechanisms }, () => `${printable(user)} can log in by ${mechanisms.join(' and ')}`);
  });
}

/** From the environment where a name is given: what stands on the command line, everybody on the machine can see. */
function passwordOf({ password, passwordEnv }: SetPasswordOptions): string {
  const found = passwordEnv === undefined ? password : process.env[passwordEnv];
  if (found !== undefined && found !== '') return found;
  const where = passwordEnv === undefined ? 'Nothing says the password' : `The variable ${passwordEnv} is not set`;
  throw usageError(
    where,
    'Give it in a variable, --password-env NAME, or with --password, which others on this machine can see.',
  );
}

/** A name that is not there is a slip most of the time; which ones there are is known here. */
async function noSuchUser(admin: Admin, user: string, error: unknown): Promise<never> {
  if ((error as { code?: unknown }).code !== 'KAFKA_RESOURCE_NOT_FOUND') throw error;
  const names = (await admin.describeScramUsers('all')).map((each) => each.user);
  const meant = nearestName(user, names);
  const question = meant === undefined ? '' : `Did you mean ${printable(meant)}? `;
  const message = `Nobody called ${printable(user)} can log in by SCRAM, so there is nothing to delete`;
  throw failure(message, `${question}\`millrace users list\` shows who can.`, error);
}

export async function deleteUser(context: CommandContext, user: string, options: DeleteUserOptions): Promise<void> {
  await context.withAdmin(async (admin) => {
    const [described] = await admin.describeScramUsers([user]).catch((error) => noSuchUser(admin, user, error));
    const there = (described?.credentials ?? []).map(({ mechanism }) => mechanism);
    const mechanisms = options.mechanism ?? there;
    await admin.deleteScramCredentials(mechanisms.map((mechanism) => ({ user, mechanism })));
    await context.out.done(
      { user, mechanisms },
      () => `${printable(user)} cannot log in by ${mechanisms.join(' and ')} any more; connections that are open stay`,
    );
  });
}
