import type { QuotaEntity, QuotaEntityType } from '@millrace/admin';
import { nearestName } from '@millrace/ports';
import type { CommandContext } from '../context.ts';
import { usageError } from '../errors.ts';
import { printable } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import { bytes } from '../parse/values.ts';

/** For whom quotas are. */
export interface QuotaOptions {
  readonly user?: string;
  readonly userDefault?: true;
  readonly clientId?: string;
  readonly clientDefault?: true;
  readonly ip?: string;
  readonly ipDefault?: true;
}

const PARTS: readonly (readonly [QuotaEntityType, keyof QuotaOptions, keyof QuotaOptions])[] = [
  ['user', 'user', 'userDefault'],
  ['client-id', 'clientId', 'clientDefault'],
  ['ip', 'ip', 'ipDefault'],
];
const WORDS = { user: 'user', 'client-id': 'client id', ip: 'address' } as const;
const RATES = ['producer_byte_rate', 'consumer_byte_rate', 'request_percentage', 'controller_mutation_rate'];
const RATES_OF_ADDRESSES = ['connection_creation_rate'];
const IN_BYTES = ['producer_byte_rate', 'consumer_byte_rate'];

export async function listQuotas(context: CommandContext, options: QuotaOptions): Promise<void> {
  const filter = partsOf(options);
  await context.withAdmin(async (admin) => {
    const found = await admin.describeClientQuotas(filter);
    const rows = found.flatMap(({ entity, values }) =>
      Object.entries(values).map(([name, value]) => ({ entity: inWords(entity), name, value: String(value) })),
    );
    rows.sort((a, b) => (`${a.entity} ${a.name}` < `${b.entity} ${b.name}` ? -1 : 1));
    await context.out.result(found, (paint) => {
      if (rows.length === 0) return 'There are no such quotas.';
      return renderTable(
        [{ header: 'WHO' }, { header: 'QUOTA' }, { header: 'VALUE', align: 'right' }],
        rows.map(({ entity, name, value }) => [entity, name, value]),
        paint,
      );
    });
  });
}

export async function setQuotas(
  context: CommandContext,
  assignments: readonly string[],
  options: QuotaOptions,
): Promise<void> {
  const entity = somebody(options);
  const set = Object.fromEntries(assignments.map((text) => assignmentOf(text, entity)));
  await context.withAdmin(async (admin) => {
    await admin.alterClientQuotas([{ entity, set }]);
    await context.out.done({ entity, set }, () =>
      Object.entries(set)
        .map(([name, value]) => `${name} of ${inWords(entity)} is ${value}`)
        .join('\n'),
    );
  });
}

export async function unsetQuotas(
  context: CommandContext,
  names: readonly string[],
  options: QuotaOptions,
): Promise<void> {
  const entity = somebody(options);
  await context.withAdmin(async (admin) => {
    const [found] = await admin.describeClientQuotas(entity, { strict: true });
    const there = Object.keys(found?.values ?? {});
    const unset = names.length === 0 ? there : names;
    for (const name of unset) if (!there.includes(name)) checkName(name, entity);
    if (unset.length > 0) await admin.alterClientQuotas([{ entity, unset }]);
    const gone = unset.filter((name) => there.includes(name));
    await context.out.done({ entity, unset: gone }, () =>
      gone.length === 0
        ? `There is no such quota of ${inWords(entity)}; nothing was removed`
        : gone.map((name) => `${name} of ${inWords(entity)} is gone`).join('\n'),
    );
  });
}

function partsOf(options: QuotaOptions): QuotaEntity[] {
  const parts: QuotaEntity[] = [];
  for (const [type, named, byDefault] of PARTS) {
    const name = options[named] as string | undefined;
    if (name !== undefined && options[byDefault] === true) {
      throw usageError(
        `Both one ${WORDS[type]} and every other is named`,
        'Quotas are set and shown for the one or for the others.',
      );
    }
    if (name !== undefined) parts.push({ type, name });
    else if (options[byDefault] === true) parts.push({ type, name: null });
  }
  return parts;
}

function somebody(options: QuotaOptions): QuotaEntity[] {
  const entity = partsOf(options);
  if (entity.length > 0) return entity;
  throw usageError('Nobody is named', 'Give --user, --client-id, both, or --ip; or one of them with -default.');
}

/** Brokers refuse a name that there is not, too, and do not say which ones there are. */
function checkName(name: string, entity: readonly QuotaEntity[]): void {
  const isOfAddress = entity.some(({ type }) => type === 'ip');
  const known = isOfAddress ? RATES_OF_ADDRESSES : RATES;
  if (known.includes(name)) return;
  const whose = isOfAddress ? 'addresses' : 'users and client ids';
  const meant = nearestName(name, known);
  const question = meant === undefined ? '' : `Did you mean ${meant}? `;
  throw usageError(`There is no quota ${printable(name)} of ${whose}`, `${question}There is ${known.join(', ')}.`);
}

function assignmentOf(text: string, entity: readonly QuotaEntity[]): [string, number] {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(at, 0)).trim();
  const wanted = text.slice(at + 1).trim();
  if (name === '') {
    throw usageError(`"${printable(text)}" is no quota`, 'It is given as name=value, e.g. producer_byte_rate=1MB.');
  }
  checkName(name, entity);
  const value = IN_BYTES.includes(name) && wanted !== '0' ? rateOf(name, wanted) : Number(wanted);
  if (wanted !== '' && Number.isFinite(value)) return [name, value];
  throw usageError(`"${wanted}" is no value of ${name}`, 'It is a number.');
}

function rateOf(name: string, text: string): number {
  try {
    return bytes(text);
  } catch {
    throw usageError(`"${text}" is no value of ${name}`, 'It is given in bytes a second, as 1048576, 10MB or 10MiB.');
  }
}

function inWords(entity: readonly QuotaEntity[]): string {
  return entity
    .map(({ type, name }) => (name === null ? `every other ${WORDS[type]}` : `${WORDS[type]} ${printable(name)}`))
    .join(', ');
}
