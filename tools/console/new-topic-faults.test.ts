import { expect, it } from 'vitest';
import { ApiError } from '../../apps/console/page/src/lib/api-error.ts';
import { fieldOfRefusal } from '../../apps/console/page/src/lib/new-topic-faults.ts';

const refused = (code: string, message = ''): ApiError => new ApiError({ code, message }, 400);
const CONFIGS = ['', 'retention.ms', 'delete.retention.ms', 'segment.bytes'];

it.each([
  ['KAFKA_TOPIC_ALREADY_EXISTS', '', 'topic'],
  ['KAFKA_INVALID_TOPIC_EXCEPTION', '', 'topic'],
  ['KAFKA_INVALID_PARTITIONS', '', 'partitions'],
  ['KAFKA_INVALID_REPLICATION_FACTOR', '', 'replication'],
  ['KAFKA_INVALID_CONFIG', 'Invalid value x for configuration retention.ms: Not a number', 'config retention.ms'],
  ['KAFKA_INVALID_CONFIG', 'Invalid value x for configuration delete.retention.ms: ...', 'config delete.retention.ms'],
  ['KAFKA_INVALID_CONFIG', 'Unknown topic config name: elsewhere', undefined],
  ['KAFKA_POLICY_VIOLATION', 'retention.ms is to be a day', undefined],
  ['toString', '', undefined],
])('a refusal by %s is about a field of the form, or about none: %s', (code, message, field) => {
  expect(fieldOfRefusal(refused(code, message), CONFIGS)).toBe(field);
});

it('a refusal of the console itself says of which field it is, and one that is none of the form is of none', () => {
  const badField = (field: string): ApiError =>
    new ApiError({ code: 'CONSOLE_BAD_REQUEST', message: '', said: { word: 'badField', values: { field } } }, 400);
  expect(fieldOfRefusal(badField('partitions'), CONFIGS)).toBe('partitions');
  expect(fieldOfRefusal(badField('cluster'), CONFIGS)).toBeUndefined();
  expect(fieldOfRefusal(new Error('partitions'), CONFIGS)).toBeUndefined();
});
