import type { DelegationToken } from '@millrace/admin';
import type { CommandContext } from '../context.ts';
import { usageError } from '../errors.ts';
import { printable } from '../output/format.ts';
import { renderTable } from '../output/table.ts';

export interface CreateTokenOptions {
  readonly owner?: string;
  readonly renewer?: readonly string[];
  readonly maxLifetime?: number;
}

export interface ListTokensOptions {
  readonly owner?: readonly string[];
}

export interface TokenPeriodOptions {
  readonly hmacEnv?: string;
  readonly hmac?: string;
  readonly period?: number;
}

export async function createToken(context: CommandContext, options: CreateTokenOptions): Promise<void> {
  const { owner, renewer, maxLifetime: maxLifetimeMs } = options;
  await context.withAdmin(async (admin) => {
    const token = await admin.createDelegationToken({
      owner: owner === undefined ? undefined : principalOf(owner),
      renewers: renewer?.map(principalOf),
      maxLifetimeMs,
    });
    await context.out.result(plain(token), () =>
      [
        `A token for ${printable(token.owner)}. Whoever has it is ${printable(token.owner)} until it ends.`,
        `  id       ${token.tokenId}`,
        `  HMAC     ${token.hmac}`,
        `  expires  ${token.expiresAt.toISOString()}, unless it is renewed`,
        `  ends     ${token.endsAt.toISOString()}`,
        'Log in by SCRAM-SHA-256 or -512 with the id as user, the HMAC as password, and tokenauth=true.',
      ].join('\n'),
    );
  });
}

/** The secrets are told with --json alone: a list on a screen is seen by others. */
export async function listTokens(context: CommandContext, { owner }: ListTokensOptions): Promise<void> {
  await context.withAdmin(async (admin) => {
    const tokens = await admin.describeDelegationTokens(owner === undefined ? 'all' : owner.map(principalOf));
    tokens.sort((a, b) => a.expiresAt.getTime() - b.expiresAt.getTime());
    await context.out.result(tokens.map(plain), (paint) => {
      if (tokens.length === 0) return 'There are no such tokens.';
      return renderTable(
        [
          { header: 'ID' },
          { header: 'OWNER' },
          { header: 'ASKED BY' },
          { header: 'RENEWERS' },
          { header: 'EXPIRES' },
          { header: 'ENDS' },
        ],
        tokens.map(({ tokenId, owner: whose, requester, renewers, expiresAt, endsAt }) => [
          tokenId,
          printable(whose),
          printable(requester),
          printable(renewers.join(', ')),
          expiresAt.toISOString(),
          endsAt.toISOString(),
        ]),
        paint,
      );
    });
  });
}

export async function renewToken(context: CommandContext, options: TokenPeriodOptions): Promise<void> {
  const hmac = hmacOf(options);
  await context.withAdmin(async (admin) => {
    const expiresAt = await admin.renewDelegationToken(hmac, options.period);
    await context.out.done(
      { expiresAt: expiresAt.toISOString() },
      () => `The token expires ${expiresAt.toISOString()}`,
    );
  });
}

export async function expireToken(context: CommandContext, options: TokenPeriodOptions): Promise<void> {
  const hmac = hmacOf(options);
  await context.withAdmin(async (admin) => {
    const expiresAt = await admin.expireDelegationToken(hmac, options.period);
    await context.out.done({ expiresAt: expiresAt.toISOString() }, () =>
      options.period === undefined
        ? 'The token has ended; who is logged in with it stays until he has to log in again'
        : `The token expires ${expiresAt.toISOString()}`,
    );
  });
}

/** From the environment where a name is given: what stands on the command line, everybody on the machine can see. */
function hmacOf({ hmac, hmacEnv }: TokenPeriodOptions): string {
  const found = hmacEnv === undefined ? hmac : process.env[hmacEnv];
  if (found !== undefined && found !== '') return found;
  const where = hmacEnv === undefined ? 'Nothing says the token’s HMAC' : `The variable ${hmacEnv} is not set`;
  throw usageError(
    where,
    'Give it in a variable, --hmac-env NAME, or with --hmac, which others on this machine can see.',
  );
}

function principalOf(name: string): string {
  return name.includes(':') ? name : `User:${name}`;
}

function plain({ issuedAt, expiresAt, endsAt, ...token }: DelegationToken) {
  return {
    ...token,
    issuedAt: issuedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    endsAt: endsAt.toISOString(),
  };
}
