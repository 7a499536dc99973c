import { nearestName } from '@millrace/ports';
import type { Command } from 'commander';
import { fromKafkaShape } from '../parse/kafka-shapes.ts';

/** `help topics create`, and `help kafka-topics.sh`, which is asked for by who knows Kafka's tools. */
export function addHelp(program: Command): void {
  program
    .command('help')
    .argument('[command...]', 'of which')
    .summary('print the help of a command')
    .description("Prints the help of a command; with the name of one of Kafka's tools, of what does the same here.")
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', '\nExamples:\n  millrace help topics create\n  millrace help kafka-topics.sh')
    .action((names: string[]) => {
      let found = program;
      for (const name of fromKafkaShape(names)) {
        // What stands behind a command that has none below it is an argument of it.
        if (found.commands.length === 0) break;
        found = childOf(found, name);
      }
      found.help();
    });
}

/** The command below another, or commander's end for one that there is not. */
function childOf(command: Command, name: string): Command {
  const children = command.createHelp().visibleCommands(command);
  const child = children.find((each) => each.name() === name);
  if (child !== undefined) return child;
  const meant = nearestName(
    name,
    children.map((each) => each.name()),
  );
  const question = meant === undefined ? '' : `\n(Did you mean ${meant}?)`;
  return command.error(`error: unknown command '${name}'${question}`, { code: 'commander.unknownCommand' });
}
