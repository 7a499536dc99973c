import { CliError, ExitCode } from './errors.ts';

/** What the program says when a command fails. */
export interface Explanation {
  /** Stable, for scripts. */
  readonly code: string;
  /** A sentence each. */
  readonly messages: readonly string[];
  /** What to do about it. */
  readonly hint: string | undefined;
  readonly exitCode: number;
}

/** An error of ours or of the SDKs, known by its fields: loading the SDKs only to compare classes would cost time. */
interface KnownError extends Error {
  readonly code: string;
  readonly hint?: string | undefined;
  readonly failures?: ReadonlyMap<string, KnownError>;
}

const RIGHTS_HINT =
  'Whoever may change access rules gives the right: `millrace acls add --help`. `--command-config FILE` logs in as somebody else.';

const HINTS: Readonly<Record<string, string>> = {
  CLIENT_NO_BROKER_AVAILABLE:
    'Is a broker running there? `millrace start` starts one, `--bootstrap-server HOST:PORT` names another, `--timeout 30s` waits for it.',
  CLIENT_TIMED_OUT: '`--timeout 2m` waits longer.',
  KAFKA_UNKNOWN_TOPIC_OR_PARTITION: '`millrace topics list` shows the topics there are.',
  KAFKA_TOPIC_ALREADY_EXISTS:
    '`--if-not-exists` makes that no error; `millrace topics describe` shows the one there is.',
  KAFKA_GROUP_ID_NOT_FOUND: '`millrace groups list` shows the groups there are.',
  KAFKA_NON_EMPTY_GROUP: 'Stop the members first; `millrace groups describe` shows them.',
  KAFKA_UNKNOWN_MEMBER_ID: 'Stop the members first; `millrace groups describe` shows them.',
  KAFKA_GROUP_SUBSCRIBED_TO_TOPIC: 'Stop the members first; `millrace groups describe` shows them.',
  KAFKA_TOPIC_AUTHORIZATION_FAILED: RIGHTS_HINT,
  KAFKA_GROUP_AUTHORIZATION_FAILED: RIGHTS_HINT,
  KAFKA_CLUSTER_AUTHORIZATION_FAILED: RIGHTS_HINT,
  KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED: RIGHTS_HINT,
  KAFKA_INVALID_REGULAR_EXPRESSION:
    'A pattern is a regular expression in the words of RE2/J, which have no lookahead and no references back.',
  CONSOLE_LISTEN_FAILED: '`--port` takes another port, `--host` another address; port 0 takes a free one.',
  CONSOLE_LOGIN_REQUIRED_BEYOND_LOOPBACK: '`millrace console --users FILE` has those log in who come.',
  NETWORK_TLS_FAILED:
    '`--command-config FILE` takes client properties such as security.protocol and ssl.truststore.location.',
  KAFKA_SECURITY_DISABLED:
    'This cluster checks no rights: `millrace start --secure`, or the setting authorizer.class.name, has a broker check them.',
  KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED:
    'Tokens are for those who have logged in, and not by a token: `--command-config FILE` logs in, by SASL or a certificate.',
  KAFKA_DELEGATION_TOKEN_AUTH_DISABLED:
    'The setting delegation.token.secret.key has brokers make tokens; all need the same.',
  NETWORK_AUTHENTICATION_FAILED: '`--command-config FILE` takes client properties such as sasl.jaas.config.',
};

const SECURITY_HINT =
  '`--command-config FILE` takes client properties: security.protocol, ssl.truststore.location, sasl.mechanism, sasl.jaas.config.';
/** What a port says, or leaves unsaid, that wants TLS or a login. */
const WANTS_SECURITY = /Does this port want|certificate|self-signed/i;

const PLAIN_HINT =
  'The client properties ask for it (security.protocol). Give the port of a listener that is secured so, or the security.protocol of this one.';
/** What a port says, or leaves unsaid, that has less of TLS or a login than the client was told to use. */
const IS_PLAIN = /Does this port speak TLS|does not (?:speak TLS|use SASL)/;

/** What fails for one item for a reason that holds for every other. */
const SAME_FOR_ALL = ['KAFKA_CLUSTER_AUTHORIZATION_FAILED', 'KAFKA_SECURITY_DISABLED'];
const FAILURES_SHOWN_MAX = 20;

/** What is the mistake of who typed the command. */
const USAGE_CODES: readonly string[] = ['CLI_USAGE', 'CLIENT_INVALID_OPTION', 'CLIENT_INVALID_ARGUMENT'];

/** Puts an error into words for the one who typed the command. */
export function explainError(error: unknown): Explanation {
  if (isOfSystem(error)) return systemExplanation(error);
  if (!isKnown(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      code: 'CLI_UNEXPECTED',
      messages: [`Something went wrong that should not: ${message}`],
      hint: '`--debug` shows where; please report it.',
      exitCode: ExitCode.FAILED,
    };
  }
  return {
    code: error.code,
    messages: messagesOf(error),
    hint: error.hint ?? hintOf(error),
    exitCode: USAGE_CODES.includes(error.code) ? ExitCode.USAGE : ExitCode.FAILED,
  };
}

function hintOf(error: KnownError): string | undefined {
  const isOfConnection = /^(?:NETWORK_|CLIENT_NO_BROKER_AVAILABLE$|CLIENT_TIMED_OUT$)/.test(error.code);
  if (isOfConnection && IS_PLAIN.test(messageWithCause(error))) return PLAIN_HINT;
  if (isOfConnection && WANTS_SECURITY.test(messageWithCause(error))) return SECURITY_HINT;
  const [first] = error.failures?.values() ?? [];
  return HINTS[error.code] ?? (first === undefined ? undefined : HINTS[first.code]);
}

function messagesOf(error: KnownError): string[] {
  // What the command line says itself begins as it is to begin: with the name of a file, perhaps.
  if (error instanceof CliError) return [ended(error.message.trim())];
  if (error.code === 'CLIENT_NO_BROKER_AVAILABLE') return [sentence(withoutAdvice(error.message))];
  if (error.code === 'CLIENT_INVALID_ARGUMENT') return [sentence(withoutPlace(error.message))];
  if (error.failures === undefined) return [sentence(withoutOptions(messageWithCause(error)))];
  const failures = [...error.failures.values()];
  const [first] = failures;
  // A right that is missing for the cluster is missing for every item: one line says it.
  if (first !== undefined && failures.length > 1 && isSameForAll(failures)) {
    return [sentence(first.message), `And so for ${failures.length - 1} more.`];
  }
  const all = failures.map(({ message }) => sentence(message));
  const rest = all.length - FAILURES_SHOWN_MAX;
  return rest > 0 ? [...all.slice(0, FAILURES_SHOWN_MAX), `And ${rest} more like these.`] : all;
}

/** The SDK's advice is for programmers; the hint says it for the one at the keyboard. */
export function withoutAdvice(message: string): string {
  return message
    .replace(/^.*; the last of \d+ failures: /s, '')
    .replace(/^No broker can be reached\. (?=Cannot connect)/, '')
    .replaceAll(' Is the broker up, and is this the port of a listener?', '')
    .replace(/ \((?:E[A-Z_]+|connectTimeoutMs)\)/g, '');
}

/** What an SDK's call is given stands in places of the call; what was typed is the value. */
function withoutPlace(message: string): string {
  return message.replace(
    /^(Cannot [^:]+): [\w.]+(?:\[\d+\][\w.]*)? must be (.+), not ('.*'|[^:]+?)(?:: .+| \([^)]*\))?$/s,
    (_, attempt, expected, given) => `${attempt}: ${given} is given, and it must be ${expected}`,
  );
}

/** An option of the SDK is no option here. */
function withoutOptions(message: string): string {
  return message.replace(/\. Leave the option "sasl" out/, '');
}

/** A time-out says how long, its cause says why. */
function messageWithCause(error: KnownError): string {
  const { cause } = error;
  // What the command line throws itself says why already.
  if (
    error.code !== 'CLIENT_TIMED_OUT' ||
    error instanceof CliError ||
    !(cause instanceof Error) ||
    error.message.includes(cause.message)
  ) {
    return error.message;
  }
  return `${error.message}: ${cause.message}`;
}

function sentence(text: string): string {
  return ended(capitalized(text.trim()));
}

/** What the SDKs say, as it begins a sentence: a path, a setting or an option is spelled as it is spelled. */
export function capitalized(text: string): string {
  const isWord = /^[a-z]+[,;:]?(?:\s|$)/.test(text);
  return isWord ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

function ended(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}

function isSameForAll(failures: readonly KnownError[]): boolean {
  const [first] = failures;
  return SAME_FOR_ALL.includes(first?.code ?? '') && failures.every(({ code }) => code === first?.code);
}

/** What the system refuses about files and folders, by its codes. */
const SYSTEM_FAULTS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'it is on a file system that is mounted read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'this user has no room left on the disk',
  EISDIR: 'there is a folder in the place of a file',
  ENOTDIR: 'there is a file in the place of a folder',
  ENOENT: 'there is no such file or folder',
  EMFILE: 'this process has too many files open',
  EIO: 'the disk does not work',
};

const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  EROFS:
    'Copy the folder to where it can be written, and name the copy: a lock is taken in it, so that no broker uses it meanwhile.',
  EMFILE: '`ulimit -n 65536` allows more.',
};

function isOfSystem(
  error: unknown,
): error is NodeJS.ErrnoException & { readonly code: string; readonly syscall: string } {
  if (!(error instanceof Error)) return false;
  const { code, syscall }: NodeJS.ErrnoException = error;
  return typeof syscall === 'string' && Object.hasOwn(SYSTEM_FAULTS, code ?? '');
}

function systemExplanation({ code, syscall, path }: NodeJS.ErrnoException & { readonly code: string }): Explanation {
  const what = path === undefined ? `The system's call ${syscall} failed` : `Cannot ${syscall} ${path}`;
  return {
    code: `CLI_SYSTEM_${code}`,
    messages: [`${what}: ${SYSTEM_FAULTS[code]}.`],
    hint: SYSTEM_HINTS[code],
    exitCode: ExitCode.FAILED,
  };
}

function isKnown(error: unknown): error is KnownError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string' && 'retriable' in error;
}
