import type { Command } from 'commander';
import type { ShowProfileOptions } from '../commands/profiles.ts';
import type { Run } from '../context.ts';
import { type Assignment, assignment } from '../parse/values.ts';

const commands = () => import('../commands/profiles.ts');

export function addProfiles(program: Command, run: Run): void {
  const config = program
    .command('config')
    .summary('keep profiles of the clusters you work with')
    .description(
      'Keep profiles: how clusters are reached, by name. Properties have the names of client properties. For configs of topics and brokers: `millrace configs`.',
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      `
Examples:
  millrace config set dev bootstrap.servers=localhost:9092
  millrace config set prod bootstrap.servers=kafka1:9093 security.protocol=SASL_SSL \\
      sasl.mechanism=SCRAM-SHA-512 sasl.username=ann sasl.password=secret
  millrace config use dev
  millrace topics list --profile prod`,
    );
  const sub = (name: string): Command => config.command(name).configureHelp({ showGlobalOptions: false });
  sub('set')
    .argument('<profile>')
    .argument('[property=value...]', 'client properties, e.g. bootstrap.servers=localhost:9092', assignment)
    .summary('make or change a profile')
    .description(
      'Makes a profile, or changes properties of one that is there. The first one is used at once. `-b HOST:PORT` stands for bootstrap.servers.',
    )
    .addHelpText('after', '\nExamples:\n  millrace config set dev bootstrap.servers=localhost:9092')
    .action((name: string, given: Assignment[]) =>
      run(async (context) => (await commands()).setProfile(context, name, given)),
    );
  sub('unset')
    .argument('<profile>')
    .argument('<property...>')
    .summary('take properties out of a profile')
    .description('Takes properties out of a profile.')
    .addHelpText('after', '\nExamples:\n  millrace config unset dev client.id')
    .action((name: string, keys: string[]) =>
      run(async (context) => (await commands()).unsetProfile(context, name, keys)),
    );
  sub('use')
    .argument('[profile]')
    .summary('use a profile where nothing else names a cluster')
    .description('Uses a profile where neither an option nor the environment names a cluster.')
    .option('--none', 'use none')
    .addHelpText('after', '\nExamples:\n  millrace config use dev')
    .action((name: string | undefined, { none }: { none?: boolean }) =>
      run(async (context) => (await commands()).useProfile(context, name, none === true)),
    );
  sub('list')
    .summary('list profiles')
    .description('Lists profiles.')
    .addHelpText('after', '\nExamples:\n  millrace config list')
    .action(() => run(async (context) => (await commands()).listProfiles(context)));
  sub('show')
    .argument('[profile]')
    .summary('show the properties of a profile')
    .description('Shows the properties of a profile; of the one in use where none is named.')
    .option('--secrets', 'passwords too')
    .addHelpText('after', '\nExamples:\n  millrace config show dev')
    .action((name: string | undefined, options: ShowProfileOptions) =>
      run(async (context) => (await commands()).showProfile(context, name, options)),
    );
  sub('delete')
    .argument('<profile>')
    .summary('delete a profile')
    .description('Deletes a profile.')
    .addHelpText('after', '\nExamples:\n  millrace config delete dev')
    .action((name: string) => run(async (context) => (await commands()).deleteProfile(context, name)));
}
