import type { Command } from 'commander';
import type { ConsoleCommandOptions } from '../commands/console.ts';
import type { Run } from '../context.ts';
import { assignment, port } from '../parse/values.ts';

export function addConsole(program: Command, run: Run): void {
  const served = program.command('console');
  served
    .summary('serve the console: clusters in a browser')
    .description(
      'Serves the console for any Kafka-compatible cluster: brokers, topics, messages, groups. Ctrl-C stops it.\n' +
        '`millrace start` serves one for its broker by itself.',
    )
    .option('-c, --cluster <name=host:port,...>', 'a cluster and the name to show it by; may be repeated', assignment)
    .option(
      '--cluster-config <name=file>',
      'client properties for that cluster, with its own login; --command-config is for those without; may be repeated',
      assignment,
    )
    .option('-p, --port <port>', 'where to listen; 0 takes a free port (default: 8080)', port)
    .option('--host <address>', 'on which address; beyond this machine it takes --users or --oidc (default: 127.0.0.1)')
    .option(
      '--users <file>',
      'who may log in: lines of NAME:ROLE:PASSWORD (or its hash), the roles being viewer, editor, admin; for some topics or groups: editor@topic/orders-*',
    )
    .option(
      '--oidc <file>',
      'people log in at an OpenID Connect provider: issuer, client.id, client.secret, public.url, role.VALUE=ROLE lines',
    )
    .option('--allow-host <name>', 'a host name by which it is reached; may be repeated', names)
    .option(
      '--schema-registry <url>',
      'where schemas are, for Avro, Protobuf and JSON Schema: http://[NAME:PASSWORD@]HOST:PORT',
    )
    .option(
      '--mask <topics=field,...>',
      'fields that nobody is shown: payments-*=card.number,iban; may be repeated',
      assignment,
    )
    .option('--read-only', 'show everything and change nothing')
    .addHelpText(
      'after',
      `
Examples:
  millrace console --bootstrap-server localhost:9092
  millrace console --cluster test=test:9092 --cluster live=a:9092,b:9092 --read-only
  millrace console --cluster test=test:9092 --cluster live=a:9093 --cluster-config live=./live.properties
  millrace console --host 0.0.0.0 --users ./console-users`,
    )
    .action((options: ConsoleCommandOptions) =>
      run(async (context) => (await import('../commands/console.ts')).serveConsole(context, options)),
    );
  served
    .command('hash-password')
    .summary("make of a password what a users' file may hold in its place")
    .description(
      'Prints the scrypt hash of a password, for the file of --users: who reads the file cannot log in by it.',
    )
    .option(
      '--password-env <name>',
      'the environment variable that holds it (default: the first line of standard input)',
    )
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      'after',
      '\nExamples:\n  echo "eve:viewer:$(PW=... millrace console hash-password --password-env PW)" >> users',
    )
    .action((options: { passwordEnv?: string }) =>
      run(async (context) => (await import('../commands/console.ts')).printHash(context, options)),
    );
}

function names(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text];
}
