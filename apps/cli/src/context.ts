import type { Admin } from '@millrace/admin';
import type { ClientOptions } from '@millrace/client';
import { type ClientConfig, clientConfigOf, readClientConfig } from './client-config.ts';
import { CliError, ExitCode, usageError } from './errors.ts';
import { withoutAdvice } from './explain-error.ts';
import type { CliIo } from './io.ts';
import { formatDuration } from './output/format.ts';
import { Output } from './output/output.ts';
import { sdkLogger } from './output/sdk-logger.ts';

/** The options that every command takes which speaks to a cluster. */
export interface GlobalOptions {
  readonly bootstrapServer?: string | undefined;
  readonly commandConfig?: string | undefined;
  /** A profile's name. */
  readonly profile?: string | undefined;
  /** How long to go on trying, in milliseconds. Undefined: what cannot be reached is an error at once. */
  readonly timeout?: number | undefined;
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly debug?: boolean | undefined;
}

/** How to reach a cluster, for every SDK. */
export type ConnectionSettings = Pick<
  ClientOptions,
  'bootstrapServers' | 'clientId' | 'tls' | 'sasl' | 'requestTimeoutMs' | 'connectTimeoutMs' | 'apiTimeoutMs' | 'logger'
>;

const BOOTSTRAP_DEFAULT = 'localhost:9092';
/** For one operation with its retries, where nobody says otherwise: people wait for it. */
const OPERATION_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** What a command works with. */
export class CommandContext {
  readonly io: CliIo;
  readonly out: Output;
  /** What the program ends with, where the command does not fail. */
  exitCode: number = ExitCode.DONE;
  readonly options: GlobalOptions;
  #clientOptions: Promise<ConnectionSettings> | undefined;

  constructor(io: CliIo, options: GlobalOptions) {
    this.io = io;
    this.options = options;
    this.out = new Output(io, { json: options.json ?? false, quiet: options.quiet ?? false });
  }

  /**
   * How to reach the cluster: by option, else by the client properties or the profile that is named, else by the environment, else by
   * the profile in use, else on this machine.
   */
  clientOptions(): Promise<ConnectionSettings> {
    this.#clientOptions ??= this.#readClientOptions();
    return this.#clientOptions;
  }

  /** Where properties come from. The profile in use counts as a whole or not at all: its passwords are for its own servers. */
  async #readProperties(): Promise<ClientConfig | undefined> {
    const { bootstrapServer, commandConfig, profile } = this.options;
    const { env } = this.io;
    if (commandConfig !== undefined && profile !== undefined) {
      throw usageError('Give either `--command-config` or `--profile`');
    }
    const warn = (message: string): void => this.out.warn(message);
    if (commandConfig !== undefined) return readClientConfig(commandConfig, { warn });
    const named = profile ?? env['MILLRACE_PROFILE'];
    const isElsewhere = bootstrapServer ?? env['MILLRACE_BOOTSTRAP'] ?? env['KAFKA_BOOTSTRAP_SERVERS'];
    if (named === undefined && isElsewhere !== undefined) return undefined;
    const { readProfiles, findProfile } = await import('./profiles.ts');
    const all = await readProfiles(env);
    const name = named ?? all.current;
    return name === undefined ? undefined : clientConfigOf(new Map(Object.entries(findProfile(all, name))), { warn });
  }

  async #readClientOptions(): Promise<ConnectionSettings> {
    const { bootstrapServer, commandConfig, timeout } = this.options;
    const { env } = this.io;
    const file = await this.#readProperties();
    for (const name of file?.unused ?? []) {
      const meant = file?.nearest(name);
      this.out.warn(
        `${commandConfig ?? 'the profile'} sets ${name}, which means nothing to this command${meant === undefined ? '' : `: did you mean ${meant}?`}`,
      );
    }
    return {
      bootstrapServers:
        bootstrapServer ??
        file?.bootstrapServers ??
        env['MILLRACE_BOOTSTRAP'] ??
        env['KAFKA_BOOTSTRAP_SERVERS'] ??
        BOOTSTRAP_DEFAULT,
      clientId: file?.connection.clientId ?? 'millrace-cli',
      tls: file?.connection.tls,
      sasl: file?.connection.sasl,
      requestTimeoutMs: file?.connection.requestTimeoutMs,
      connectTimeoutMs: Math.min(timeout ?? CONNECT_TIMEOUT_MS, CONNECT_TIMEOUT_MS),
      apiTimeoutMs: timeout ?? OPERATION_TIMEOUT_MS,
      logger: sdkLogger(this.out, this.options.debug === true),
    };
  }

  /**
   * Runs `work` with an admin client that is connected. Without `--timeout`, a cluster that cannot be reached at the first attempt
   * is an error: somebody sits before the screen.
   */
  async withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const options = await this.clientOptions();
    const { Admin } = await import('@millrace/admin');
    await using admin = new Admin(options);
    await this.#connect(admin, options);
    return await work(admin);
  }

  async #connect(admin: Admin, { bootstrapServers, apiTimeoutMs = 0 }: ConnectionSettings): Promise<void> {
    try {
      await admin.connect(this.options.timeout === undefined ? { retries: 0 } : {});
    } catch (error) {
      const { code, cause } = error as { code?: unknown; cause?: unknown };
      if (code !== 'CLIENT_TIMED_OUT') throw error;
      const why = cause instanceof Error ? `: ${withoutAdvice(cause.message)}` : '';
      throw new CliError(
        'CLIENT_TIMED_OUT',
        `No broker answered at ${bootstrapServers} within ${formatDuration(apiTimeoutMs)}${why}`,
        {
          cause: error,
        },
      );
    }
  }
}

/** Has what a command does carried out, with what it works with. */
export type Run = (work: (context: CommandContext) => Promise<void>) => Promise<void>;
