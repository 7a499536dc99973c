import { isMetadataError } from '@millrace/metadata';

/**
 * Carries a write out that may be carried out twice, again when its answer was lost with the connection (CONNECTION_LOSS). What it
 * meets on the second time may be its own doing, which `write` has to know.
 */
export async function untilAnswered<T>(write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!isMetadataError(error, 'CONNECTION_LOSS')) throw error;
    }
  }
}
