import { ErrorCode } from '@millrace/protocol';
import { apiError } from '../shared/api-error.ts';

/** What requests for the controller are answered with elsewhere; clients ask Metadata for the controller and try there. */
export const NOT_CONTROLLER = apiError(
  ErrorCode.NOT_CONTROLLER,
  'This is not the correct controller for this cluster.',
);
