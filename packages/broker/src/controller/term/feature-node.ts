import { ignoreNoNode, isMetadataError } from '@millrace/metadata';
import { encodeFeature, isOtherFeatureNode, MalformedNodeError, paths } from '../../store/znodes.ts';
import type { TermTools } from './tools.ts';

/** Makes `/feature` where it is missing, and writes it anew where the brokers speak another version with one another than when it was written. */
export async function makeFeatureNode(tools: TermTools): Promise<void> {
  const { store, featureNodeVersion: version = 2 } = tools.options;
  const data = encodeFeature(version);
  const node = await store.get(paths.feature).catch(ignoreNoNode);
  if (node === undefined) {
    await store.create(paths.feature, data).catch(ignoreNodeExists);
  } else if (isOther(node.data, version, tools)) {
    const expected = { exactly: node.stat.version };
    await tools.states.writeAll([[{ type: 'set', path: paths.feature, data, expected }]]);
  }
}

/** What nobody can read is left to who has written it. */
function isOther(data: Buffer, version: 1 | 2, { logger }: TermTools): boolean {
  try {
    return isOtherFeatureNode(data, version);
  } catch (err) {
    if (!(err instanceof MalformedNodeError)) throw err;
    logger.warn({ err }, 'The node of features cannot be read, and is left as it is');
    return false;
  }
}

function ignoreNodeExists(error: unknown): void {
  if (!isMetadataError(error, 'NODE_EXISTS')) throw error;
}
