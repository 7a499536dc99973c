/**
 * SaslAuthenticate: the tokens of a login. What belongs to a login is answered before handlers are asked
 * (`security/login/login-gate.ts`), so here it comes where there is none, and is answered in Kafka's words.
 */
import { ErrorCode, SaslAuthenticate } from '@millrace/protocol';
import { defineHandler } from './handler.ts';

export const saslAuthenticate = defineHandler(SaslAuthenticate, { minVersion: 0, maxVersion: 2 }, () => ({
  errorCode: ErrorCode.ILLEGAL_SASL_STATE,
  errorMessage: 'SaslAuthenticate request received after successful authentication',
  authBytes: Buffer.alloc(0),
}));
