import type { Admin, ConfigEntry, ConfigResource } from '@millrace/admin';
import { nearestName } from '@millrace/ports';
import type { CommandContext } from '../context.ts';
import { type CliError, failure, usageError } from '../errors.ts';
import { capitalized } from '../explain-error.ts';
import { counted, printable } from '../output/format.ts';
import type { Paint } from '../output/paint.ts';
import { renderTable } from '../output/table.ts';
import type { Assignment } from '../parse/values.ts';
import { findTopics } from './find-topics.ts';

export interface DescribeConfigsOptions {
  readonly all?: boolean;
  readonly docs?: boolean;
  readonly name?: readonly string[];
}

export interface ChangeConfigsOptions {
  readonly dryRun?: boolean;
}

type Type = 'topic' | 'broker';

/** What Kafka's tools call the configs that all brokers share. */
const ALL_BROKERS = 'default';

export async function describeConfigs(
  context: CommandContext,
  type: Type,
  name: string,
  options: DescribeConfigsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const resource = await findResource(admin, type, name);
    const [described] = await admin.describeConfigs([resource], {
      names: options.name,
      documentation: options.docs ?? false,
    });
    const all = [...(described?.entries ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
    const missing = (options.name ?? []).find((each) => !all.some((entry) => entry.name === each));
    // Of all brokers together only what is set is listed, so what is missing there may well exist.
    if (missing !== undefined && resource.name !== '') throw await unknownConfig(admin, resource, missing);
    const isWhole = options.all === true || options.name !== undefined;
    const shown = isWhole ? all : all.filter(isSet);
    if (!isWhole && !context.out.json && shown.length < all.length) {
      const rest = counted(all.length - shown.length, 'config');
      context.out.note(`${rest} with the default are not shown; \`--all\` shows them.`);
    }
    const value = { type, name: resource.name, configs: context.out.json && options.name === undefined ? all : shown };
    await context.out.result(value, (paint) => {
      if (shown.length === 0) return `${subject(resource)}: nothing is set there`;
      return renderConfigs(shown, paint, options.docs === true);
    });
  });
}

function isSet({ source }: ConfigEntry): boolean {
  return source !== 'default' && source !== 'unknown';
}

const SOURCES: Readonly<Record<string, string>> = {
  topic: 'topic',
  'dynamic-broker': 'this broker, while running',
  'dynamic-default': 'all brokers, while running',
  'static-broker': "broker's settings",
  default: 'default',
};

function renderConfigs(entries: readonly ConfigEntry[], paint: Paint, docs: boolean): string {
  return renderTable(
    [{ header: 'NAME' }, { header: 'VALUE' }, { header: 'SET BY' }, ...(docs ? [{ header: 'MEANING' }] : [])],
    entries.map((entry) => [
      entry.name,
      shownValue(entry, paint),
      `${SOURCES[entry.source] ?? entry.source}${entry.readOnly ? paint.dim(' (read-only)') : ''}`,
      ...(docs ? [printable((entry.documentation ?? '').replace(/\s+/g, ' '))] : []),
    ]),
    paint,
  );
}

function shownValue({ value, sensitive, source }: ConfigEntry, paint: Paint): string {
  if (value === null) return paint.dim(sensitive ? '(hidden)' : '(not set)');
  if (value === '') return paint.dim('(empty)');
  const text = printable(value);
  return source === 'default' ? text : paint.bold(text);
}

export async function setConfigs(
  context: CommandContext,
  type: Type,
  name: string,
  assignments: readonly Assignment[],
  options: ChangeConfigsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const resource = await findResource(admin, type, name);
    if (type === 'broker') await lookAtNames(context, admin, resource, assignments);
    await changeConfigs(admin, { ...resource, set: Object.fromEntries(assignments) }, options);
    await context.out.done({ ...resource, set: Object.fromEntries(assignments), dryRun: options.dryRun ?? false }, () =>
      assignments
        .map(([config, value]) => `${told(options)}${subject(resource)}: ${config} is ${printable(value)}`)
        .join('\n'),
    );
  });
}

/**
 * Brokers take any name, since parts that are plugged in have configs of their own: a slip would be kept, and do nothing.
 * @throws CliError for a name that is nearly another's
 */
async function lookAtNames(
  { out }: CommandContext,
  admin: Admin,
  resource: ConfigResource,
  assignments: readonly Assignment[],
): Promise<void> {
  const entries = await configEntries(admin, resource);
  const known = entries.filter((entry) => !isOfNobody(entry)).map((entry) => entry.name);
  const unknown = assignments
    .map(([config]) => config)
    .filter((config) => !known.includes(config) && !config.startsWith('listener.name.'));
  if (known.length === 0) return;
  for (const config of unknown) {
    if (nearestName(config, known) !== undefined) throw await unknownConfig(admin, resource, config);
    out.warn(
      `${printable(config)} is no config of brokers; it is kept for what may be plugged in, and nothing of theirs is changed by it`,
    );
  }
}

export async function unsetConfigs(
  context: CommandContext,
  type: Type,
  name: string,
  names: readonly string[],
  options: ChangeConfigsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const resource = await findResource(admin, type, name);
    // Brokers take any name for one that is not set.
    const known = await configNames(admin, resource);
    const wrong = names.find((each) => !known.includes(each));
    if (wrong !== undefined && known.length > 0) throw await unknownConfig(admin, resource, wrong);
    await changeConfigs(admin, { ...resource, unset: names }, options);
    const [after] = await admin.describeConfigs([resource], { names });
    const now = new Map(after?.entries.map((entry) => [entry.name, entry]));
    await context.out.done({ ...resource, unset: names, dryRun: options.dryRun ?? false }, () =>
      names
        .map((each) => {
          const entry = options.dryRun === true ? undefined : now.get(each);
          const value =
            entry?.value == null
              ? ''
              : `; it is ${printable(entry.value)} now (${SOURCES[entry.source] ?? entry.source})`;
          return `${told(options)}${subject(resource)}: ${each} is not set any more${value}`;
        })
        .join('\n'),
    );
  });
}

function told({ dryRun }: ChangeConfigsOptions): string {
  return dryRun === true ? 'would do: ' : '';
}

async function changeConfigs(
  admin: Admin,
  change: Parameters<Admin['alterConfigs']>[0][number],
  options: ChangeConfigsOptions,
): Promise<void> {
  try {
    await admin.alterConfigs([change], { validateOnly: options.dryRun });
  } catch (error) {
    const { type, name, set = {}, unset = [] } = change;
    const known = await configNames(admin, { type, name });
    // A name that the resource does not have is the commonest mistake, and brokers only say that it is invalid.
    const wrong = [...Object.keys(set), ...unset].find((each) => !known.includes(each));
    if (known.length === 0 || wrong === undefined) throw withWayOut(error, [...Object.keys(set), ...unset]);
    throw await unknownConfig(admin, change, wrong, error);
  }
}

/** What brokers read at their start alone is often to be had in another unit while they run. */
function withWayOut(error: unknown, names: readonly string[]): unknown {
  if (!(error instanceof Error) || !error.message.includes('Cannot update these configs dynamically')) return error;
  const [inMs] = names.filter((name) => /^log\..*\.(hours|minutes)$/.test(name));
  const hint =
    inMs === undefined
      ? 'A broker reads that at its start: set it in its file of settings, or with `--override`, and start it again.'
      : `${inMs.replace(/[^.]+$/, 'ms')} means the same in milliseconds and can be changed while brokers run.`;
  return failure(capitalized(error.message), hint, error);
}

/** The names of the configs that a resource can have, and of those that were set all the same; none where they cannot be read. */
async function configNames(admin: Admin, resource: ConfigResource): Promise<string[]> {
  return (await configEntries(admin, resource)).map((entry) => entry.name);
}

async function configEntries(admin: Admin, { type, name }: ConfigResource): Promise<ConfigEntry[]> {
  const resources = type === 'broker' && name === '' ? await withAnyBroker(admin) : [{ type, name }];
  const described = await admin.describeConfigs(resources).catch(() => []);
  return described.flatMap(({ entries }) => entries);
}

/** What was set on brokers under a name that none of them has: it is described as what is set, and hidden, for it may be a secret. */
function isOfNobody({ source, sensitive, valueType }: ConfigEntry): boolean {
  return source.startsWith('dynamic-') && sensitive && valueType === 'unknown';
}

/** Of all brokers together only what is set is described; any one of them knows the rest. */
async function withAnyBroker(admin: Admin): Promise<ConfigResource[]> {
  const { brokers } = await admin.describeCluster();
  return ['', ...brokers.slice(0, 1).map(({ nodeId }) => String(nodeId))].map((name) => ({ type: 'broker', name }));
}

/** The error for a config that there is not, with the one that was meant. */
export async function unknownConfig(
  admin: Admin,
  resource: ConfigResource,
  wrong: string,
  cause?: unknown,
): Promise<CliError> {
  const meant = nearestName(wrong, await configNames(admin, resource));
  const { type, name } = resource;
  const hint =
    meant === undefined
      ? `\`millrace configs describe ${type} ${name || ALL_BROKERS} --all\` shows the ones there are.`
      : `Did you mean "${meant}"?`;
  return failure(`There is no ${type} config "${wrong}"`, hint, cause);
}

async function findResource(admin: Admin, type: Type, name: string): Promise<ConfigResource> {
  if (type === 'topic') {
    await findTopics(admin, [name]);
    return { type, name };
  }
  if (name === ALL_BROKERS) return { type, name: '' };
  const { brokers } = await admin.describeCluster();
  const ids = brokers.map(({ nodeId }) => String(nodeId));
  if (!ids.includes(name)) {
    throw usageError(
      `There is no broker "${name}": there ${ids.length === 1 ? 'is' : 'are'} ${ids.join(', ')}, and "${ALL_BROKERS}" stands for all`,
    );
  }
  return { type, name };
}

function subject({ type, name }: ConfigResource): string {
  if (type === 'broker' && name === '') return 'All brokers';
  return `${type === 'topic' ? 'Topic' : 'Broker'} ${name}`;
}
