/**
 * What producer, consumer and admin share beside the client itself; not for users.
 * @packageDocumentation
 */
export {
  aBoolean,
  aFunction,
  aList,
  anAbortSignal,
  anyText,
  anything,
  type FieldRules,
  faultOf,
  holdsByName,
  INT32_MAX,
  isPromise,
  milliseconds,
  millisecondsOrInfinity,
  objectWith,
  oneOf,
  orInfinity,
  orNull,
  required,
  type Shape,
  shown,
  someText,
  takeNoMore,
  type ValueRule,
  valueFault,
  wholeNumber,
} from '@millrace/ports';
export { anyName, closeShape, offsetRule, placeFields, someName, topicNameRule } from './checks.ts';
export { clientOptionFields, clientOptionsOf, foreignClientOptions } from './options.ts';
export { byTopic, partitionName } from './partitions.ts';
export { pauseMsMax } from './retry.ts';
export { TimedPauses } from './timed-pauses.ts';
export { abortable, atMost, sleep } from './waiting.ts';
