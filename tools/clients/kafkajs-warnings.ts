/**
 * Two warnings of Node that kafkajs 2.2.4's own code brings about are kept from the output; the same ones of other code are still shown.
 * It sets a timer that is due before 1970 whenever a broker has not throttled it. And it ends a connection that is lost already once for
 * each request that fails by it, `socket.unref()` included, which on a socket without a handle waits for a `connect` that never comes: 11
 * listeners after 11 such requests, all gone with the socket.
 */
const emitWarning = process.emitWarning as (...given: unknown[]) => void;
const NAMES = ['TimeoutNegativeWarning', 'MaxListenersExceededWarning'];

process.emitWarning = ((...given: unknown[]): void => {
  const [warning, type] = given;
  const isError = warning instanceof Error;
  const name = isError ? warning.name : String(type);
  const stack = (isError ? warning : new Error()).stack ?? '';
  if (!NAMES.includes(name) || !/[\\/]kafkajs[\\/]src[\\/]/.test(stack)) emitWarning.apply(process, given);
}) as typeof process.emitWarning;
