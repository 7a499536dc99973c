import type { Command } from 'commander';
import type { CreateTokenOptions, ListTokensOptions, TokenPeriodOptions } from '../commands/tokens.ts';
import type { Run } from '../context.ts';
import { duration, one, texts } from '../parse/values.ts';

const commands = () => import('../commands/tokens.ts');

export function addTokens(program: Command, run: Run): void {
  const tokens = program
    .command('tokens')
    .summary('make, show, renew and end delegation tokens')
    .description(
      "Make, show, renew and end delegation tokens: others log in with them in their owner's name, for a while.",
    )
    .helpCommand(false);
  tokens
    .command('list')
    .summary('show tokens')
    .description('Shows the tokens that one owns, may renew, or may be told of. Their secrets are in --json alone.')
    .option('--owner <principal>', 'only those of this one; may be repeated', texts)
    .addHelpText('after', '\nExamples:\n  millrace tokens list\n  millrace tokens list --json')
    .action((options: ListTokensOptions) => run(async (context) => (await commands()).listTokens(context, options)));
  tokens
    .command('create')
    .summary('make a token')
    .description('Makes a token, for oneself or, with the right to do so, for somebody else.')
    .option('--owner <principal>', 'whose it is (default: who is logged in)', one)
    .option('--renewer <principal>', 'who may renew and end it beside its owner; may be repeated', texts)
    .option(
      '--max-lifetime <duration>',
      'for how long it can be renewed, e.g. 7d (default: what the broker allows)',
      duration,
    )
    .addHelpText('after', '\nExamples:\n  millrace tokens create --renewer scheduler --max-lifetime 2d')
    .action((options: CreateTokenOptions) => run(async (context) => (await commands()).createToken(context, options)));
  ofToken(tokens.command('renew'))
    .summary('have a token live on')
    .description('Has a token live on from now.')
    .option('--period <duration>', 'for so long, e.g. 1d (default: what the broker has set)', duration)
    .addHelpText('after', '\nExamples:\n  millrace tokens renew --hmac-env HMAC --period 1d')
    .action((options: TokenPeriodOptions) => run(async (context) => (await commands()).renewToken(context, options)));
  ofToken(tokens.command('expire'))
    .summary('end a token')
    .description('Ends a token.')
    .option('--period <duration>', 'after so long, e.g. 10m (default: at once)', duration)
    .addHelpText('after', '\nExamples:\n  millrace tokens expire --hmac-env HMAC')
    .action((options: TokenPeriodOptions) => run(async (context) => (await commands()).expireToken(context, options)));
}

function ofToken(command: Command): Command {
  return command
    .option('--hmac-env <name>', "the environment variable that holds the token's HMAC")
    .option('--hmac <base64>', 'the HMAC itself; others on this machine can see it');
}
