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
  millrace acls add --principal 'User:*' --deny --operation delete --topic audit- --prefixed`,
    )
    .action((options: AclOptions) => run(async (context) => (await commands()).addAcls(context, options)));
  about(acls.command('remove'))
    .option('--all', 'every rule there is')
    .summary('remove access rules')
    .description('Removes the access rules that fit what is named, and shows them.')
    .addHelpText('after', '\nExamples:\n  millrace acls remove --principal alice --topic orders')
    .action((options: RemoveAclOptions) => run(async (context) => (await commands()).removeAcls(context, options)));
}

function about(command: Command): Command {
  return command
    .option('--principal <name>', 'who, e.g. alice or User:CN=app; User:* is everybody; may be repeated', texts)
    .option('-t, --topic <name>', 'a topic; * is every topic; may be repeated', texts)
    .option('-g, --group <name>', 'a group; may be repeated', texts)
    .option('--transactional-id <name>', 'a transactional id; may be repeated', texts)
    .option('--cluster', 'the cluster itself')
    .option('--prefixed', 'names are beginnings of names')
    .option('--operation <name>', `one of ${OPERATIONS.join(', ')}; may be repeated`, operation)
    .option('--host <address>', 'from this address only; may be repeated', texts)
    .option('--deny', 'rules that forbid');
}

function operation(text: string, before: readonly string[] = []): readonly string[] {
  const name = text.toLowerCase().replaceAll('_', '-');
  if (!OPERATIONS.includes(name)) throw new InvalidArgumentError(`It is one of ${OPERATIONS.join(', ')}.`);
  return [...before, name];
}
