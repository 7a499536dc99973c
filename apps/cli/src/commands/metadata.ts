import { readFile, writeFile } from 'node:fs/promises';
import { LiveMetadata, type LiveTree, MetadataFiles, type Restoration } from '@millrace/broker-app';
import type { ExportedNode, StoredNode } from '@millrace/metadata';
import type { CommandContext } from '../context.ts';
import { CliError, ExitCode, failure, usageError } from '../errors.ts';
import { counted, formatBytes, printable } from '../output/format.ts';
import type { Assignment } from '../parse/values.ts';
import { refuseSaidTwice } from './line-settings.ts';

/** Where the store is: the settings that the broker is started with. */
export interface MetadataOptions {
  readonly config?: string;
  readonly override?: readonly Assignment[];
  readonly data?: string;
}

/** Options of `millrace metadata restore`. */
export interface RestoreOptions extends MetadataOptions {
  readonly from?: string;
  readonly execute?: boolean;
}

/** Lists the names below a node. */
export async function listNodes(context: CommandContext, path: string, options: MetadataOptions): Promise<void> {
  const tree = await readTree(context, options, path);
  const names = tree.children(path);
  if (names === undefined) throw noNode(path, tree);
  await context.out.result(names, () => names.map(printable).join('\n'));
}

/** Prints what a node holds. */
export async function getNode(context: CommandContext, path: string, options: MetadataOptions): Promise<void> {
  const tree = await readTree(context, options, path);
  const node = tree.node(path);
  if (node === undefined) throw noNode(path, tree);
  await context.out.result(shownNode(node), () => textOf(node.data));
  const { version, czxid, mzxid, createdMs, modifiedMs, childCount, dataBytes } = node.stat;
  context.out.note(
    `version ${version}, ${formatBytes(dataBytes)}, ${counted(childCount, 'child', 'children')}, ` +
      `created ${new Date(createdMs).toISOString()} (transaction ${czxid}), changed ${new Date(modifiedMs).toISOString()} (${mzxid})`,
  );
}

/** Prints a node and all below it. */
export async function dumpNodes(context: CommandContext, path: string, options: MetadataOptions): Promise<void> {
  const tree = await readTree(context, options, path, true);
  if (tree.node(path) === undefined) throw noNode(path, tree);
  if (context.out.json) {
    await context.out.result([...tree.walk(path)].map(shownNode), () => '');
    return;
  }
  for (const node of tree.walk(path)) {
    const content = node.data.length === 0 ? '' : `  ${textOf(node.data)}`;
    await context.out.write(`${printable(node.path)}${content}\n`);
  }
}

/** Says whether the store is whole. */
export async function checkStore(context: CommandContext, options: MetadataOptions): Promise<void> {
  const files = await filesOf(context, options);
  const isInUse = await files.isInUse();
  const tree = await files.read();
  const olderFaults = await files.olderFaults();
  const warnings = [...tree.warnings, ...olderFaults];
  const report = {
    folder: files.folder,
    isWhole: tree.fault === undefined,
    isInUse,
    fault: tree.fault,
    warnings,
    zxid: tree.zxid,
    nodes: tree.nodeCount,
    topics: tree.children('/brokers/topics')?.length ?? 0,
    files: tree.files,
  };
  await context.out.result(report, () =>
    [
      ...tree.files.map(({ name, sizeBytes }) => `${name}  ${formatBytes(sizeBytes)}`),
      ...warnings,
      ...(warnings.length > 0 && tree.fault === undefined ? ['Nothing is lost by that.'] : []),
      ...(isInUse ? ['A broker has this store open: this is the state of a moment.'] : []),
      tree.fault === undefined
        ? `The store in ${files.folder} is whole: ${counted(tree.nodeCount, 'node')}, ${counted(report.topics, 'topic')}, transaction ${tree.zxid}`
        : `The store in ${files.folder} is damaged. ${tree.fault} Whole are ${counted(tree.nodeCount, 'node')} with ${counted(report.topics, 'topic')}, as of transaction ${tree.zxid}`,
    ].join('\n'),
  );
  if (tree.fault === undefined) return;
  context.exitCode = ExitCode.FAILED;
  context.out.note('`millrace metadata restore` shows how it would be brought back');
}

/** Writes all nodes as JSON lines. */
export async function exportStore(
  context: CommandContext,
  file: string | undefined,
  options: MetadataOptions,
): Promise<void> {
  const tree = await readTree(context, options, '/', true);
  const lines = [...tree.walk('/')].map((node) => `${JSON.stringify(exportedLine(node))}\n`);
  if (file === undefined) {
    for (const line of lines) await context.out.write(line);
    return;
  }
  try {
    await writeFile(file, lines.join(''));
  } catch (cause) {
    throw failure(`Cannot write ${file}: ${(cause as Error).message}`, undefined, cause);
  }
  context.out.note(`${counted(lines.length, 'node')} written to ${file}`);
}

/** Brings a damaged store back. */
export async function restoreStore(context: CommandContext, options: RestoreOptions): Promise<void> {
  const files = await filesOf(context, options);
  const from = options.from === undefined ? undefined : await readExport(options.from);
  const isDone = options.execute === true;
  const restoration = await files.restore({ dryRun: !isDone, ...(from === undefined ? {} : { from }) });
  await context.out.result({ executed: isDone, folder: files.folder, ...restoration }, () =>
    restorationText(restoration, isDone, files.folder),
  );
  if (!isDone) context.out.note('Nothing has been changed. `--execute` does it.');
}

function restorationText(restoration: Restoration, isDone: boolean, folder: string): string {
  const { topics, raised, nodeCount, logs, formerFiles, zxid } = restoration;
  const lines = topics.map(({ name, partitions, missing }) => {
    const gone = missing.length === 0 ? '' : `; without a log, so empty: ${missing.join(', ')}`;
    return `${printable(name)}: ${isDone ? 'taken' : 'would be taken'} from its logs, ${counted(partitions, 'partition')}${gone}`;
  });
  if (topics.length > 0) lines.push('Configs of these topics are lost; `millrace configs set` sets them again');
  if (raised > 0) {
    lines.push(`${counted(raised, 'leader epoch')} ${isDone ? 'raised' : 'would be raised'} to what the logs know`);
  }
  if (formerFiles !== undefined) lines.push(`The former files are in ${formerFiles}`);
  const verb = isDone ? 'is' : 'would be';
  lines.push(
    `The store in ${folder} ${verb} written anew: ${counted(nodeCount, 'node')}, ${counted(logs, 'log')} found, transaction ${zxid}`,
  );
  return lines.join('\n');
}

function settingsOf({ io }: CommandContext, { config, override, data }: MetadataOptions) {
  refuseSaidTwice({ '--data': data }, override);
  const overrides: Record<string, string> = {};
  if (data !== undefined) overrides['log.dirs'] = data;
  for (const [name, value] of override ?? []) overrides[name] = value;
  return { configFile: config, overrides, env: { ...io.env } };
}

async function filesOf(context: CommandContext, options: MetadataOptions): Promise<MetadataFiles> {
  const files = await MetadataFiles.find(settingsOf(context, options));
  if (files.zookeeperConnect === null) return files;
  throw usageError(
    `With zookeeper.connect=${printable(files.zookeeperConnect)} the metadata is kept by ZooKeeper, and there are no files of it to look into here`,
    '`millrace metadata ls`, `get`, `dump` and `export` show what ZooKeeper holds; to look into the files of a data folder, leave the setting out.',
  );
}

/** What is at a path, and below it if asked for: of a cluster that runs where the settings lead to one, else of a store's files. */
async function readTree(
  context: CommandContext,
  options: MetadataOptions,
  path: string,
  withAll = false,
): Promise<LiveTree> {
  const live = await LiveMetadata.open(settingsOf(context, options));
  if (live !== undefined) return live.read(path, withAll).finally(() => live.close());
  const files = await filesOf(context, options);
  if (await files.isInUse()) {
    context.out.note(
      `A broker has ${files.folder} open: this is what its files hold at this moment, without what is alive only in it`,
    );
  }
  const tree = await files.read();
  if (tree.fault !== undefined) {
    context.out.warn(`The store is damaged, and this is what is whole of it. ${tree.fault}`);
  }
  return tree;
}

function noNode(path: string, tree: LiveTree): CliError {
  const parts = path.split('/');
  while (parts.length > 1 && tree.node(parts.join('/')) === undefined) parts.pop();
  const nearest = parts.length <= 1 ? '/' : parts.join('/');
  const hint = path.startsWith('/')
    ? `\`millrace metadata ls ${nearest}\` lists what is there`
    : 'Paths begin with "/"';
  return failure(`There is no node ${printable(path)}`, hint);
}

/** Text as it is, other bytes in hexadecimal. */
function textOf(data: Buffer): string {
  const text = data.toString();
  return Buffer.from(text).equals(data) ? printable(text) : `0x${data.toString('hex')}`;
}

function shownNode({ path, data, stat }: StoredNode): object {
  return { ...exportedLine({ path, data, stat }), stat };
}

function exportedLine({ path, data, stat }: StoredNode): {
  path: string;
  version: number;
  data?: string;
  base64?: string;
} {
  const text = data.toString();
  const isText = Buffer.from(text).equals(data);
  return { path, version: stat.version, ...(isText ? { data: text } : { base64: data.toString('base64') }) };
}

async function readExport(file: string): Promise<ExportedNode[]> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  return content
    .split('\n')
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, number }) => exportedNode(line, `${file}, line ${number}`));
}

function exportedNode(line: string, where: string): ExportedNode {
  const refuse = (cause?: unknown): never => {
    throw new CliError('CLI_INPUT_INVALID', `${where} is no line of an export`, { cause });
  };
  let parsed: Partial<Record<'path' | 'version' | 'data' | 'base64', unknown>>;
  try {
    parsed = JSON.parse(line) as typeof parsed;
  } catch (cause) {
    return refuse(cause);
  }
  const { path, version, data, base64 } = parsed;
  if (typeof path !== 'string' || typeof version !== 'number' || !Number.isSafeInteger(version)) return refuse();
  if (typeof data === 'string') return { path, version, data: Buffer.from(data) };
  return typeof base64 === 'string' ? { path, version, data: Buffer.from(base64, 'base64') } : refuse();
}
