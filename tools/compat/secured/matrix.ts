/**
 * Every client at every secured listener, by every mechanism: with what is right, with a wrong password, a wrong host name, an authority that
 * it does not trust, a certificate that the broker does not trust, and without the right.
 */
import {
  type Attempt,
  type Login,
  MECHANISMS,
  type Mechanism,
  type Outcome,
  type Protocol,
  type SecuredClient,
} from './attempt.ts';
import { nodeClients } from './node-clients.ts';
import { programs } from './programs.ts';
import {
  GROUP_PREFIX,
  LISTENERS,
  type ListenerName,
  PASSWORDS,
  type SecuredTarget,
  startSecuredTarget,
  TOPICS,
} from './secured-target.ts';

export const CASES = ['right', 'wrong secret', 'no right', 'wrong host', 'unknown authority', 'forged'] as const;
export type CaseName = (typeof CASES)[number];

/** A listener with a mechanism, or with a certificate that a client shows in its place. */
export interface Row {
  readonly name: string;
  readonly listener: ListenerName;
  readonly mechanism?: Mechanism;
}

export const ROWS: readonly Row[] = [
  { name: 'SSL', listener: 'SSL' },
  { name: 'SSL, mutual', listener: 'MTLS' },
  ...(['SASL_PLAINTEXT', 'SASL_SSL'] as const).flatMap((listener) =>
    MECHANISMS.map((mechanism): Row => ({ name: `${listener} ${mechanism}`, listener, mechanism })),
  ),
];

/** What a client that is right about everything else must come to. Undefined: there is no such case. */
export function expectedOf({ listener, mechanism }: Row, name: CaseName): readonly Outcome[] | undefined {
  const isTls = listener !== 'SASL_PLAINTEXT';
  switch (name) {
    case 'right':
      return ['read'];
    case 'no right':
      return ['authorization'];
    case 'wrong secret':
      // Without a certificate, TLS 1.3 has the client finish first: some see a connection that ends and no alert.
      if (listener === 'MTLS') return ['tls', 'disconnected'];
      return mechanism === undefined ? undefined : ['authentication'];
    case 'forged':
      if (listener === 'MTLS') return ['tls', 'disconnected'];
      return mechanism === 'OAUTHBEARER' ? ['authentication'] : undefined;
    case 'wrong host':
      return isTls && listener !== 'MTLS' ? ['tls'] : undefined;
    case 'unknown authority':
      return isTls ? ['tls'] : undefined;
  }
}

/** The attempt of a case. */
function attemptOf(target: SecuredTarget, client: string, row: Row, name: CaseName): Attempt {
  const { certificates, provider } = target;
  const protocol: Protocol = LISTENERS[row.listener];
  const elsewhere = row.listener === 'SSL' ? 'ELSEWHERE' : 'ELSEWHERE_SASL';
  const user = name === 'forged' ? 'forger' : 'alice';
  const isWrong = name === 'wrong secret';
  const login: Login | undefined =
    row.mechanism === undefined
      ? undefined
      : {
          mechanism: row.mechanism,
          user,
          password: isWrong ? 'not-the-password' : PASSWORDS.alice,
          tokenUrl: provider.tokenUrl,
          // Who takes tokens from its program gets one that nobody has signed well.
          token: provider.token(isWrong ? 'forger' : user),
        };
  const shown =
    row.listener !== 'MTLS' || isWrong ? undefined : name === 'forged' ? certificates.forged : certificates.alice;
  const authority = name === 'unknown authority' ? certificates.otherAuthority : certificates.authority;
  const id = `${row.name}, ${name}`;
  return {
    id,
    protocol,
    bootstrap: target.bootstrap(name === 'wrong host' ? elsewhere : row.listener),
    ...(login === undefined ? {} : { login }),
    ...(protocol === 'SASL_PLAINTEXT' ? {} : { tls: { authority, ...(shown === undefined ? {} : { shown }) } }),
    topic: name === 'no right' ? TOPICS.forbidden : TOPICS.allowed,
    group: `${GROUP_PREFIX}${client}-${row.name.replaceAll(/\W+/g, '-')}`,
    value: `${client}: ${id}`,
  };
}

/** Runs a client's part, prints it as a table, and returns how many cells are not as they must be. */
async function runClient(target: SecuredTarget, client: SecuredClient): Promise<number> {
  const cells = ROWS.flatMap((row) => CASES.map((name) => ({ row, name, expected: expectedOf(row, name) }))).filter(
    ({ row, expected }) =>
      expected !== undefined && (row.mechanism === undefined || client.mechanisms.includes(row.mechanism)),
  );
  const beganMs = performance.now();
  const results = await client.run(cells.map(({ row, name }) => attemptOf(target, client.name, row, name)));
  const seen = new Map(results.map((result) => [result.id, result]));
  const faults: string[] = [];
  console.log(`\n${client.name}, ${((performance.now() - beganMs) / 1000).toFixed(0)} s\n`);
  console.log(`| | ${CASES.join(' | ')} |\n|---|${'---|'.repeat(CASES.length)}`);
  for (const row of ROWS) {
    const line = CASES.map((name) => {
      const cell = cells.find((each) => each.row === row && each.name === name);
      if (cell === undefined) return '';
      const id = `${row.name}, ${name}`;
      const { outcome, text } = seen.get(id) ?? { outcome: 'other', text: 'no result' };
      if (cell.expected?.includes(outcome) === true) return outcome;
      faults.push(`${id}: ${cell.expected?.join(' or ')} expected, came to ${outcome}: ${text.trim().slice(0, 600)}`);
      return `**${outcome}**`;
    });
    console.log(`| ${row.name} | ${line.join(' | ')} |`);
  }
  for (const fault of faults) console.log(`  FAILED ${fault}`);
  console.log(`  ${cells.length - faults.length} of ${cells.length} as they must be`);
  return faults.length;
}

/** @param only - Parts of clients' names; none means all. Returns how many cells are not as they must be. */
export async function runMatrix(wanted: string | undefined, only: readonly string[]): Promise<number> {
  const clients = [...nodeClients, ...programs].filter(
    ({ name }) => only.length === 0 || only.some((part) => name.includes(part)),
  );
  const target = await startSecuredTarget(wanted);
  try {
    console.log(`target: ${target.name}`);
    let failed = 0;
    for (const client of clients) failed += await runClient(target, client);
    return failed;
  } finally {
    await target.stop();
  }
}
