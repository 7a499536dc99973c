import type { Command } from 'commander';
import type { StartOptions } from '../commands/start.ts';
import type { Run } from '../context.ts';
import { assignment, localBrokers, port, texts } from '../parse/values.ts';

export function addStart(program: Command, run: Run): void {
  program
    .command('start')
    .summary('start a broker')
    .description('Starts a broker in the foreground; Ctrl-C stops it. Everything has a default.')
    .option('-c, --config <file>', "settings, as in Kafka's server.properties")
    .option('-o, --override <name=value>', 'a setting; may be repeated', assignment)
    .option('-d, --data <folder>', 'where the data is (log.dirs)')
    .option('-p, --port <port>', 'the port for clients; 0 takes a free one (default: 9092)', port)
    .option('--brokers <n>', 'so many brokers on this machine, as one cluster (default: 1)', localBrokers)
    .option(
      '--http-port <port>',
      'the port of the console, /metrics and /health; with --brokers N of the first broker, and this port + N has the console and the health of all; 0 takes free ones (default: 9644)',
      port,
    )
    .option('--console-users <file>', 'who may log in to the console, as in `millrace console --users`')
    .option(
      '--console-oidc <file>',
      'people log in to the console at an OpenID Connect provider, as in `millrace console --oidc`',
    )
    .option(
      '--console-mask <topics=field,...>',
      'fields that nobody is shown in the console, as in `millrace console --mask`; may be repeated',
      assignment,
    )
    .option('--console-read-only', 'the console shows everything and changes nothing')
    .option(
      '--console-allow-host <name>',
      'a host name by which the console is reached, as in `millrace console --allow-host`; may be repeated',
      texts,
    )
    .option('--schema-registry <url>', 'where schemas are for the console, as in `millrace console --schema-registry`')
    .option('--secure', 'with TLS, logins and access rules: makes an authority, a certificate and an administrator')
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      'after',
      `
Settings have Kafka's names and come from the file, from the environment (KAFKA_LOG_DIRS=...) and from the options;
the latter are stronger.

Examples:
  millrace start --data ./data
  millrace start --brokers 3
  millrace start --secure
  millrace start --port 0 --override log.retention.hours=1`,
    )
    .action((options: StartOptions) =>
      run(async (context) => (await import('../commands/start.ts')).start(context, options)),
    );
}
