import type { ScramMechanism } from '@millrace/admin';
import { type Command, InvalidArgumentError } from 'commander';
import type { DeleteUserOptions, SetPasswordOptions } from '../commands/users.ts';
import type { Run } from '../context.ts';
import { countWithin } from '../parse/values.ts';

const commands = () => import('../commands/users.ts');
const MECHANISMS: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

export function addUsers(program: Command, run: Run): void {
  const users = program
    .command('users')
    .summary('show, add and remove users who log in by SCRAM')
    .description('Show, add and remove users who log in by SCRAM; the cluster keeps what it needs of their passwords.')
    .helpCommand(false);
  users
    .command('list')
    .summary('show users')
    .description('Shows who can log in by SCRAM.')
    .addHelpText('after', '\nExamples:\n  millrace users list')
    .action(() => run(async (context) => (await commands()).listUsers(context)));
  users
    .command('set-password')
    .argument('<user>')
    .summary('add a user, or change a password')
    .description('Gives a user a password. It is salted and hashed here; the cluster never gets it.')
    .option('--mechanism <name>', `one of ${MECHANISMS.join(', ')}; may be repeated (default: both)`, mechanism)
    .option('--password-env <name>', 'the environment variable that holds the password')
    .option('--password <text>', 'the password itself; others on this machine can see it')
    .option('--iterations <n>', 'how often it is hashed, 4096 to 16384 (default: 8192)', countWithin(4096, 16_384))
    .addHelpText('after', '\nExamples:\n  PW=... millrace users set-password alice --password-env PW')
    .action((user: string, options: Partial<SetPasswordOptions>) =>
      run(async (context) => (await commands()).setPassword(context, user, { mechanism: MECHANISMS, ...options })),
    );
  users
    .command('delete')
    .argument('<user>')
    .summary("take a user's credentials away")
    .description("Takes a user's credentials away. Connections that are open stay until they have to log in again.")
    .option('--mechanism <name>', `only for one of ${MECHANISMS.join(', ')}; may be repeated`, mechanism)
    .addHelpText('after', '\nExamples:\n  millrace users delete alice')
    .action((user: string, options: DeleteUserOptions) =>
      run(async (context) => (await commands()).deleteUser(context, user, options)),
    );
}

function mechanism(text: string, before: readonly ScramMechanism[] = []): readonly ScramMechanism[] {
  const name = MECHANISMS.find((each) => each === text.toUpperCase());
  if (name === undefined) throw new InvalidArgumentError(`It is one of ${MECHANISMS.join(', ')}.`);
  return [...before, name];
}
