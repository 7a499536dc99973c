/**
 * Where the broker's core writes its log lines: a port, which a pino logger fits as it is. A level
 * that is switched off costs a call and the building of its fields, so nothing on a hot path logs per request.
 */
export { type Logger, silentLogger } from '@millrace/ports';
