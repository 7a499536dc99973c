import { isPromiseLike, malformedBytes, SerdeError, unsupportedValue } from './errors.ts';
import type { AsyncSerde, Deserializer, RecordPart, Serde, Serializer } from './serde.ts';
import { jsonSerde } from './text.ts';

/**
 * A schema of any library that speaks Standard Schema (https://standardschema.dev): zod, valibot, arktype and others. Only what is
 * needed of it stands here, so that none of them has to be installed.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema says of a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** What a schema finds wrong, and where. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The type of values that a schema takes. */
export type SchemaInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];
/** The type of values that a schema makes of them. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

/** Writes what a schema takes and reads what it makes of it. */
export interface SchemaSerde<S extends StandardSchema>
  extends Serializer<SchemaInput<S>>,
    Deserializer<SchemaOutput<S>> {}

/** The most of what is wrong that a message tells. */
const ISSUES_TOLD_MAX = 3;

/**
 * A serde that lets nothing pass that does not fit a schema, in either direction. What is written is the value as it was given, so
 * that a reader's schema does its transforms and defaults once, when the record is read.
 *
 * @param schema one that answers at once; {@link asyncSchemaSerde} takes those that have to wait
 * @param serde how values become bytes; JSON by default
 * @throws SerdeError `SERDE_VALUE_UNSUPPORTED` or `SERDE_BYTES_MALFORMED` with what does not fit, and where
 */
export function schemaSerde<S extends StandardSchema>(
  schema: S,
  serde: Serde<unknown> = jsonSerde<unknown>(),
): SchemaSerde<S> {
  const now = (value: unknown, part: RecordPart, topic: string): SchemaResult<unknown> => {
    const result = schema['~standard'].validate(value);
    if (!isPromiseLike(result)) return result;
    result.then(undefined, () => {});
    throw new SerdeError(
      'SERDE_SCHEMA_ASYNC',
      `the schema of the ${part} of topic '${topic}' has to be waited for: use asyncSchemaSerde`,
    );
  };
  return {
    serialize(value, topic, part) {
      fitsOrThrow(now(value, part, topic), topic, part, 'written');
      return serde.serialize(value, topic, part);
    },
    deserialize(bytes, topic, part) {
      return fitsOrThrow(now(serde.deserialize(bytes, topic, part), part, topic), topic, part, 'read');
    },
  };
}

/** The same for schemas that have to wait, such as one that looks something up. */
export function asyncSchemaSerde<S extends StandardSchema>(
  schema: S,
  serde: Serde<unknown> = jsonSerde<unknown>(),
): AsyncSerde<SchemaOutput<S>, SchemaInput<S>> {
  return {
    async: true,
    async serialize(value, topic, part) {
      fitsOrThrow(await schema['~standard'].validate(value), topic, part, 'written');
      return serde.serialize(value, topic, part);
    },
    async deserialize(bytes, topic, part) {
      const value = serde.deserialize(bytes, topic, part);
      return fitsOrThrow(await schema['~standard'].validate(value), topic, part, 'read');
    },
  };
}

function fitsOrThrow(
  result: SchemaResult<unknown>,
  topic: string,
  part: RecordPart,
  direction: 'written' | 'read',
): unknown {
  if (result.issues === undefined) return result.value;
  const told = result.issues.slice(0, ISSUES_TOLD_MAX).map(issueText);
  const rest = result.issues.length - told.length;
  const why = `${told.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`;
  const fault = direction === 'written' ? unsupportedValue : malformedBytes;
  throw fault('what its schema takes', topic, part, why, result.issues);
}

function issueText({ message, path = [] }: SchemaIssue): string {
  const place = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
  return place === '' ? message : `${place}: ${message}`;
}
