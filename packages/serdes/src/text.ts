import { malformedBytes, unsupportedValue } from './errors.ts';
import type { Serde } from './serde.ts';

/** UTF-8 text. Malformed bytes are read as the replacement character, as Kafka's StringDeserializer does. */
export const stringSerde: Serde<string> = {
  serialize: (value) => value,
  deserialize: (bytes) => bytes.toString('utf8'),
};

/**
 * JSON text. The type argument is a promise of the caller's about what the topic holds: nothing checks it at run time.
 *
 * @example `const orders = jsonSerde<{ id: number; total: number }>();`
 */
export function jsonSerde<T = unknown>(): Serde<T> {
  return {
    serialize(value, topic, part) {
      let text: string | undefined;
      try {
        text = JSON.stringify(value);
      } catch (cause) {
        throw unsupportedValue('JSON', topic, part, cause instanceof Error ? cause.message : String(cause), cause);
      }
      // Functions, symbols and undefined have no JSON text; JSON.stringify answers undefined for them.
      if (text === undefined) throw unsupportedValue('JSON', topic, part, `${typeof value} has no JSON form`);
      return text;
    },
    deserialize(bytes, topic, part) {
      try {
        return JSON.parse(bytes.toString('utf8')) as T;
      } catch (cause) {
        throw malformedBytes('JSON', topic, part, cause instanceof Error ? cause.message : String(cause), cause);
      }
    },
  };
}
