import { type Command, InvalidArgumentError } from 'commander';
import type { AclOptions, RemoveAclOptions } from '../commands/acls.ts';
import type { Run } from '../context.ts';
import { texts } from '../parse/values.ts';

const commands = () => import('../commands/acls.ts');

const OPERATIONS = [
  'all',
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'cluster-action',
  'describe-configs',
  'alter-configs',
  'idempotent-write',
  'create-tokens',
  'describe-tokens',
];

export function addAcls(program: Command, run: Run): void {
  const acls = program
    .command('acls')
    .summary('show, add and remove access rules')
    .description('Show, add and remove access rules (ACLs) of a cluster that checks rights.')
    .helpCommand(false);
  about(acls.command('list'))
    .summary('show access rules')
    .description('Shows access rules, all where nothing is named.')
    .addHelpText('after', '\nExamples:\n  millrace acls list\n  millrace acls list --principal alice')
    .action((options: AclOptions) => run(async (context) => (await commands()).listAcls(context, options)));
  about(acls.command('add'))
    .option('--producer', 'what a producer needs for the topics and transactional ids')
    .option('--consumer', 'what a consumer needs for the topics and groups')
    .summary('add access rules')
    .description('Lets somebody do something, or with --deny forbids it. What forbids goes before all that allows.')
    .addHelpText(
      'after',
      `
Examples:
  millrace acls add --principal alice --producer --topic orders
  millrace acls add --principal bob --consumer --topic orders --group billing
  millrace acls add --principal carol --operation create-tokens --user dave
  millrace acls add --principal 'User:*' --deny --operation delete --topic audit- --prefixed`,
    )
    .action((options: AclOptions) => run(async (context) => (await commands()).addAcls(context, options)));
  about(acls.command('remove'))
    .option('--all', 'every rule there is, those that forbid too')
    .option('--any', 'rules that allow and rules that forbid')
    .summary('remove access rules')
    .description(
      'Removes the access rules that allow and fit what is named, and shows them. Those that forbid stay, unless --deny (they alone) or --any (both) is given.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  millrace acls remove --principal alice --topic orders\n  millrace acls remove --principal alice --topic orders --deny',
    )
    .action((options: RemoveAclOptions) => run(async (context) => (await commands()).removeAcls(context, options)));
}

function about(command: Command): Command {
  return command
    .option('--principal <name>', 'who, e.g. alice or User:CN=app; User:* is everybody; may be repeated', texts)
    .option('-t, --topic <name>', 'a topic; * is every topic; may be repeated', texts)
    .option('-g, --group <name>', 'a group; may be repeated', texts)
    .option('--transactional-id <name>', 'a transactional id; may be repeated', texts)
    .option('--user <name>', 'the delegation tokens of a user; * is every user; may be repeated', texts)
    .option('--delegation-token <id>', 'a delegation token by its id; may be repeated', texts)
    .option('--cluster', 'the cluster itself')
    .option('--prefixed', 'names are beginnings of names')
    .option('--operation <name>', `one of ${OPERATIONS.join(', ')}; may be repeated`, operation)
    .option('--host <address>', 'from this address only; may be repeated', texts)
    .option('--deny', 'rules that forbid');
}

function operation(text: string, before: readonly string[] = []): readonly string[] {
  // Kafka's tools say CreateTokens, its documentation CREATE_TOKENS.
  const letters = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, '');
  const name = OPERATIONS.find((each) => letters(each) === letters(text));
  if (name === undefined) throw new InvalidArgumentError(`It is one of ${OPERATIONS.join(', ')}.`);
  return [...before, name];
}
