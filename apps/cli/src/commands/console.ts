import type { TlsSettings } from '@millrace/client';
import { type ClusterConnection, createConsole, hashPassword } from '@millrace/console';
import { masksOf, readUsers } from '../console/access.ts';
import { auditTo } from '../console/audit.ts';
import { type ClustersGiven, clustersOf } from '../console/clusters.ts';
import { readOidc } from '../console/oidc.ts';
import type { CommandContext } from '../context.ts';
import { usageError } from '../errors.ts';
import type { Assignment } from '../parse/values.ts';

/** Options of `millrace console`. */
export interface ConsoleCommandOptions extends ClustersGiven {
  readonly port?: number;
  readonly host?: string;
  readonly users?: string;
  readonly oidc?: string;
  readonly allowHost?: readonly string[];
  readonly readOnly?: boolean;
  readonly mask?: readonly Assignment[];
}

const PORT_DEFAULT = 8080;

/** Serves the console until a signal stops it. */
export async function serveConsole(context: CommandContext, options: ConsoleCommandOptions): Promise<void> {
  const { host, port = PORT_DEFAULT, allowHost, readOnly } = options;
  const users = options.users === undefined ? [] : await readUsers(options.users);
  const clusters = await clustersOf(context, options);
  const hasLogin = users.length > 0 || options.oidc !== undefined;
  if (!hasLogin && (await anyLogsIn(Object.values(clusters)))) {
    context.out.warn(
      'The console logs in to the cluster and asks nobody for a login of his own: ' +
        'every user and program of this machine may do there what it may. Give --users FILE, or --oidc FILE',
    );
  }
  const served = await createConsole({
    clusters,
    users,
    oidc: options.oidc === undefined ? undefined : await readOidc(options.oidc),
    masks: masksOf(options.mask),
    hosts: allowHost,
    isReadOnly: readOnly,
    logger: auditTo(context),
  });
  try {
    const taken = await served.listen({ host, port });
    const url = `http://${host === undefined || host === '0.0.0.0' ? 'localhost' : host}:${taken}`;
    await context.out.result({ url }, () => `The console is at ${url}`);
    await untilStopped();
  } finally {
    await served.close();
  }
}

async function anyLogsIn(clusters: readonly ClusterConnection[]): Promise<boolean> {
  for (const { sasl, tls } of clusters) {
    if (sasl !== undefined || isKey(typeof tls === 'function' ? await tls() : tls)) return true;
  }
  return false;
}

/** Whether a certificate says who the console is. */
function isKey(tls: TlsSettings | false | undefined): boolean {
  return typeof tls === 'object' && (tls.key ?? tls.pfx) !== undefined;
}

const PASSWORD_BYTES_MAX = 4096;

/** Prints what a users' file may hold in the place of a password: from the environment, or the first line of standard input. */
export async function printHash(context: CommandContext, { passwordEnv }: { passwordEnv?: string }): Promise<void> {
  const password = passwordEnv === undefined ? await firstLine(context) : context.io.env[passwordEnv];
  if (password === undefined || password === '') {
    const where =
      passwordEnv === undefined ? 'Standard input has no password' : `The variable ${passwordEnv} is not set`;
    throw usageError(where, 'Give it in a variable, --password-env NAME, or as a line of standard input.');
  }
  const hash = await hashPassword(password);
  await context.out.result({ hash }, () => hash);
}

async function firstLine({ io }: CommandContext): Promise<string> {
  let text = '';
  for await (const part of io.stdin) {
    text += String(part);
    if (text.includes('\n') || text.length > PASSWORD_BYTES_MAX) break;
  }
  return text.split(/\r?\n/, 1)[0] ?? '';
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const signals = ['SIGTERM', 'SIGINT'] as const;
    const stop = (): void => {
      for (const signal of signals) process.off(signal, stop);
      resolve();
    };
    for (const signal of signals) process.on(signal, stop);
  });
}
