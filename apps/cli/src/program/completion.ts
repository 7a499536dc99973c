import { Argument, type Command } from 'commander';
import type { Shell } from '../commands/completion.ts';
import type { Run } from '../context.ts';

export function addCompletion(program: Command, run: Run): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'for which').choices(['bash', 'zsh', 'fish']))
    .summary('print what has a shell complete commands')
    .description(
      'Prints a script that has a shell complete commands, options, and the names of topics and groups with the tab key.',
    )
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      'after',
      `
Examples:
  source <(millrace completion bash)       # in ~/.bashrc; for zsh in ~/.zshrc, after compinit
  millrace completion fish > ~/.config/fish/completions/millrace.fish`,
    )
    .action((shell: Shell) =>
      run(async (context) => (await import('../commands/completion.ts')).printScript(context, shell)),
    );
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action((words: string[]) =>
      run(async (context) => (await import('../commands/completion.ts')).printCompletions(context, program, words)),
    );
}
