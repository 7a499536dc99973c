import { isPromise } from '@millrace/client/internal';
import type { AsyncSerializer, RecordPart, Serializer } from '@millrace/serdes';
import { invalidRecord, serializerFailed } from './errors.ts';
import type { Content } from './pending-send.ts';
import { type ProducerRecord, recordBytes } from './record.ts';

/** What turns keys or values into bytes, at once or later. */
export type AnySerializer<T> = Serializer<T> | AsyncSerializer<T>;

/** Whether a serializer has said that it must be waited for. */
export function isAsync(serializer: AnySerializer<never> | undefined): boolean {
  return serializer !== undefined && 'async' in serializer && serializer.async === true;
}

/**
 * A key or value as it is written.
 * @throws ProducerError `PRODUCER_SERIALIZER_FAILED` where the serializer throws, `PRODUCER_INVALID_RECORD` where what it returns
 * cannot be written
 */
export function serialize<T>(
  serializer: AnySerializer<T> | undefined,
  content: T | null | undefined,
  topic: string,
  part: RecordPart,
): Content {
  if (content === null || content === undefined) return null;
  if (serializer === undefined) return recordBytes(content, topic, part, false);
  let made: unknown;
  try {
    made = serializer.serialize(content, topic, part);
  } catch (cause) {
    throw serializerFailed(topic, part, cause);
  }
  if (typeof made === 'string' || made instanceof Uint8Array) return made;
  if (!isPromise(made)) return recordBytes(made, topic, part, true);
  // Nobody waits for it, so nobody would handle that it fails.
  made.then(undefined, () => {});
  throw invalidRecord(
    topic,
    `${part}Serializer returned a promise: one that has to be waited for says so, with async: true beside serialize`,
  );
}

/** The same for both parts of a record, where one serializer or both have to be waited for. */
export async function serializeLater<K, V>(
  record: ProducerRecord<K, V>,
  serializers: { readonly key: AnySerializer<K> | undefined; readonly value: AnySerializer<V> | undefined },
): Promise<{ key: Content; value: Content }> {
  const { topic } = record;
  const [key, value] = await Promise.all([
    eventually(serializers.key, record.key, topic, 'key'),
    eventually(serializers.value, record.value, topic, 'value'),
  ]);
  return { key, value };
}

async function eventually<T>(
  serializer: AnySerializer<T> | undefined,
  content: T | null | undefined,
  topic: string,
  part: RecordPart,
): Promise<Content> {
  if (serializer === undefined || content === null || content === undefined || !isAsync(serializer)) {
    return serialize(serializer, content, topic, part);
  }
  let made: unknown;
  try {
    made = await serializer.serialize(content, topic, part);
  } catch (cause) {
    throw serializerFailed(topic, part, cause);
  }
  return recordBytes(made, topic, part, true);
}
