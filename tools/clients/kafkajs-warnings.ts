/**
 * kafkajs 2.2.4 sets a timer that is due before 1970 whenever a broker has not throttled it, of which Node warns. That one warning, from
 * kafkajs's own code, is kept from the output; a negative time of ours would still be shown.
 */
const emitWarning = process.emitWarning as (...given: unknown[]) => void;

process.emitWarning = ((...given: unknown[]): void => {
  const isKafkaJs = given[1] === 'TimeoutNegativeWarning' && /[\\/]kafkajs[\\/]src[\\/]/.test(new Error().stack ?? '');
  if (!isKafkaJs) emitWarning.apply(process, given);
}) as typeof process.emitWarning;
