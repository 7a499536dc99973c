import type { Command } from 'commander';
import type { QuotaOptions } from '../commands/quotas.ts';
import type { Run } from '../context.ts';
import { one } from '../parse/values.ts';

const commands = () => import('../commands/quotas.ts');

const NAMES =
  'producer_byte_rate, consumer_byte_rate, request_percentage, controller_mutation_rate, connection_creation_rate';

export function addQuotas(program: Command, run: Run): void {
  const quotas = program
    .command('quotas')
    .summary('show, set and remove what clients may use')
    .description('Show, set and remove quotas of users, client ids and addresses.')
    .helpCommand(false);
  about(quotas.command('list'))
    .summary('show quotas')
    .description('Shows quotas, all where nobody is named.')
    .addHelpText('after', '\nExamples:\n  millrace quotas list\n  millrace quotas list --user alice')
    .action((options: QuotaOptions) => run(async (context) => (await commands()).listQuotas(context, options)));
  about(quotas.command('set'))
    .argument('<name=value...>', `of ${NAMES}`)
    .summary('set quotas')
    .description(
      'Sets quotas; they hold at once. With --user and --client-id, for a client id of a user. Clients beyond theirs have to wait.',
    )
    .addHelpText(
      'after',
      `
Examples:
  millrace quotas set --user alice producer_byte_rate=10MB consumer_byte_rate=20MB
  millrace quotas set --client-default request_percentage=50
  millrace quotas set --user alice --client-id app-1 controller_mutation_rate=5`,
    )
    .action((assignments: string[], options: QuotaOptions) =>
      run(async (context) => (await commands()).setQuotas(context, assignments, options)),
    );
  about(quotas.command('unset'))
    .argument('[name...]', 'the quotas; all that there are where none is named')
    .summary('remove quotas')
    .description('Removes quotas.')
    .addHelpText('after', '\nExamples:\n  millrace quotas unset --user alice producer_byte_rate')
    .action((names: string[], options: QuotaOptions) =>
      run(async (context) => (await commands()).unsetQuotas(context, names, options)),
    );
}

function about(command: Command): Command {
  return command
    .option('--user <name>', 'a user, as the access rules name him, without User:', one)
    .option('--user-default', 'users without quotas of their own')
    .option('--client-id <name>', 'a client id', one)
    .option('--client-default', 'client ids without quotas of their own')
    .option('--ip <address>', 'an address', one)
    .option('--ip-default', 'addresses without quotas of their own');
}
