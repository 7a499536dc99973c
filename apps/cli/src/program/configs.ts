import { Argument, type Command } from 'commander';
import type { ChangeConfigsOptions, DescribeConfigsOptions } from '../commands/configs.ts';
import type { Run } from '../context.ts';
import { type Assignment, setting, texts } from '../parse/values.ts';

type Type = 'topic' | 'broker';

const commands = () => import('../commands/configs.ts');
/** As one of the choices, or in the plural, as Kafka's tools have it. */
function type(): Argument {
  const argument = new Argument('<type>', 'of what').choices(['topic', 'broker']);
  const { parseArg } = argument as Argument & { parseArg(text: string, previous: unknown): unknown };
  return argument.argParser((text, previous) =>
    parseArg.call(argument, text.replace(/^(topic|broker)s$/, '$1'), previous),
  );
}
const NAME = '<name>';
const NAME_TEXT = "the topic's name, the broker's id, or default for all brokers";

export function addConfigs(program: Command, run: Run): void {
  const configs = program
    .command('configs')
    .summary('show and change configs of topics and brokers')
    .description('Show and change configs of topics and brokers.')
    .helpCommand(false);
  configs
    .command('describe')
    .addArgument(type())
    .argument(NAME, NAME_TEXT)
    .summary('show configs')
    .description('Shows the configs that are set, and where.')
    .option('-a, --all', 'those with the default too')
    .option('-n, --name <config>', 'only this one; may be repeated', texts)
    .option('--docs', 'with what they mean')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace configs describe topic orders\n  millrace configs describe broker 1 --all',
    )
    .action((kind: Type, name: string, options: DescribeConfigsOptions) =>
      run(async (context) => (await commands()).describeConfigs(context, kind, name, options)),
    );
  configs
    .command('set')
    .addArgument(type())
    .argument(NAME, NAME_TEXT)
    .argument('<config=value...>', 'what to set', setting)
    .summary('set configs')
    .description('Sets configs; those not named stay as they are.')
    .option('--dry-run', 'check, and change nothing')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace configs set topic orders retention.ms=86400000 cleanup.policy=compact',
    )
    .action((kind: Type, name: string, assignments: Assignment[], options: ChangeConfigsOptions) =>
      run(async (context) => (await commands()).setConfigs(context, kind, name, assignments, options)),
    );
  configs
    .command('unset')
    .addArgument(type())
    .argument(NAME, NAME_TEXT)
    .argument('<config...>', 'what to unset')
    .summary('go back to what counts without')
    .description("Takes configs back to the cluster's value.")
    .option('--dry-run', 'check, and change nothing')
    .addHelpText('after', '\nExamples:\n  millrace configs unset topic orders retention.ms')
    .action((kind: Type, name: string, names: string[], options: ChangeConfigsOptions) =>
      run(async (context) => (await commands()).unsetConfigs(context, kind, name, names, options)),
    );
}
