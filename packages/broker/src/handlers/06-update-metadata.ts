/**
 * UpdateMetadata: the controller tells what this broker answers Metadata requests with.
 *
 * - v5 broker epochs, partitions grouped by topic; v7 topic ids; v8 KRaft controllers.
 */
import { UpdateMetadata } from '@millrace/protocol';
import { updateMetadataCommand } from '../commands/wire.ts';
import { COMMAND_DECODED_BYTES_MAX, defineHandler } from './handler.ts';

export const updateMetadata = defineHandler(
  UpdateMetadata,
  {
    minVersion: 5,
    maxVersion: 8,
    decodedBytesMax: COMMAND_DECODED_BYTES_MAX,
    askedFirst: { operation: 'ClusterAction', refused: (errorCode) => ({ errorCode }) },
  },
  async (request, context) => {
    const { broker } = context;
    const { errorCode } = await broker.commands.updateMetadata(updateMetadataCommand(request));
    return { errorCode };
  },
);
