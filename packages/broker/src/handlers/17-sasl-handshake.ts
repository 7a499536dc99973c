/**
 * SaslHandshake: which mechanism a client wants to log in by. What belongs to a login is answered before handlers are asked
 * (`security/login/login-gate.ts`), so here it comes where there is none: on a listener without SASL, or after a login that holds.
 */
import { ErrorCode, SaslHandshake } from '@millrace/protocol';
import { defineHandler } from './handler.ts';

export const saslHandshake = defineHandler(SaslHandshake, { minVersion: 0, maxVersion: 1 }, () => ({
  errorCode: ErrorCode.ILLEGAL_SASL_STATE,
  mechanisms: [],
}));
